"""Score a loaded engine on a manifest's split."""

from collections.abc import Callable, Sequence
from pathlib import Path

from mothertongue.data.clip_facts import audio_digest, facts_of, read_facts
from mothertongue.data.clips import read_split
from mothertongue.data.languages import usual_measure
from mothertongue.data.leaks import LeakCounts, find_leaks, named
from mothertongue.data.manifest import Split, Utterance, data_digest
from mothertongue.decoding.lm.folder import read_record, seen_sentences
from mothertongue.decoding.transcript import DecodeConfig
from mothertongue.errors import ConfigError, DataError
from mothertongue.evaluation.evaluate import Evaluation, evaluate
from mothertongue.evaluation.lm_weight import WEIGHTS, Trial, choose_weight
from mothertongue.evaluation.rates import Score
from mothertongue.evaluation.records import LmFacts, SplitScores
from mothertongue.experiment.run_dir import RunDir
from mothertongue.inference.engine import Engine
from mothertongue.inference.lm_weights import remember_weight
from mothertongue.model.context import Context
from mothertongue.system.console import counting, note
from mothertongue.system.environment import environment

Advance = Callable[[int], None]


def check_unseen(run_dir: RunDir, utterances: Sequence[Utterance], split: Split) -> LeakCounts:
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
    if said := str(found.counts()):
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
) -> SplitScores:
    """Return all scores of a model on one split.

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
    return SplitScores(
        model=model,
        kind=engine.kind,
        data=", ".join(map(str, data)),
        data_digest=data_digest(data),
        audio_sha256=audio_digest(facts_of(utterances)),
        split=split,
        language=",".join(sorted({each.language for each in utterances})),
        scores=done["full"].scores(),
        scores_cut=cut.scores() if cut else None,
        looped_clips=sum(each.looped for each in done["full"].transcripts),
        cut_clips=sum(each.is_cut for each in done["full"].transcripts),
        decoding=config.facts() | engine.settings,
        precision_s=engine.precision_s,
        lm=_lm_facts(config.lm, utterances, trials) if config.lm else None,
        environment=environment(),
        utterances=list(done["full"].rows()),
    )


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
    _count_seen(config.lm, utterances, "validation clips, which then choose too large a weight")
    context = engine.trained_context

    def score(weight: float) -> Score:
        weighed = config.model_copy(update={"lm_weight": weight})
        return transcribe_split(engine, utterances, context, weighed, advance).score()

    with counting("weighing the language model", len(utterances) * len(WEIGHTS)) as advance:
        weight, trials = choose_weight(score, usual_measure(utterances[0].language))
    remember_weight(config.lm, model, weight)
    return config.model_copy(update={"lm_weight": weight}), trials


def _lm_facts(folder: Path, utterances: Sequence[Utterance], trials: Sequence[Trial]) -> LmFacts:
    """Return a language model's weight, and how many of the clips' texts it was made from."""
    seen = _count_seen(folder, utterances, "clips; their scores say little about other speech")
    return LmFacts(read_record(folder).arpa_sha256, seen, list(trials))


def _count_seen(folder: Path, utterances: Sequence[Utterance], then: str) -> int:
    """Return how many clips' texts a language model was made from; say it where there are any."""
    seen = seen_sentences(folder, [each.text for each in utterances])
    if seen:
        note(
            f"--lm {folder}: it was made from the sentences of {seen:,} of the {len(utterances):,} "
            f"{then}. Make it without them: mothertongue lm TEXT --held-out DATA"
        )
    return seen
