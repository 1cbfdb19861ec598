"""Show the result of a dry run as a table for a terminal. No torch."""

from rich.box import SIMPLE_HEAD
from rich.console import Group
from rich.table import Table
from rich.text import Text

from mothertongue.comparison.dry_run_records import DryRun
from mothertongue.system.console import gigabytes, plain


def plan_table(plan: DryRun) -> Group:
    """Return a table of every run with its costs, and the sum of their hours."""
    title = f"{plan.grid}: {len(plan.runs):,} runs of {plan.base}"
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, pad_edge=False)
    table.add_column("run", no_wrap=True)
    for name in ("parameters", "steps", "memory", "hours", "validation"):
        table.add_column(name, justify="right", no_wrap=True)
    for run in plan.runs:
        table.add_row(
            plain(run.name),
            f"{run.trainable_parameters:,}",
            f"{run.steps:,}",
            gigabytes(run.peak_memory_bytes) + ("" if run.fits else ", too much"),
            f"{run.estimated_hours:,.2f}",
            f"{run.validation_s / 3600:,.2f}",
        )
    lines = [
        f"{plan.total_hours:,.1f} hours of training on this {plan.device}, one run after "
        f"the other, and up to {plan.validation_hours:,.1f} of validation.",
        "Scoring comes on top.",
    ]
    if rough := sum(not run.is_measured for run in plan.runs):
        lines.append(
            f"{rough:,} runs are estimated from the shape of the base, without validations: their "
            "base or data is not on this machine yet. The others were measured by a few steps."
        )
    if plan.averages:
        lines.append(
            f"{len(plan.averages):,} averages of weights come on top too: they decode "
            f"{plan.average_clips:,} clips of validation and retention sets, and train nothing "
            "(average=null makes none)."
        )
    if plan.protocol == "paper":
        lines.append(
            "Protocol paper: checkpoints and hyper-parameters are chosen on the test split."
        )
    if plan.assumed_data:
        names = ", ".join(plan.assumed_data)
        lines.append(f"Not there yet, taken from the grid's rows, clips of 12 s: {names}.")
    return Group(table, Text("\n".join(lines)))
