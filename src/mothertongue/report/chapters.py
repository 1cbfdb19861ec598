"""Build the chapters of the page for one part: words, tables and charts."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from mothertongue.comparison.schema import BASE_SYSTEM
from mothertongue.data.card import Card as DataCard
from mothertongue.data.data_report import NOTES
from mothertongue.data.languages import WHISPER_LANGUAGES
from mothertongue.report.charts.errors import error_charts, forgetting_chart
from mothertongue.report.charts.interpolation import forgetting_curves
from mothertongue.report.charts.layers import layer_charts, suggestions
from mothertongue.report.charts.learning import learning_charts
from mothertongue.report.charts.quality import curve_charts, price_charts, rate_chart
from mothertongue.report.charts.vega import Chart
from mothertongue.report.inputs import Part, RunRecords
from mothertongue.report.tables.cells import primary_measure
from mothertongue.report.tables.long_form_sheets import long_form_sheets
from mothertongue.report.tables.page_tables import (
    Table,
    confusion_tables,
    data_table,
    failure_table,
    headline,
    rejection_table,
    run_table,
    table_of,
    version_table,
)
from mothertongue.report.tables.sheets import also_sheets, average_sheets, retention_sheets
from mothertongue.report.tables.weight_average_sheets import (
    averages_of,
    averages_of_runs,
    weight_average_sheets,
)
from mothertongue.report.text.recommendation import Advice, advice
from mothertongue.report.text.summary import conditions, warning
from mothertongue.system.console import interval


@dataclass(frozen=True, slots=True)
class Card:
    """The results of `mothertongue prepare` for one manifest."""

    folder: str
    kept: str
    findings: tuple[str, ...]
    rejected: Table


class Language:
    """One language of a part. Without test scores it has no `advice`, and no tables of scores."""

    def __init__(self, part: Part, code: str, strategies: Sequence[str]) -> None:
        self._part, self._code, self._strategies = part, code, strategies
        self._found = part.result.languages[code]
        self.advice: Advice | None = advice(part.result, code)
        self.name = _language_name(code)
        self.measure = primary_measure(part.result, code).upper()
        self._averages = averages_of(part.result, code) or averages_of_runs(
            {run.name: run.record for run in part.runs if run.language == code}
        )
        self.is_choice = len(self._found.strategies) > 1
        self.data = data_table(self._found)
        self.cards = [_card(card) for card in self._found.cards]

    @property
    def size(self) -> str:
        assert self.advice
        score = self._found.strategies[0].scores[self._part.result.normalizer]
        return f"{score.n:,} clips, {score.words:,} words"

    @property
    def validations(self) -> list[str]:
        """Return the result of each run on the split that chose its weights."""
        return [_validation(run) for run in self._part.runs if run.language == self._code]

    @property
    def replays(self) -> list[str]:
        """Return which other languages each run replayed, for those that did."""
        return [
            f"{run.name} ({run.strategy}): {run.identity.replay}"
            for run in self._part.runs
            if run.language == self._code and run.identity.replay
        ]

    @property
    def headline(self) -> Table:
        assert self.advice
        return headline(self._part.result, self._code, self.advice.strategy)

    @property
    def also(self) -> list[Table]:
        return list(map(table_of, also_sheets(self._part.result, self._code)))

    @property
    def long_form(self) -> list[Table]:
        runs = [run for run in self._part.runs if run.language == self._code]
        sheets = long_form_sheets(self._code, runs, self._part.result.normalizer)
        return list(map(table_of, sheets))

    @property
    def retention(self) -> list[Table]:
        return list(map(table_of, retention_sheets(self._part.result, self._code)))

    @property
    def averages(self) -> list[Table]:
        name = self._part.result.normalizer
        sheets = weight_average_sheets(self._code, self._found.measure, self._averages, name)
        return list(map(table_of, sheets))

    @property
    def failures(self) -> Table:
        rows = {row.strategy: row.anatomy for row in self._found.strategies}
        base = self._found.base
        return failure_table(({BASE_SYSTEM: base.anatomy} if base else {}) | rows)

    @property
    def confusions(self) -> list[Table]:
        assert self.advice
        rows = {row.strategy: row.anatomy for row in self._found.strategies}
        return list(confusion_tables(rows[self.advice.strategy]))

    @cached_property
    def quality(self) -> list[Chart]:
        result = self._part.result
        named = result, self._code, self._strategies
        return [rate_chart(*named), *(price_charts(*named) if self.is_choice else ())]

    @cached_property
    def learning(self) -> list[Chart]:
        runs = [run for run in self._part.runs if run.language == self._code]
        return list(learning_charts(self._code, runs, self._strategies)) if runs else []

    @cached_property
    def interpolations(self) -> list[Chart]:
        found = self._found.measure, self._averages, self._strategies
        chart = forgetting_curves(self._code, *found)
        return [chart] if chart else []

    @cached_property
    def forgetting(self) -> list[Chart]:
        chart = forgetting_chart(self._part.result, self._code)
        return [chart] if chart else []

    @cached_property
    def errors(self) -> list[Chart]:
        return list(error_charts(self._part.result, self._code, self._strategies))

    @property
    def charts(self) -> Iterator[Chart]:
        """All charts, for papers."""
        if self.advice:
            yield from [*self.quality, *self.errors]
        yield from [*self.learning, *self.interpolations, *self.forgetting]


class Chapters:
    """One part of the page, for its template."""

    def __init__(self, part: Part, strategies: Sequence[str]) -> None:
        """`strategies` are all of the page; see `strategies_of`."""
        result = part.result
        self._part = part
        self.folder = str(part.folders[0])
        self.name = result.name
        self.clip_sets = part.clip_sets
        self.conditions = conditions(result)
        self.warning = warning(result)
        self.languages = [Language(part, code, strategies) for code in result.languages]
        self.is_scored = any(each.advice for each in self.languages)
        rows = [row for each in result.languages.values() for row in each.strategies]
        self.has_seeds = any(len(row.runs) > 1 for row in rows)
        self.is_averaged = any(each.averages for each in self.languages)
        self.is_long_form = any(each.long_form for each in self.languages)
        self.is_forgetting = any(each.forgetting for each in self.languages)
        self.averages = list(map(table_of, average_sheets(result)))
        self.suggestions = [line for each in part.analyses for line in suggestions(each)]
        self.command = part.command
        self.run_table = run_table(part.runs)
        self.versions = version_table(result.environment)
        grid = [(result.name, part.settings)] if part.settings else []
        self.settings = grid or [(run.name, run.settings) for run in part.runs]

    @property
    def best(self) -> dict[str, str]:
        """Return the recommended strategy of each language."""
        codes = self._part.result.languages
        pairs = zip(codes, self.languages, strict=True)
        return {code: each.advice.strategy for code, each in pairs if each.advice}

    @property
    def evaluate(self) -> str:
        """Return the commands that compute the test scores of the runs."""
        lines = [f"mothertongue evaluate {path} --with-base" for path in self._part.folders]
        return "\n".join([*lines, self.again] if len(lines) > 1 else lines)

    @property
    def again(self) -> str:
        """Return the command that makes this page again."""
        return f"mothertongue report {' '.join(map(str, self._part.folders))}"

    @property
    def analyze(self) -> str:
        """Return the runs to analyze."""
        is_grid = bool(self._part.settings)
        return f"{self.folder}/runs/*" if is_grid else " ".join(map(str, self._part.folders))

    @cached_property
    def curves(self) -> list[Chart]:
        return list(curve_charts(self._part.result))

    @cached_property
    def layers(self) -> list[Chart]:
        return [chart for each in self._part.analyses for chart in layer_charts(each)]

    @property
    def charts(self) -> Iterator[Chart]:
        """All charts, for papers."""
        for each in self.languages:
            yield from each.charts
        yield from [*self.curves, *self.layers]


def strategies_of(parts: Sequence[Part]) -> list[str]:
    """Return the names of all strategies of a page, in one order for the colors of its charts."""
    languages = [each for part in parts for each in part.result.languages.values()]
    named = [row.strategy for each in languages for row in each.strategies]
    return list(dict.fromkeys([*named, *(run.strategy for part in parts for run in part.runs)]))


def _validation(run: RunRecords) -> str:
    record, best = run.record, run.record.best
    if best is None:
        return f"{run.name} ({run.strategy}): the last weights, for there is no validation split"
    measure = record.select_by
    return (
        f"{run.name} ({run.strategy}): {measure.upper()} {100 * best.rate(measure):.1f} % "
        f"(95 % {interval(best.bounds(measure))}) on {record.selected_on}, {record.best_weights}"
    )


def _card(card: DataCard) -> Card:
    notes = [
        f"{code}: {count:,} rows, {NOTES.get(code, '')}"
        for code, count in card.notes.items()
        if not any(code in warning for warning in card.warnings)
    ]
    splits = "as given" if card.split_by == "given" else f"made by {card.split_by}"
    return Card(
        folder=card.folder or "",
        kept=f"{card.num_rows:,} rows read, {card.num_rejected:,} rejected; splits {splits}.",
        findings=(*card.warnings, *card.confirmed, *notes),
        rejected=rejection_table(card),
    )


def _language_name(code: str) -> str:
    name = WHISPER_LANGUAGES.get(code)
    return f"{name.title()} ({code})" if name else code
