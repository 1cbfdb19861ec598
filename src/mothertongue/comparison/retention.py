"""Measure forgetting of the runs of one strategy: each set before and after, and the mean."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from statistics import fmean

from mothertongue.comparison.schema import Retained, Retention, SwitchedOff
from mothertongue.evaluation.forgetting import forgetting, mean_forgetting
from mothertongue.evaluation.rates import Forgetting, MeanForgetting, RateChange, UtteranceRow
from mothertongue.evaluation.records import SplitScores
from mothertongue.system.json_files import read_json

Measured = Forgetting | MeanForgetting
MEASURES = ("wer", "cer", "language_identification", "hallucinations", "loops", "empty")


def retention(names: Iterable[str], base: Path, runs: Sequence[Path]) -> Retention | None:
    """Return the forgetting on each set by its name, and the mean of the sets; None without sets.

    `base` and `runs` are folders of scores; `runs` has one for each seed.
    """
    names = list(names)
    if not names:
        return None
    before = {name: _rows(base, f"retention-{name}") for name in names}
    seeds = [
        {name: forgetting(before[name], _rows(run, f"retention-{name}")) for name in names}
        for run in runs
    ]
    means = [mean_forgetting(list(seed.values())) for seed in seeds]
    return Retention(
        sets={name: over_seeds([seed[name] for seed in seeds]) for name in names},
        mean=over_seeds(means),
        switched_off=_changed_when_disabled(names[0], before[names[0]], runs),
    )


def over_seeds(found: Sequence[Measured]) -> Retained:
    """Return the mean of each measure's rates and differences over seeds.

    The bounds of an interval are averaged too: the clips are the same for every seed, so more seeds
    make the draw of the clips no surer.
    """
    changes = {name: [getattr(each, name) for each in found] for name in MEASURES}
    means = {name: _mean(each) for name, each in changes.items() if None not in each}
    return Retained(n=found[0].n, normalizer=found[0].normalizer, **means)


def _mean(changes: Sequence[RateChange]) -> RateChange:
    low, high = (fmean(each.interval95[side] for each in changes) for side in (0, 1))
    return RateChange(
        before=fmean(each.before for each in changes),
        after=fmean(each.after for each in changes),
        difference=fmean(each.difference for each in changes),
        interval95=(low, high),
    )


def _changed_when_disabled(
    name: str, before: Sequence[UtteranceRow], runs: Sequence[Path]
) -> SwitchedOff | None:
    """Return the clips that runs with adapters disabled transcribe differently from the base.

    None where the adapters are not removable.
    """
    if not all((run / f"off-{name}.json").is_file() for run in runs):
        return None
    pairs = [pair for run in runs for pair in zip(before, _rows(run, f"off-{name}"), strict=True)]
    differ = {old.id for old, new in pairs if old.hypothesis != new.hypothesis}
    return SwitchedOff(name, len(before), sorted(differ))


def _rows(folder: Path, name: str) -> list[UtteranceRow]:
    return read_json(folder / f"{name}.json", SplitScores).utterances
