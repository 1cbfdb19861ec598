"""Show the result of `label` as tables for a terminal. No torch."""

from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from mothertongue.data.data_report import DataReport, report_table
from mothertongue.system.console import plain


def label_table(report: DataReport, out: str) -> RenderableType:
    """Return what was labelled and kept, then the tables of `prepare`."""
    found = report.labelling
    assert found, "label says which model wrote the texts"
    title = Text(plain(f"{out}: labelled by {found.model}, round {found.round}"))
    table = Table("", "clips", "hours", box=SIMPLE_HEAD)
    for column in table.columns[1:]:
        column.justify = "right"
    kept = report.splits["train"]
    table.add_row("recordings", f"{found.recordings:,}", f"{found.recorded_s / 3600:.2f}")
    table.add_row("pieces", f"{found.pieces:,}", f"{found.pieces_s / 3600:.2f}")
    table.add_row("kept", f"{kept.clips:,}", f"{kept.hours:.2f}")
    least = found.least_log_probability
    limit = "" if least is None else f"Passed: mean log-probabilities from {least:.3f} on"
    return Group(title, table, Text(limit), report_table(report))
