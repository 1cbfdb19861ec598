"""Describe a comparison in words: its conditions and its findings. No torch."""

from collections.abc import Iterator, Sequence

from mothertongue.comparison.schema import (
    Comparison,
    Cut,
    StrategyRow,
    SystemDifference,
    WeightAverage,
)
from mothertongue.report.tables.cells import (
    ONE_SEED,
    chance,
    duration,
    is_measurable,
    is_tested,
    lowest,
    primary_measure,
    share,
)

CHOSEN_ON_TEST = (
    "checkpoints and hyper-parameters were chosen on the test split (protocol: paper): "
    "these figures are optimistic"
)

WARM = 0.02
"""The share of stored outputs of other runs from which on a time is called too short."""


def warning(result: Comparison) -> str:
    """Return the warning that every figure needs; empty if there is none."""
    return CHOSEN_ON_TEST if result.chosen_on == "test" else ""


def conditions(result: Comparison) -> str:
    """Return the conditions of the figures in one line, for captions too."""
    seeds = ", ".join(map(str, result.seeds))
    return (
        f"base {result.base}, protocol {result.protocol} (chosen on {result.chosen_on}), "
        f"normalizer {result.normalizer}, reference {result.reference}, "
        f"{'seeds' if len(result.seeds) > 1 else 'seed'} {seeds}"
    )


def legend(result: Comparison) -> str:
    """Return an explanation of the figures in the headline tables."""
    sd = "; sd: standard deviation over seeds, in points" if len(result.seeds) > 1 else ""
    return (
        "WER and CER in %; 95 %: bootstrap over clips, those of one sentence together; vs: "
        f"difference in points of the rate that chose, on the same clips{sd}"
    )


def findings(result: Comparison) -> list[str]:
    """Return a line for each language: the lowest rate, how sure, and the cheapest equal one."""
    lines = []
    for language, found in result.languages.items():
        rows = found.strategies
        if not rows:
            lines.append(f"{language}: no strategy was run")
            continue
        lines.append(f"{language}: {'; '.join(_finding(result, language, rows))}")
        if unchosen := [row.strategy for row in rows if row.chosen_at_wer is None]:
            names = ", ".join(unchosen)
            lines.append(f"{language}: no split to choose on, so the last weights: {names}")
        if warm := [row.strategy for row in rows if row.warm_share > WARM]:
            lines.append(
                f"{language}: times of {', '.join(warm)} are too short to compare: other runs had "
                "stored outputs of their frozen layers"
            )
        lines += [f"{language}: {_averaged(result, each)}" for each in found.weight_averages]
    return lines + list(map(_cut, result.cuts))


def _averaged(result: Comparison, average: WeightAverage) -> str:
    """Return what the average of a strategy gave, on validation first: that is what chose it."""
    measure = average.vs_seeds.measure
    count, rate = len(average.runs), measure.upper()
    of = f"of {count} seeds" if count > 1 else "of one run and the base"
    name = f"the average {of} of {average.strategy}, alpha {average.alpha:g}"
    if average.difference > 0:
        points = f"{100 * average.difference:.1f} points above its best run"
        return f"{name}, is {points} on {average.split}: use {average.best_run}"
    percent = 100 * average.scores[result.normalizer].rate(measure)
    points = f"{100 * average.vs_seeds.difference:+z.1f} points from the mean of the seeds"
    return f"{name}, has {rate} {percent:.1f} %, {points}"


def _cut(cut: Cut) -> str:
    values = ", ".join(f"{key.split('.')[1]}={value}" for key, value in cut.settings.items())
    return (
        f"{cut.language}: {cut.strategy} with {values} was cut after epoch {cut.epoch:g}, "
        f"at a validation {cut.measure.upper()} of {100 * cut.rate:.1f} %; the best of "
        f"{cut.out_of} there had {100 * cut.best_rate:.1f} %"
    )


def _finding(result: Comparison, language: str, rows: Sequence[StrategyRow]) -> Iterator[str]:
    best, measure = lowest(result, language), primary_measure(result, language)
    name, reference, rate = best.strategy, result.reference, measure.upper()
    percent = f"{100 * best.scores[result.normalizer].rate(measure):.1f} %"
    if len(rows) == 1:
        yield f"only {name} was run: {rate} {percent}"
    elif name == reference:
        yield f"{name}, the reference, has the lowest {rate}, {percent}"
    else:
        yield f"{name} has the lowest {rate}, {percent}"
    if best.vs_base:
        yield _against(best.vs_base, "the base model")
    if best.vs_reference:
        yield _against(best.vs_reference, reference)
    others = [row for row in rows if row is not best]
    tested = [(row, row.vs_best) for row in others if row.vs_best and is_tested(row.vs_best)]
    if tested:
        yield _cheapest([best, *(row for row, found in tested if not _is_worse(found))])
    names = [row.strategy for row, _ in tested]
    if untested := ", ".join(row.strategy for row in others if row.strategy not in names):
        yield f"one seed, so not tested against {untested}: {ONE_SEED}"


def _against(difference: SystemDifference, other: str) -> str:
    points = f"{100 * abs(difference.difference):.1f}"
    side = "below" if difference.difference < 0 else "above"
    where = f"level with {other}" if points == "0.0" else f"{points} points {side} {other}"
    if not is_tested(difference):
        return where
    noise = "beyond" if is_measurable(difference) else "within"
    of = "" if difference.over_seeds else "this run, "
    return f"{where}, {noise} the noise ({of}{chance(difference)})"


def _is_worse(vs_best: SystemDifference) -> bool:
    return vs_best.difference > 0 and is_measurable(vs_best)


def _cheapest(alike: Sequence[StrategyRow]) -> str:
    smallest = min(alike, key=lambda row: row.trainable_parameters)
    quickest = min(alike, key=lambda row: row.wall_s)
    name, size, time = smallest.strategy, share(smallest), duration(quickest.wall_s)
    if smallest is quickest:
        costs = f"{name} ({size} % of the parameters, {time})"
        return f"cheapest not measurably worse than the lowest: {costs}"
    return (
        f"not measurably worse than the lowest: {name} trains least ({size} % of the parameters), "
        f"{quickest.strategy} is quickest ({time})"
    )
