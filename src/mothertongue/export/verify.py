"""What one engine hears of clips, in a process of its own.

python -P -m mothertongue.export.verify

It reads a VerificationRequest as JSON from standard input, and writes its reply to standard output.
"""

import json
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from mothertongue.config import Config, parse
from mothertongue.data.clips import load_clip
from mothertongue.data.manifest import Utterance
from mothertongue.errors import MothertongueError
from mothertongue.experiment.config import Experiment
from mothertongue.experiment.load import load_run
from mothertongue.export.adapter import TorchHeard
from mothertongue.export.base import Exporter, Heard, comparable, exporter, seconds
from mothertongue.model.devices import best_device, peak_memory_bytes
from mothertongue.model.load import load_base
from mothertongue.model.locate import locate
from mothertongue.model.tokenizer import Tokens, load_tokens

Json = dict[str, Any]


class VerificationRequest(Config):
    """What to hear with: a run, or an artefact in a format; and which clips."""

    path: Path
    format: str | None
    """None for a run."""
    type: str
    base: str
    borrow: dict[str, str]
    language: str
    max_tokens: int
    """The most text tokens of a clip that are compared: the limit of the export's engine."""
    clips: tuple[Json, ...]

    @classmethod
    def of_run(
        cls, run: Path, language: str, max_tokens: int, clips: Sequence[Utterance]
    ) -> "VerificationRequest":
        return cls(
            path=run,
            format=None,
            type="",
            base="",
            borrow={},
            language=language,
            max_tokens=max_tokens,
            clips=tuple(map(asdict, clips)),
        )

    @classmethod
    def of(
        cls,
        writer: Exporter,
        folder: Path,
        type_: str,
        experiment: Experiment,
        clips: Sequence[Utterance],
    ) -> "VerificationRequest":
        return cls(
            path=folder,
            format=writer.format,
            type=type_,
            base=experiment.base,
            borrow=experiment.borrow,
            language=experiment.language,
            max_tokens=writer.max_tokens,
            clips=tuple(map(asdict, clips)),
        )


def hear(hearing: VerificationRequest) -> Json:
    """The tokens, text and detected language of each clip; whether timestamps come; the cost.

    `tokens` and `text` are what is compared, `whole_text` is of all that was written.
    """
    engine, tokens = _opened(hearing)
    language = tokens.borrowed.get(hearing.language, hearing.language)
    clips = [load_clip(Path(), Utterance(**each)) for each in hearing.clips]
    began = time.perf_counter()
    written = [engine.transcribe(clip, language) for clip in clips]
    decode_s = time.perf_counter() - began
    kept = [
        comparable(each, tokens, seconds(clip), hearing.max_tokens)
        for clip, each in zip(clips, written, strict=True)
    ]
    return {
        "clips": [
            {
                "tokens": found,
                "text": tokens.decode(found),
                "whole_text": tokens.decode(whole),
                "detected": engine.detect(clip),
            }
            for clip, found, whole in zip(clips, kept, written, strict=True)
        ],
        "timestamps": any(end > start for start, end in engine.timestamps(clips[0], language)),
        "decode_s": decode_s,
        "peak_memory_bytes": peak_memory_bytes(best_device()),
    }


def _opened(hearing: VerificationRequest) -> tuple[Heard, Tokens]:
    if hearing.format is None:
        tuned = load_run(hearing.path).base
        return TorchHeard(tuned), tuned.tokens
    writer = exporter(hearing.format)
    tokens = load_tokens(locate(hearing.base)).borrowing(hearing.borrow)
    base = load_base(hearing.base) if writer.needs_base else None
    return writer.open(hearing.path, hearing.type, base), tokens


def main() -> None:
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    try:
        print(json.dumps(hear(parse(VerificationRequest, json.load(sys.stdin), "standard input"))))
    except MothertongueError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
