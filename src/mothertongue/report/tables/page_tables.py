"""The page's tables: each cell has its text and the value for sorting."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from mothertongue.comparison.schema import (
    Comparison,
    Language,
    Scores,
    StrategyRow,
    SystemDifference,
)
from mothertongue.data.card import Card
from mothertongue.data.languages import Measure
from mothertongue.evaluation.error_analysis import ErrorKinds
from mothertongue.evaluation.normalizers import NORMALIZERS
from mothertongue.report.inputs import RunRecords
from mothertongue.report.tables.cells import (
    ABSENT,
    BASE,
    OTHER,
    change,
    duration,
    front,
    primary_measure,
    share,
    short_settings,
)
from mothertongue.report.tables.sheets import COST_NOTE, Sheet, comparison_note
from mothertongue.system.console import gigabytes, interval
from mothertongue.system.environment import Environment

NUMBER = re.compile(r"[-+]?\d[\d,]*(?:\.\d+)?")
ALWAYS = ""


@dataclass(frozen=True, slots=True)
class Variant:
    """The text of a cell under one normalizer or under all; numbers sort by value."""

    text: str
    sort: float | str
    normalizer: str = ALWAYS


Cell = tuple[Variant, ...]


@dataclass(frozen=True, slots=True)
class Table:
    """A table. The first `labels` columns are names; `marked` rows are highlighted."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    labels: int = 1
    note: str = ""
    marked: frozenset[int] = frozenset()


def text_cell(text: str, sort: float | str | None = None) -> Cell:
    """Return a cell of text, sorted as text or by the number at its beginning."""
    return (Variant(text, _value(text) if sort is None else sort),)


def table_of(sheet: Sheet) -> Table:
    """Convert a sheet of a comparison to a table."""
    rows = tuple(tuple(map(text_cell, row)) for row in sheet.rows)
    return Table(sheet.title, sheet.columns, rows, sheet.labels, sheet.note)


def headline(result: Comparison, language: str, best: str) -> Table:
    """Return the main table of a language, with WER and CER under the normalizer of choice.

    The rate that chose stands first.
    """
    found, measure = result.languages[language], primary_measure(result, language)
    rows = [_row(result, row, measure) for row in found.strategies]
    marked = [row.strategy for row in found.strategies].index(best)
    if found.base:
        blank = text_cell(ABSENT, float("inf"))
        rows.insert(0, (text_cell(BASE), *_rates(found.base.scores, measure), *[blank] * 10))
        marked += 1
    reference = result.reference
    return Table(
        "Headline",
        (
            *(
                "strategy",
                f"{measure.upper()} % (chosen by)",
                "95 %",
                f"{OTHER[measure].upper()} %",
            ),
            *("vs base", "p", f"vs {reference}", "p"),
            *("trained", "share %", "time", "memory", "MB", "front"),
        ),
        tuple(rows),
        note=f"vs: difference of {measure.upper()} in points on the same clips under "
        f"{result.normalizer}; {comparison_note(found)}. {COST_NOTE}.",
        marked=frozenset([marked]),
    )


def data_table(found: Language) -> Table:
    """Return a table of clips, hours and speakers of each split."""
    rows = [
        (
            text_cell(split),
            text_cell(f"{size.clips:,}", size.clips),
            text_cell(f"{size.hours:.2f}", size.hours),
            text_cell(str(size.speakers)),
        )
        for split, size in found.data.items()
    ]
    return Table("Data", ("split", "clips", "hours", "speakers"), tuple(rows))


def failure_table(anatomies: dict[str, ErrorKinds]) -> Table:
    """Return a table of the clips whose whole transcript is wrong."""
    names = ("empty", "hallucinations", "loops", "wrong_script")
    rows = [
        (
            text_cell(system),
            *(text_cell(f"{getattr(anatomy.failures, name):,}") for name in names),
            text_cell(f"{anatomy.clips:,}"),
        )
        for system, anatomy in anatomies.items()
    ]
    return Table(
        "Transcripts that failed as a whole",
        ("system", "empty", "invented", "loops", "other script", "of clips"),
        tuple(rows),
        note="invented: at least twice as long as the reference; loops: the model repeated itself "
        "and was cut; other script: mostly in letters of another script than the reference",
    )


def confusion_tables(anatomy: ErrorKinds) -> Iterator[Table]:
    """Yield tables of the most frequent confusions of one system."""
    confused = ("Characters", anatomy.confused_characters), ("Words", anatomy.confused_words)
    for title, pairs in confused:
        rows = tuple(
            (_name(each.reference), _name(each.hypothesis), text_cell(str(each.count)))
            for each in pairs
        )
        yield Table(f"{title} taken for others", ("spoken", "written", "times"), rows, labels=2)
    for title, words in (("left out", anatomy.deleted_words), ("made up", anatomy.inserted_words)):
        single = tuple((_name(each.text), text_cell(str(each.count))) for each in words)
        yield Table(f"Words {title}", ("word", "times"), single)


def rejection_table(card: Card) -> Table:
    """Return a table of the reasons why rows of a corpus were rejected."""
    rows = [(text_cell(code), text_cell(f"{n:,}", n)) for code, n in card.rejected.items()]
    return Table(
        f"{card.folder}: rejected, {card.num_rejected:,} of {card.num_rows:,} rows",
        ("reason", "rows"),
        tuple(rows),
    )


def version_table(environment: Environment) -> Table:
    """Return a table of the versions and the machine that computed the figures."""
    rows = [("python", environment.python)]
    rows += [(name, version) for name, version in environment.packages.items() if version]
    rows += [("system", f"{environment.system}, {environment.machine}")]
    rows += [("processors", str(environment.processors))]
    return Table(
        "Versions and machine",
        ("name", "version"),
        tuple(tuple(text_cell(text, text) for text in row) for row in rows),
        labels=2,
    )


def run_table(runs: Sequence[RunRecords]) -> Table:
    """Return a table of the facts that identify each run."""
    rows = [
        (
            text_cell(run.name),
            text_cell(run.record.device),
            text_cell(str(run.record.experiment.train.seed)),
            text_cell(f"{run.record.steps:,}"),
            text_cell(run.identity.base_digest[:16], run.identity.base_digest),
            text_cell(run.identity.manifest_sha256[:16], run.identity.manifest_sha256),
        )
        for run in runs
    ]
    columns = ("run", "device", "seed", "steps", "base (SHA-256)", "manifests (SHA-256)")
    return Table("Runs", columns, tuple(rows))


def _row(result: Comparison, row: StrategyRow, measure: Measure) -> tuple[Cell, ...]:
    settings = f" ({short_settings(row.settings)})" if row.settings else ""
    reference = " (ref.)" if row.strategy == result.reference else ""
    return (
        text_cell(f"{row.strategy}{reference}{settings}", row.strategy),
        *_rates(row.scores, measure),
        *_change(row.vs_base),
        *_change(row.vs_reference),
        text_cell(f"{row.trainable_parameters / 1e6:,.2f} M", row.trainable_parameters),
        text_cell(share(row)),
        text_cell(duration(row.wall_s), row.wall_s),
        text_cell(gigabytes(row.peak_memory_bytes), row.peak_memory_bytes),
        text_cell(f"{row.size_bytes / 1e6:,.1f}", row.size_bytes),
        text_cell(front(row.pareto)),
    )


def _rates(scores: Scores, measure: Measure) -> tuple[Cell, Cell, Cell]:
    # A comparison that is older than a normalizer has no scores under it.
    names = [name for name in NORMALIZERS if name in scores]

    def cell(key: Measure) -> Cell:
        rates = [(name, scores[name].rate(key)) for name in names]
        return tuple(Variant(f"{100 * rate:.1f}", rate, name) for name, rate in rates)

    spread = tuple(
        Variant(interval(found), found[0], name)
        for name, found in ((name, scores[name].bounds(measure)) for name in names)
    )
    return cell(measure), spread, cell(OTHER[measure])


def _change(found: SystemDifference | None) -> tuple[Cell, Cell]:
    text, p = change(found)
    if found is None:
        return text_cell(text, float("inf")), text_cell(p, float("inf"))
    sort = float("inf") if found.p_holm is None else found.p_holm
    return text_cell(text, found.difference), text_cell(p, sort)


def _name(text: str) -> Cell:
    """Return a cell that is sorted as text, even if it begins with a number."""
    return text_cell(text, text)


def _value(text: str) -> float | str:
    match = NUMBER.match(text)
    return float(match.group().replace(",", "")) if match else text
