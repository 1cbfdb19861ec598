"""What `evaluate` and `transcribe` do: a loaded engine over a manifest's split, or over files."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import accumulate
from pathlib import Path
from typing import Any

from mothertongue.audio import SAMPLE_RATE_HZ, load_audio, split_at_quiet
from mothertongue.batches import FULL_CONTEXT_S, Context
from mothertongue.decoding.transcript import DecodeConfig, Transcriber
from mothertongue.engines import Engine
from mothertongue.errors import DataError
from mothertongue.evaluation.evaluate import Evaluation, evaluate
from mothertongue.manifest import Split, Utterance, data_digest, read_data
from mothertongue.progress import counting
from mothertongue.records import environment

Advance = Callable[[int], None]


def read_split(data: Sequence[Path], split: Split, language: str | None) -> list[Utterance]:
    """The utterances of one split of manifests, all under `language` if one is given.

    Raises DataError naming the splits there are when this one is empty.
    """
    utterances = read_data(data)
    chosen = [each for each in utterances if each.split == split]
    if not chosen:
        found = ", ".join(sorted({each.split for each in utterances})) or "no utterances"
        names = ", ".join(map(str, data))
        raise DataError(f"{names}: no utterance in split {split!r}; found {found}")
    return [replace(each, language=language) for each in chosen] if language else chosen


def transcribe_split(
    engine: Engine,
    utterances: Sequence[Utterance],
    context: Context,
    config: DecodeConfig,
    advance: Advance,
) -> Evaluation:
    """The engine's transcripts of utterances that `read_split` gave, at one context."""
    transcribe = engine.make(context, config, advance)
    return evaluate(transcribe, Path(), utterances, "full" if context == "full" else "cut")


def evaluate_model(
    model: str,
    engine: Engine,
    data: Sequence[Path],
    split: Split,
    config: DecodeConfig,
    language: str | None,
) -> dict[str, Any]:
    """All scores of a model on one split, as JSON values.

    `scores` are at the full 30 s, what the world runs; `scores_cut` at the clips' own length, for
    tuned models only. Utterances carry the transcripts of the full context.
    """
    utterances = read_split(data, split, language)
    with counting("decoding", len(utterances) * len(engine.contexts)) as advance:
        done = {
            context: transcribe_split(engine, utterances, context, config, advance)
            for context in engine.contexts
        }
    cut = done.get("bucket")
    return {
        "model": model,
        "kind": engine.kind,
        "data": ", ".join(map(str, data)),
        "data_digest": data_digest(data),
        "split": split,
        "language": ",".join(sorted({each.language for each in utterances})),
        "scores": done["full"].scores(),
        "scores_cut": cut.scores() if cut else None,
        "decoding": config.model_dump() | engine.settings,
        "bootstrap": {"seed": 0, "resamples": 1000},
        "environment": environment(),
        "utterances": list(done["full"].rows()),
    }


def transcribe_files(
    engine: Engine,
    files: Sequence[Path],
    config: DecodeConfig,
    language: str | None,
) -> list[dict[str, Any]]:
    """The text of audio files of any length, with the pieces it was heard in, as JSON values.

    What is longer than 30 s is cut at its quietest moments. Raises AudioError naming the file.
    """
    transcribe = engine.make(engine.contexts[-1], config, lambda _: None)
    results = []
    with counting("transcribing", len(files)) as advance:
        for file in files:
            results.append(_transcribed(transcribe, file, language or engine.language))
            advance(1)
    return results


def _transcribed(transcribe: Transcriber, file: Path, language: str | None) -> dict[str, Any]:
    pieces = split_at_quiet(load_audio(file), FULL_CONTEXT_S)
    transcripts = transcribe(pieces, language)
    ends_s = [end / SAMPLE_RATE_HZ for end in accumulate(map(len, pieces))]
    segments = [
        {"start_s": start, "end_s": end, "text": each.text}
        for start, end, each in zip([0.0, *ends_s], ends_s, transcripts, strict=False)
    ]
    text = " ".join(each.text for each in transcripts if each.text)
    return {
        "audio": str(file),
        "language": transcripts[0].language,
        "text": text,
        "segments": segments,
    }
