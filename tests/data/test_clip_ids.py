"""Prepare clips that state no ids: none of them is lost because another has its name."""

import json
from pathlib import Path

from clips import tone, write_clip
from prepared import count_characters, options

from mothertongue.data.manifest import read_manifest
from mothertongue.data.prepare import prepare
from mothertongue.data.sources.detect import detect


def test_parts_that_start_together_have_ids_of_their_own(tmp_path: Path) -> None:
    write_clip(tmp_path / "long.wav", tone(2))
    parts = [{"audio": "long.wav", "start": 0.5, "end": 0.5 + i / 2} for i in (1, 2)]
    table = tmp_path / "table.jsonl"
    table.write_text("".join(json.dumps(x | {"text": f"neno {x['end']}"}) + "\n" for x in parts))
    prepare(detect(table), tmp_path / "out", options(), count_characters)
    ids = [clip.id for clip in read_manifest(tmp_path / "out")]
    assert ids == ["long.wav@0.5-1", "long.wav@0.5-1.5"]


def test_clips_of_one_name_in_two_parts_of_a_mixture_have_ids_of_their_own(tmp_path: Path) -> None:
    mixture = tmp_path / "mixture"
    for number, part in enumerate(("one", "two"), start=1):
        write_clip(mixture / part / "a.wav", tone(0.5, hertz=200 * number))
    (mixture / "one/metadata.csv").write_text("file_name,text\na.wav,habari\n")
    (mixture / "two/corpus.tsv").write_text("audio\ttext\na.wav\tasante\n")
    prepare(detect(mixture), tmp_path / "out", options(), count_characters)
    ids = [clip.id for clip in read_manifest(tmp_path / "out")]
    assert ids == ["one/a.wav", "two/a.wav"]
