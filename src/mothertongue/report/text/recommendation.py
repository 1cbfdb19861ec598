"""Recommend a strategy in plain words, with reasons and doubts. No torch."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from mothertongue.comparison.schema import Comparison, SeedScore, StrategyRow, SystemDifference
from mothertongue.data.languages import Measure
from mothertongue.report.tables.cells import (
    ONE_SEED,
    chance,
    duration,
    is_measurable,
    is_tested,
    lowest,
    primary_measure,
    sample,
    set_name,
    share,
)
from mothertongue.report.text.summary import warning
from mothertongue.system.console import gigabytes, interval

FEW_CLIPS = 300
"""Below this many clips an interval of WER is usually some points wide."""
TOKENS: dict[Measure, str] = {"wer": "words", "cer": "characters"}
RATES: dict[Measure, str] = {"wer": "word error rate (WER)", "cer": "character error rate (CER)"}


@dataclass(frozen=True, slots=True)
class Advice:
    """A recommendation for one language: a strategy, its reasons, and the doubts."""

    strategy: str
    is_better_than_base: bool
    """Whether it makes fewer errors than the base model; True where that was not scored."""
    summary: str
    reasons: tuple[str, ...]
    doubts: tuple[str, ...]


def advice(result: Comparison, language: str) -> Advice | None:
    """Recommend the strategy with the lowest error rate on the test split; None without tests.

    The rate is the one that compares systems of the language.
    """
    if not result.languages[language].strategies:
        return None
    best = lowest(result, language)
    return Advice(
        strategy=best.strategy,
        is_better_than_base=best.vs_base is None or best.vs_base.difference < 0,
        summary=_summary(result, language, best),
        reasons=tuple(_reasons(result, language, best)),
        doubts=tuple(_doubts(result, language, best)),
    )


def _summary(result: Comparison, language: str, best: StrategyRow) -> str:
    measure = primary_measure(result, language)
    wrong = f"{100 * _score(result, best).rate(measure):.0f} {TOKENS[measure]} in 100 wrong"
    base = result.languages[language].base
    if base is None:
        return wrong
    before = base.scores[result.normalizer].rate(measure)
    return f"{wrong}, where the base model has {100 * before:.0f}"


def _reasons(result: Comparison, language: str, best: StrategyRow) -> Iterator[str]:
    score, measure = _score(result, best), primary_measure(result, language)
    yield (
        f"On {score.n:,} test clips its {RATES[measure]} is {100 * score.rate(measure):.1f} %; "
        f"95 % interval {interval(score.bounds(measure))} %."
    )
    if best.vs_base and best.vs_base.difference < 0:
        yield f"{_points(best.vs_base)} than the base model on the same clips."
    if best.vs_reference and best.vs_reference.difference < 0:
        yield f"{_points(best.vs_reference)} than {result.reference} on the same clips."
    others = _others(result, language, best)
    if worse := [row.strategy for row in others if row.vs_best and is_measurable(row.vs_best)]:
        yield f"Measurably better than {_names(worse)}."
    yield from _averaged(result, language, best)
    yield (
        f"It trains {share(best)} % of the parameters; a run took {duration(best.wall_s)} and "
        f"{gigabytes(best.peak_memory_bytes)} of memory."
    )


def _averaged(result: Comparison, language: str, best: StrategyRow) -> Iterator[str]:
    """Yield whether the average of the strategy's runs is better than each of them, on the split
    that chose it: a user picks the model of one folder."""
    measure = primary_measure(result, language)
    for each in result.languages[language].weight_averages:
        if each.strategy != best.strategy or each.difference == 0:
            continue
        points = f"{100 * abs(each.difference):.1f} points"
        name = f"its {len(each.runs)} runs" if len(each.runs) > 1 else "its run and the base"
        average = f"the average of {name} ({each.run}, alpha {each.alpha:g})"
        if each.difference > 0:
            yield f"On {each.split}, {average} is worse than {each.best_run} by {points}."
        else:
            tested = 100 * each.scores[result.normalizer].rate(measure)
            yield (
                f"On {each.split}, {average} is better than {each.best_run} by {points}; on "
                f"the test clips its {measure.upper()} is {tested:.1f} %."
            )


def _doubts(result: Comparison, language: str, best: StrategyRow) -> Iterator[str]:
    found, score = result.languages[language], _score(result, best)
    if said := warning(result):
        yield f"{said[0].upper()}{said[1:]}."
    if best.vs_base and best.vs_base.difference >= 0:
        yield (
            f"{_points(best.vs_base)} than the base model on the same clips: tuning did not help; "
            "use the base model."
        )
    yield from _comparisons(best, _others(result, language, best))
    if score.n < FEW_CLIPS:
        yield f"Only {score.n:,} clips, {score.words:,} words, were tested."
    yield from _speakers(best, score)
    measure = primary_measure(result, language)
    for name, other in best.also.items():
        rate = other.scores[result.normalizer].rate(measure)
        yield f"On other speech ({set_name(name)}) its {measure.upper()} is {100 * rate:.1f} %."
    yield from _forgot(best)
    yield from found.doubts
    for card in found.cards:
        yield from (f"Data {card.folder}: {said}." for said in card.warnings)


def _comparisons(best: StrategyRow, others: Sequence[StrategyRow]) -> Iterator[str]:
    """Yield the doubts about the comparison with the other strategies."""
    compared = [(row, row.vs_best) for row in others if row.vs_best]
    untested = [row.strategy for row, found in compared if not is_tested(found)]
    for row, found in compared:
        if is_tested(found) and not is_measurable(found):
            yield f"{row.strategy} is not measurably different: {_alike(row, found)}."
    if others:
        yield (
            f"It was picked from {len(others) + 1} strategies by the same test clips that give its "
            "figure, which makes that figure look a little better than it is."
        )
    if untested:
        yield f"One seed, so it is called better than none of {_names(untested)}: {ONE_SEED}."
    elif len(best.runs) == 1:
        yield "One seed: how much another run of the same settings would differ was not measured."


def _speakers(best: StrategyRow, score: SeedScore) -> Iterator[str]:
    speakers = best.anatomy.by.speaker
    compared = best.vs_base or best.vs_reference
    if [each.clips for each in speakers] == [score.n]:
        yield f"All test clips are of one speaker ({speakers[0].name}): others may fare worse."
    elif compared and compared.drawn != "speakers" and compared.num_speakers > 1:
        yield (
            f"The test clips are of {compared.num_speakers} speakers, too few to draw from: p "
            "holds for these speakers, others may fare worse."
        )


def _forgot(best: StrategyRow) -> Iterator[str]:
    if not best.retention:
        return
    mean, sets = best.retention.mean.wer, list(best.retention.sets)
    low, high = mean.interval95
    if low > 0:
        yield (
            f"It forgot: WER on {_names(sets)} rose from {100 * mean.before:.1f} to "
            f"{100 * mean.after:.1f} % on average (95 % {100 * low:+.1f} to "
            f"{100 * high:+.1f} points)."
        )


def _score(result: Comparison, row: StrategyRow) -> SeedScore:
    return row.scores[result.normalizer]


def _others(result: Comparison, language: str, best: StrategyRow) -> list[StrategyRow]:
    return [row for row in result.languages[language].strategies if row is not best]


def _alike(row: StrategyRow, found: SystemDifference) -> str:
    costs = f"trains {share(row)} % of the parameters in {duration(row.wall_s)}"
    return f"{100 * found.difference:+z.1f} points, {chance(found)}; it {costs}"


def _points(found: SystemDifference) -> str:
    """Return how many tokens fewer or more in 100 are wrong, and the p of the difference."""
    side, sign = ("fewer", -1) if found.difference < 0 else ("more", 1)
    low, high = sorted(100 * sign * bound for bound in found.interval95)
    drawn = f"over {sample(found)}"
    if is_measurable(found):
        of = "" if found.over_seeds else "; of this run, another may differ"
        how = f"95 % {low:.1f} to {high:.1f} {drawn}; {chance(found)}{of}"
    elif is_tested(found):
        how = f"{chance(found)} {drawn}, which may be chance"
    else:
        how = f"95 % {low:.1f} to {high:.1f} {drawn}; not tested, for there is one seed"
    wrong = f"wrong {TOKENS[found.measure]} in 100"
    return f"{100 * abs(found.difference):.1f} {side} {wrong} ({how})"


def _names(names: Sequence[str]) -> str:
    return " and ".join([", ".join(names[:-1]), names[-1]]) if len(names) > 1 else names[0]
