"""Show the findings of `doctor` as tables for a terminal. No torch."""

from collections.abc import Sequence
from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from mothertongue.data.decisions import DECISIONS
from mothertongue.data.manifest import PREPARE
from mothertongue.diagnosis.findings import CODES, Finding
from mothertongue.diagnosis.records import DoctorResult
from mothertongue.system.console import plain

NUM_SHOWN = 20


def doctor_table(record: DoctorResult) -> RenderableType:
    """Return the number of findings of each code, the worst 20, and what to do next."""
    notes = [Text(plain(line)) for line in _notes(record)]
    if not record.findings:
        return Group(f"none of {record.clips:,} clips looks wrong", *notes)
    return Group(_count_table(record), _worst_table(record.findings), *notes)


def fold_lines(data: Path, folds: Sequence[Path]) -> str:
    """Return what to type after `doctor --folds`: a run for each fold, then all of them."""
    runs = [f"runs/{fold.name}" for fold in folds]
    trains = (
        f"mothertongue train EXPERIMENT.yaml data={fold} --out {run}"
        for fold, run in zip(folds, runs, strict=True)
    )
    models = " ".join(f"--model {run}" for run in runs)
    return "\n".join((*trains, f"mothertongue doctor {data} {models}"))


def _count_table(record: DoctorResult) -> Table:
    title = f"{record.clips_with_findings:,} of {record.clips:,} clips look wrong"
    table = Table("code", "clips", "what", title=title, title_justify="left", box=SIMPLE_HEAD)
    table.columns[1].justify = "right"
    for code, count in record.counts.items():
        table.add_row(code, f"{count:,}", CODES[code].title)
    return table


def _worst_table(findings: list[Finding]) -> Table:
    title = f"The worst {min(NUM_SHOWN, len(findings)):,}"
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD)
    for name in ("clip", "code", "score", "why", "what to do"):
        table.add_column(name, justify="right" if name == "score" else "left")
    for each in findings[:NUM_SHOWN]:
        score = f"{each.score:.2f}"
        cells = (each.id, each.code, score, each.message, each.suggestion)
        table.add_row(*(Text(plain(cell)) for cell in cells))
    return table


def _notes(record: DoctorResult) -> list[str]:
    unsure = [code for code, facts in record.languages.items() if not facts.tells_unmatched]
    notes = [
        f"{code}: too few clips, or the model knows the language too little, to say of a "
        "transcript that it fits nothing; --model takes a run, which knows it better"
        for code in unsure
    ]
    notes += record.warnings
    if record.findings:
        decisions = Path(record.out) / DECISIONS
        notes.append(
            f"Nothing was removed. Write accept, fix or drop into {decisions}, or export it from "
            f"the page; then: {PREPARE} --decisions {decisions}"
        )
    return notes
