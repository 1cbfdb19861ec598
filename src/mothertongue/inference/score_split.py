"""Score a loaded engine on a manifest's split."""

from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from mothertongue.data.clip_facts import audio_digest, facts_of, read_facts
from mothertongue.data.clips import read_split
from mothertongue.data.languages import usual_measure
from mothertongue.data.leaks import find_leaks, named, shared
from mothertongue.data.manifest import Split, Utterance, data_digest
from mothertongue.decoding.lm.folder import read_record, remember_weight, seen_sentences
from mothertongue.decoding.transcript import DecodeConfig
from mothertongue.errors import ConfigError, DataError
from mothertongue.evaluation.evaluate import Evaluation, evaluate
from mothertongue.evaluation.lm_weight import WEIGHTS, Trial, choose_weight
from mothertongue.evaluation.metrics import Score
from mothertongue.experiment.run_dir import RunDir, environment
from mothertongue.inference.engine import Engine
from mothertongue.model.context import Context
from mothertongue.system.console import counting, note
from mothertongue.system.json_files import FORMAT_VERSION

Advance = Callable[[int], None]
Json = dict[str, Any]


def check_unseen(run_dir: RunDir, utterances: Sequence[Utterance], split: Split) -> dict[str, int]:
    """Count utterances of a split that share audio, a sentence or a speaker with a run's training.

    Raises DataError where they share audio, except for a split that is called train, where that is
    expected.
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
    """Return the engine's transcripts of utterances from `read_split`, at one context."""
    return evaluate(engine.make(context, config, advance), utterances, context)


def evaluate_model(
    model: str,
    engine: Engine,
    data: Sequence[Path],
    split: Split,
    config: DecodeConfig,
    language: str | None,
) -> dict[str, Any]:
    """Return all scores of a model on one split, as JSON values.

    `scores` are at the full 30 s, as other software runs; `scores_cut` at the clips' own length for
    tuned models only. Utterances carry the transcripts of the full context, and `looped_clips` and
    `cut_clips` count those that ended in a loop and those that met their limit of tokens.
    The weight of a language model, if not given, is chosen on the same data's validation split,
    at the context that the model was trained at; `lm` has the trials.
    """
    utterances = read_split(data, split, language)
    config, trials = with_lm_weight(model, engine, data, split, config, language)
    with counting("decoding", len(utterances) * len(engine.contexts)) as advance:
        done = {
            context: transcribe_split(engine, utterances, context, config, advance)
            for context in engine.contexts
        }
    cut = done.get("bucket")
    return {
        "format_version": FORMAT_VERSION,
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
        "decoding": config.facts() | engine.settings,
        "precision_s": engine.precision_s,
        "lm": _lm_facts(config.lm, utterances, trials) if config.lm else None,
        "bootstrap": {"seed": 0, "resamples": 1000},
        "environment": environment(),
        "utterances": list(done["full"].rows()),
    }


def with_lm_weight(
    model: str,
    engine: Engine,
    data: Sequence[Path],
    split: Split,
    config: DecodeConfig,
    language: str | None,
) -> tuple[DecodeConfig, list[Trial]]:
    """Return the configuration with the weight of its language model, and all trials.

    The weight is chosen on the validation split, unless it is given. Raises ConfigError where that
    split is what is scored.
    """
    if config.lm is None or config.lm_weight is not None:
        return config, []
    if split == "validation":
        raise ConfigError(
            "--lm: its weight is chosen on validation clips, and they are what is scored; give "
            "--lm-weight, or score another split"
        )
    utterances = read_split(data, "validation", language)
    context = engine.trained_context

    def score(weight: float) -> Score:
        weighed = config.model_copy(update={"lm_weight": weight})
        return transcribe_split(engine, utterances, context, weighed, advance).score()

    with counting("weighing the language model", len(utterances) * len(WEIGHTS)) as advance:
        weight, trials = choose_weight(score, usual_measure(utterances[0].language))
    remember_weight(config.lm, model, weight)
    return config.model_copy(update={"lm_weight": weight}), trials


def _lm_facts(folder: Path, utterances: Sequence[Utterance], trials: Sequence[Trial]) -> Json:
    """Return a language model's weight, and how many of the clips' texts it was made from."""
    seen = seen_sentences(folder, [each.text for each in utterances])
    if seen:
        note(
            f"--lm {folder}: it was made from the sentences of {seen:,} of the {len(utterances):,} "
            "clips; their scores say little about other speech. Make it without them: "
            "mothertongue lm TEXT --held-out DATA"
        )
    return {
        "arpa_sha256": read_record(folder).arpa_sha256,
        "clips_with_seen_sentences": seen,
        "trials": [asdict(each) for each in trials],
    }
