"""Which strategy to use, in plain words: the reason for it and the doubt. No torch."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from mothertongue.comparison.cells import Json, duration, is_measurable, set_name, share
from mothertongue.comparison.summary import warning
from mothertongue.tables import gigabytes, interval

FEW_CLIPS = 300
"""Below this many clips an interval of WER is usually some points wide."""


@dataclass(frozen=True, slots=True)
class Advice:
    """What one language is told: a strategy, reasons for it, and what to doubt."""

    strategy: str
    summary: str
    reasons: tuple[str, ...]
    doubts: tuple[str, ...]


def advice(result: Json, language: str) -> Advice | None:
    """The strategy of the lowest WER on the test split; None where none was tested."""
    rows = result["languages"][language]["strategies"]
    if not rows:
        return None
    best = min(rows, key=lambda row: _score(result, row)["wer"])
    return Advice(
        strategy=best["strategy"],
        summary=_summary(result, language, best),
        reasons=tuple(_reasons(result, best, rows)),
        doubts=tuple(_doubts(result, language, best, rows)),
    )


def _summary(result: Json, language: str, best: Json) -> str:
    wer = f"{100 * _score(result, best)['wer']:.0f} words in 100 wrong"
    base = result["languages"][language]["base"]
    if base is None:
        return wer
    before = base["scores"][result["normalizer"]]["wer"]
    return f"{wer}, where the untouched base has {100 * before:.0f}"


def _reasons(result: Json, best: Json, rows: Sequence[Json]) -> Iterator[str]:
    score = _score(result, best)
    yield (
        f"On {score['n']:,} test clips its word error rate (WER) is {100 * score['wer']:.1f} %; "
        f"95 % interval {interval(score['interval95'])} %."
    )
    if best["vs_base"]:
        yield f"{_points(best['vs_base'])} than the untouched base on the same clips."
    if best["vs_reference"]:
        yield f"{_points(best['vs_reference'])} than {result['reference']} on the same clips."
    worse = [row["strategy"] for row in rows if row is not best and not _is_alike(row)]
    if worse:
        yield f"Measurably better than {_names(worse)}."
    yield (
        f"It trains {share(best)} % of the parameters; a run took {duration(best['wall_s'])} and "
        f"{gigabytes(best['peak_memory_bytes'])} of memory."
    )


def _doubts(result: Json, language: str, best: Json, rows: Sequence[Json]) -> Iterator[str]:
    found, score = result["languages"][language], _score(result, best)
    if said := warning(result):
        yield f"{said[0].upper()}{said[1:]}."
    for row in rows:
        if row is not best and _is_alike(row):
            yield f"{row['strategy']} cannot be told from it: {_alike(row)}."
    if len(rows) > 1:
        yield (
            f"It was picked from {len(rows)} strategies by the same test clips that give its "
            "figure, which flatters it a little."
        )
    if len(best["runs"]) == 1:
        yield "One seed: how much another run of the same settings would differ was not measured."
    if score["n"] < FEW_CLIPS:
        yield f"Only {score['n']:,} clips, {score['words']:,} words, were tested."
    speakers = best["anatomy"]["by"]["speaker"]
    if [each["clips"] for each in speakers] == [score["n"]]:
        yield f"All test clips are of one speaker ({speakers[0]['name']}): others may fare worse."
    for name, other in best["also"].items():
        rate = other["scores"][result["normalizer"]]["wer"]
        yield f"On other speech ({set_name(name)}) its WER is {100 * rate:.1f} %."
    yield from _forgot(best)
    yield from found.get("doubts", ())
    for card in found["cards"]:
        yield from (f"Data {card['folder']}: {said}." for said in card["warnings"])


def _forgot(best: Json) -> Iterator[str]:
    if not best["retention"]:
        return
    mean, sets = best["retention"]["mean"]["wer"], list(best["retention"]["sets"])
    low, high = mean["interval95"]
    if low > 0:
        yield (
            f"It forgot: WER on {_names(sets)} rose from {100 * mean['before']:.1f} to "
            f"{100 * mean['after']:.1f} % on average (95 % {100 * low:+.1f} to "
            f"{100 * high:+.1f} points)."
        )


def _score(result: Json, row: Json) -> Json:
    score: Json = row["scores"][result["normalizer"]]
    return score


def _is_alike(row: Json) -> bool:
    """Whether its difference to the lowest WER may be chance."""
    return row["vs_best"] is None or not is_measurable(row["vs_best"])


def _alike(row: Json) -> str:
    found = row["vs_best"]
    if found is None:
        return "it has the same WER"
    costs = f"trains {share(row)} % of the parameters in {duration(row['wall_s'])}"
    return f"{100 * found['difference']:+z.1f} points, p = {found['p']:.3f}; it {costs}"


def _points(found: Json) -> str:
    low, high = sorted(100 * abs(bound) for bound in found["interval95"])
    side = "fewer" if found["difference"] < 0 else "more"
    sure = "" if is_measurable(found) else ", which may be chance"
    spread = f"95 % {low:.1f} to {high:.1f}; " if is_measurable(found) else ""
    return (
        f"{100 * abs(found['difference']):.1f} {side} wrong words in 100 "
        f"({spread}p = {found['p']:.3f}{sure})"
    )


def _names(names: Sequence[str]) -> str:
    return " and ".join([", ".join(names[:-1]), names[-1]]) if len(names) > 1 else names[0]
