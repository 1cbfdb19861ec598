"""Transcribe clips with one engine in a separate process, to compare a run with its export.

`export` asks it with a VerificationRequest (`system.processes.ask`).
"""

import time
from collections.abc import Sequence
from pathlib import Path

from mothertongue.config import Config, parse
from mothertongue.data.clips import load_clip
from mothertongue.data.manifest import ROOT, Utterance
from mothertongue.decoding.torch_transcriber import TorchTranscriber
from mothertongue.decoding.transcript import (
    ClipTranscriber,
    DecodeConfig,
    Samples,
    Transcriber,
    Transcript,
)
from mothertongue.evaluation.evaluate import evaluate
from mothertongue.experiment.load import load_run
from mothertongue.export.base import (
    ExportTranscriber,
    comparable,
    exporter,
    seconds,
)
from mothertongue.export.records import ClipReply, EngineReply
from mothertongue.model.devices import best_device, peak_memory_bytes
from mothertongue.model.load import load_base
from mothertongue.model.locate import locate
from mothertongue.model.tokenizer import Tokens, load_tokens
from mothertongue.system.json_files import to_json
from mothertongue.system.processes import answer


class VerificationRequest(Config):
    """A run, or an export in a format, and the clips to transcribe with it."""

    path: Path
    format: str | None
    """None for a run."""
    base: str
    borrow: dict[str, str]
    language: str
    max_tokens: int
    """The most text tokens of a clip that are compared: the limit of the export's engine."""
    clips: tuple[Utterance, ...]


def transcribe_clips(request: VerificationRequest) -> EngineReply:
    """Return the transcripts of the clips, and their costs."""
    engine, tokens = _opened(request)
    language = tokens.borrowed.get(request.language, request.language)
    timer = _Timer(engine)
    found = evaluate(timer, request.clips, "full").transcripts
    samples = [load_clip(ROOT, each) for each in request.clips]
    kept = [
        comparable(each.tokens, tokens, seconds(samples_N), request.max_tokens)
        for samples_N, each in zip(samples, found, strict=True)
    ]
    return EngineReply(
        clips=tuple(
            ClipReply(tuple(same), tokens.decode(same), whole.text, detected)
            for same, whole, detected in zip(kept, found, _detected(engine, samples), strict=True)
        ),
        timestamps=_has_timestamps(engine, samples[0], language),
        decode_s=timer.decode_s,
        peak_memory_bytes=peak_memory_bytes(best_device()),
    )


class _Timer:
    """A transcriber that counts the seconds of decoding, without those of reading the clips."""

    def __init__(self, transcribe: Transcriber) -> None:
        self.transcribe, self.decode_s = transcribe, 0.0

    def __call__(self, audio: Sequence[Samples], language: str | None) -> list[Transcript]:
        began = time.perf_counter()
        found = self.transcribe(audio, language)
        self.decode_s += time.perf_counter() - began
        return found


def _detected(engine: ClipTranscriber, samples: Sequence[Samples]) -> list[str]:
    if isinstance(engine, ExportTranscriber):
        return [engine.detect(samples_N) for samples_N in samples]
    return [found.language for found in engine(samples, None)]


def _has_timestamps(engine: ClipTranscriber, samples_N: Samples, language: str) -> bool:
    """Return whether the engine finds segments with times; our own decoder writes none."""
    found = isinstance(engine, ExportTranscriber) and engine.timestamps(samples_N, language)
    return any(end > start for start, end in found or ())


def _opened(request: VerificationRequest) -> tuple[ClipTranscriber, Tokens]:
    if request.format is None:
        base = load_run(request.path).base
        config = DecodeConfig(batch_size=1)
        return TorchTranscriber(base.model, base.tokens, context="full", config=config), base.tokens
    writer = exporter(request.format)
    tokens = load_tokens(locate(request.base)).borrowing(request.borrow)
    lent = load_base(request.base) if writer.needs_base else None
    return writer.open(request.path, tokens, lent), tokens


def main() -> None:
    """Answer the request of the process that started this one."""
    answer(lambda given: to_json(transcribe_clips(parse(VerificationRequest, given, "request"))))


if __name__ == "__main__":
    main()
