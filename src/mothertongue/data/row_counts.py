"""Compare the number of rows of a corpus with its known number: a download may be partial."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

from mothertongue.data.data_report import DataReport
from mothertongue.data.languages import language_code
from mothertongue.data.manifest import SPLITS, Split
from mothertongue.data.sources.base import Rejection, Row, Source
from mothertongue.data.sources.columns import split_named
from mothertongue.data.sources.fleurs import FleursSource, paper_language, row_differences

TABLE_2 = "Table 2 of Liu, Yang, Qu 2024"


def counted(rows: Iterator[Row | Rejection], seen: Counter[Split]) -> Iterator[Row | Rejection]:
    """Yield the rows and count them in `seen` by split, rejected ones too."""
    for row in rows:
        name = row.row.get("split") if isinstance(row, Rejection) else row.split
        split = split_named(str(name))
        if split is not None:
            seen[split] += 1
        yield row


def with_row_counts(
    report: DataReport, source: Source, language: str | None, seen: Counter[Split]
) -> DataReport:
    """Return the report with a note whether a FLEURS corpus of the paper has all its rows."""
    code = language and language_code(language)
    known = paper_language(source.path, code) if isinstance(source, FleursSource) else None
    if known is None:
        return report
    differences = "; ".join(row_differences(known, seen))
    if differences:
        warning = f"FLEURS {known}: {differences} ({TABLE_2}); download the corpus again"
        return replace(report, warnings=(*report.warnings, warning))
    counts = ", ".join(f"{seen[split]:,} {split}" for split in SPLITS)
    fact = f"FLEURS {known}: {counts} rows, as in {TABLE_2}"
    return replace(report, confirmed=(*report.confirmed, fact))
