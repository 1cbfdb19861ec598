"""What `evaluate` does: a loaded engine over a manifest's split."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from mothertongue.batches import Context
from mothertongue.clip_facts import audio_digest, facts_of, read_facts
from mothertongue.decoding.transcript import DecodeConfig
from mothertongue.engines import Engine
from mothertongue.errors import DataError
from mothertongue.evaluation.evaluate import Evaluation, evaluate
from mothertongue.leaks import find_leaks, named, shared
from mothertongue.manifest import Split, Utterance, data_digest, read_data
from mothertongue.progress import counting, note
from mothertongue.records import RunDir, environment

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


def check_unseen(run_dir: RunDir, utterances: Sequence[Utterance], split: Split) -> dict[str, int]:
    """How many utterances of a split share audio, a sentence or a speaker with a run's training.

    Raises DataError where they share audio, but for a split that is called train: whoever scores it
    knows what it is.
    """
    trained = [each for each in read_facts(run_dir.data) if each.split == "train"]
    found = find_leaks(trained, facts_of(utterances))
    if found.audio and split != "train":
        raise DataError(
            f"{run_dir.path}: was trained on the audio of {len(found.audio):,} of the "
            f"{found.num_clips:,} clips of this split {split!r}: {named(found.audio)}; expected "
            "none. Remove them from the manifest, or call their split train"
        )
    if said := shared(found.counts()):
        note(f"{split}: {said}")
    return found.counts()


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
    tuned models only. Utterances carry the transcripts of the full context, and `looped_clips` and
    `cut_clips` count those that ended in a loop and those that met their limit of tokens.
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
        "audio_sha256": audio_digest(facts_of(utterances)),
        "split": split,
        "language": ",".join(sorted({each.language for each in utterances})),
        "scores": done["full"].scores(),
        "scores_cut": cut.scores() if cut else None,
        "looped_clips": sum(each.looped for each in done["full"].transcripts),
        "cut_clips": sum(each.is_cut for each in done["full"].transcripts),
        "decoding": config.model_dump() | engine.settings,
        "bootstrap": {"seed": 0, "resamples": 1000},
        "environment": environment(),
        "utterances": list(done["full"].rows()),
    }
