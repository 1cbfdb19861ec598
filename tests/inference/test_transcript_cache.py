"""Test the file that keeps transcripts: what a transcript depends on is in its key."""

from dataclasses import replace
from pathlib import Path

import numpy as np
from parrot import Parrot

from mothertongue.decoding.transcript import Clip
from mothertongue.inference.transcript_cache import CachedTranscriber


def test_a_clip_is_recognized_again_where_a_setting_of_it_is_another(tmp_path: Path) -> None:
    plain = Clip(np.ones(1600, np.float32), "zh")
    others = {"language": "th", "context": "bucket", "task": "translate", "prompt": (1,)}
    others |= {"adapter": "a", "word_times": True, "text_language": "hmn"}
    clips = [plain, *(replace(plain, **{name: x}) for name, x in others.items())]
    clips.append(replace(plain, samples_N=np.zeros(1600, np.float32)))
    for expected in (len(clips), 0):
        parrot = Parrot()
        CachedTranscriber(parrot, tmp_path / "kept.jsonl", ["m"]).decode(clips)
        assert sum(map(len, parrot.calls)) == expected
