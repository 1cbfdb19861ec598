"""faster-whisper's batched pipeline: all clips as one recording, with their bounds given.

A child of bench.py; usage: faster_whisper_pipeline.py JSON
"""

import os
from collections.abc import Sequence
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np
from decoding import COMPUTE_TYPES, LONGEST_TOKENS, Decode, run_decoder
from faster_whisper import BatchedInferencePipeline, WhisperModel

from mothertongue.data.audio.load import SAMPLE_RATE_HZ
from mothertongue.data.clips import Samples


def opened(spec: dict[str, Any]) -> Decode:
    model = WhisperModel(
        str(Path(spec["work"]) / "ctranslate2"),
        device="cpu",
        compute_type=COMPUTE_TYPES[spec["precision"]],
        cpu_threads=int(os.environ["OMP_NUM_THREADS"]),
    )
    pipeline = BatchedInferencePipeline(model)

    def decode(audio: Sequence[Samples]) -> list[str]:
        ends_s = [end / SAMPLE_RATE_HZ for end in accumulate(map(len, audio))]
        bounds = [
            {"start": start, "end": end} for start, end in zip([0.0, *ends_s], ends_s, strict=False)
        ]
        segments, _ = pipeline.transcribe(
            np.concatenate(audio),
            language=spec["language"],
            beam_size=1,
            temperature=[0.0],
            without_timestamps=True,
            vad_filter=False,
            clip_timestamps=bounds,
            batch_size=spec["batch_size"],
            max_new_tokens=LONGEST_TOKENS,
        )
        return [each.text for each in segments]

    return decode


if __name__ == "__main__":
    run_decoder(opened)
