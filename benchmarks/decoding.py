"""What is measured of every decoder: clips longest first, one pass to warm up, one on the clock.

Each gets the flags that serve it best: no beams, no timestamps, no second passes at other
temperatures, no search for speech.
"""

import json
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from work import read_split

from mothertongue.data.clips import Samples, load_clip
from mothertongue.evaluation.metrics import utterance_errors
from mothertongue.evaluation.normalizers import normalizer
from mothertongue.evaluation.rates import UtteranceRow
from mothertongue.model.devices import best_device, peak_memory_bytes

Decode = Callable[[Sequence[Samples]], list[str]]
LONGEST_TOKENS = 200
COMPUTE_TYPES = {"fp32": "float32", "bf16": "bfloat16"}


def run_decoder(opened: Callable[[dict[str, Any]], Decode]) -> None:
    """Print the result as one line of JSON; the request is the first argument."""
    spec = json.loads(sys.argv[1])
    clips = read_split(Path(spec["work"]) / "data", "test")
    clips.sort(key=lambda each: -each.duration_s)
    audio = [load_clip(Path(), each) for each in clips]
    decode = opened(spec)
    decode(audio[-spec["batch_size"] :])
    began = time.perf_counter()
    texts = decode(audio)
    seconds = time.perf_counter() - began
    rows = [
        UtteranceRow(
            each.id, each.language, each.text, text, each.duration_s, each.speaker, looped=False
        )
        for each, text in zip(clips, texts, strict=True)
    ]
    errors = utterance_errors(rows, normalizer("strict"))
    report = {
        "seconds": seconds,
        "clips": len(clips),
        "wer": float(np.sum(errors.word_errors_N) / np.sum(errors.words_N)),
        "peak_memory_bytes": peak_memory_bytes(best_device()),
    }
    print(json.dumps(report))
