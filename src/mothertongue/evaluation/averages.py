"""What tuned models forgot on average over several sets, such as languages. No torch."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from mothertongue.errors import DataError
from mothertongue.evaluation.forgetting import Change, Forgetting, json_values
from mothertongue.evaluation.metrics import Interval, LanguageSource


@dataclass(frozen=True, slots=True)
class MeanChange:
    """A rate averaged over sets, each of equal weight; the counts are of all sets together.

    The interval holds 95 % over draws of the clips of these sets: it does not tell how a language
    that is not among them would fare.
    """

    before: float
    after: float
    difference: float
    interval95: Interval
    count_before: int
    count_after: int
    total: int
    sets: int


@dataclass(frozen=True, slots=True)
class MeanForgetting:
    """What tuning changed on average over sets of n clips together; the rates are Forgetting's.

    `language_identification` is over the sets where it was asked, None where it was in none.
    """

    n: int
    sets: int
    language_source: LanguageSource
    normalizer: str
    normalizer_version: str
    wer: MeanChange
    cer: MeanChange
    language_identification: MeanChange | None
    hallucinations: MeanChange
    loops: MeanChange
    empty: MeanChange

    def to_dict(self) -> dict[str, Any]:
        """All of it as JSON values."""
        return asdict(self, dict_factory=json_values)


def mean_forgetting(sets: Sequence[Forgetting]) -> MeanForgetting:
    """The average over sets that were measured alike.

    Raises DataError without a set, and where normalizer or language source are not the same in all.
    """
    source, name, version = _measured(sets)
    asked = [each.language_identification for each in sets if each.language_identification]
    return MeanForgetting(
        n=sum(each.n for each in sets),
        sets=len(sets),
        language_source=source,
        normalizer=name,
        normalizer_version=version,
        wer=_mean([each.wer for each in sets]),
        cer=_mean([each.cer for each in sets]),
        language_identification=_mean(asked) if asked else None,
        hallucinations=_mean([each.hallucinations for each in sets]),
        loops=_mean([each.loops for each in sets]),
        empty=_mean([each.empty for each in sets]),
    )


def _measured(sets: Sequence[Forgetting]) -> tuple[LanguageSource, str, str]:
    ways = {(each.language_source, each.normalizer, each.normalizer_version) for each in sets}
    if len(ways) != 1:
        found = "; ".join(" ".join(way) for way in sorted(ways)) or "no set"
        raise DataError(
            f"cannot average {found}; expected sets with one language source and one normalizer; "
            "average those apart that differ in them"
        )
    return ways.pop()


def _mean(changes: Sequence[Change]) -> MeanChange:
    sets = len(changes)
    return MeanChange(
        before=sum(each.before for each in changes) / sets,
        after=sum(each.after for each in changes) / sets,
        difference=sum(each.difference for each in changes) / sets,
        interval95=mean_interval(
            [each.difference for each in changes], [each.interval95 for each in changes]
        ),
        count_before=sum(each.count_before for each in changes),
        count_after=sum(each.count_after for each in changes),
        total=sum(each.total for each in changes),
        sets=sets,
    )


def mean_interval(values: Sequence[float], intervals: Sequence[Interval]) -> Interval:
    """The interval of the mean of independent values, from the interval of each.

    On either side the distances to the bounds add up as standard deviations do: by their squares.
    Zou and Donner 2008, "Construction of confidence limits about effect measures: a general
    approach", for a sum; here each value has weight 1 / count.
    """
    count = len(values)
    mean = sum(values) / count
    below, above = (
        math.hypot(*(value - bounds[side] for value, bounds in zip(values, intervals, strict=True)))
        / count
        for side in (0, 1)
    )
    return mean - below, mean + above
