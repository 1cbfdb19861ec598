"""Read the data of a run, and refuse data that does not fit its settings."""

from collections.abc import Callable, Sequence

from mothertongue.data.clip_facts import facts_of
from mothertongue.data.clips import refuse_long
from mothertongue.data.leaks import check_splits
from mothertongue.data.manifest import Split, Utterance, read_data
from mothertongue.data.replay import read_replay
from mothertongue.errors import ConfigError, DataError
from mothertongue.experiment.config import Experiment


def read_fitting(
    experiment: Experiment, noted: Callable[[str], None] = lambda _: None
) -> list[Utterance]:
    """Return the utterances, once all that needs no base is known to fit the experiment.

    The clips of a replay come last; see `is_replayed`.
    """
    if experiment.average:
        raise ConfigError(
            "average: mothertongue average wrote these settings, and its runs are not trained; "
            "train the runs that it names, or remove the key"
        )
    utterances = read_data(experiment.manifests)
    trained = {each.language for each in utterances if each.split == "train"}
    replayed = read_replay(experiment.train.replayed, trained)
    _refuse_other_language(experiment, utterances)
    utterances += replayed
    _refuse_empty(experiment, utterances)
    _refuse_idle_borrow(experiment, utterances)
    _refuse_idle_averages(experiment, utterances)
    places = [*experiment.manifests, *experiment.train.replayed]
    refuse_long(places, [e for e in utterances if e.split in ("train", experiment.select_on)])
    check_splits(facts_of(utterances), ", ".join(map(str, places)), noted)
    return utterances


def split_of(utterances: Sequence[Utterance], split: Split) -> list[Utterance]:
    """Return the utterances of one split."""
    return [each for each in utterances if each.split == split]


def _refuse_other_language(experiment: Experiment, utterances: Sequence[Utterance]) -> None:
    found = sorted({each.language for each in utterances if each.split == "train"})
    if found and experiment.language not in found:
        raise DataError(
            f"language: {experiment.language}, but the training data is in {', '.join(found)}; "
            "change one of them"
        )


def _refuse_empty(experiment: Experiment, utterances: Sequence[Utterance]) -> None:
    empty = [f"  {e.id}" for e in utterances if e.split == "train" and not e.text.strip()]
    if empty:
        raise DataError(
            f"{', '.join(map(str, experiment.manifests))}: {len(empty)} clips to train on have no "
            "text, expected the transcript of each; write it, or let mothertongue prepare reject "
            "them:\n" + "\n".join(empty[:20])
        )


def _refuse_idle_borrow(experiment: Experiment, utterances: Sequence[Utterance]) -> None:
    if idle := sorted(experiment.borrow.keys() - {each.language for each in utterances}):
        raise ConfigError(
            f"borrow: {', '.join(idle)} has no effect, the data has no such language; remove it"
        )


def _refuse_idle_averages(experiment: Experiment, utterances: Sequence[Utterance]) -> None:
    if experiment.train.has_averages and not split_of(utterances, experiment.select_on):
        raise ConfigError(
            "train.ema and train.average_last have no effect: the data has no clip in split "
            f"{experiment.select_on!r}, on which an average is held against the best weights; "
            "remove them, or add one"
        )
