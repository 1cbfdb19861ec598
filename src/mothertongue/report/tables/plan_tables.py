"""Show a plan, the plan of a grid and a proposed experiment as tables for a terminal. No torch."""

from rich.box import SIMPLE_HEAD
from rich.console import Group
from rich.table import Table
from rich.text import Text

from mothertongue.comparison.dry_run_records import DryRun
from mothertongue.system.console import duration, gigabytes, plain
from mothertongue.training.records import Plan, WrittenProposal

GB = 1e9


def plan_table(plan: Plan) -> Group:
    """Return a table of trained parameters, time, memory and disk, with advice if needed."""
    table = Table(title=f"Plan of {plain(plan.name)}", title_justify="left", show_header=False)
    share = plan.trainable_parameters / plan.parameters
    at_30_s = plan.steps_at_30_s / plan.steps_per_epoch
    rows = {
        "strategy": plan.strategy.kind,
        "device": f"{plan.device}, {plan.precision}",
        "parameters": f"{plan.trainable_parameters:,} of {plan.parameters:,} train ({share:.2%})",
        "data": f"{plan.clips:,} clips, {plan.audio_s / 3600:.2f} hours",
        "an epoch": f"{plan.steps_per_epoch:,} steps, {at_30_s:.0%} of them at 30 s, "
        f"{plan.tflop_per_epoch:,.1f} TFLOP",
        "first epoch": duration(plan.first_epoch_s),
        "last epoch": duration(plan.last_epoch_s),
        "training": f"{duration(plan.training_s)} for {plan.epochs:,} epochs",
        "validation": f"up to {duration(plan.validation_s)} more: the less a model knows, the "
        "more it writes",
        "peak memory": f"{plan.peak_memory_bytes / GB:.2f} GB; "
        f"{plan.free_memory_bytes / GB:.2f} GB are free",
        "disk": f"{plan.disk_bytes / GB:.2f} GB for the run, "
        f"{plan.prefix_cache_bytes / GB:.2f} GB for outputs of frozen layers",
    }
    for name, value in rows.items():
        table.add_row(name, value)
    return Group(table, Text("\n".join(_advice(plan))))


def _advice(plan: Plan) -> list[str]:
    lines = ["From a few steps on this machine; nothing of them is kept."]
    if plan.memory_ran_out:
        lines.append(
            f"Memory ran out, so steps take {plan.micro_batch_size} clips at a time; give "
            "train.micro_batch_size to start there."
        )
    if not plan.fits:
        lines.append(
            "This does not fit: give a smaller train.micro_batch_size, "
            "train.gradient_checkpointing=true, or a strategy that trains less."
        )
    return lines


def grid_table(plan: DryRun) -> Group:
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
    if any(run.least_s is not None for run in plan.runs):
        begun = sum(run.least_s != 0 for run in plan.runs)
        lines.append(
            f"Halving may stop runs: training and validation then take {plan.least_hours:,.1f} "
            f"hours or more, and {begun:,} runs or more are begun."
        )
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
    if plan.missing_sets:
        names = ", ".join(plan.missing_sets)
        lines.append(f"Not there yet, but needed before the comparison begins: {names}.")
    return Group(table, Text("\n".join(lines)))


def proposal_table(proposal: WrittenProposal) -> Group:
    """Return the settings that were chosen and why, and the command to type next."""
    title = f"Written: {plain(proposal.file)}"
    table = Table("setting", "value", "why", title=title, title_justify="left", box=SIMPLE_HEAD)
    for key, value in proposal.settings.items():
        table.add_row(plain(key), plain(str(value)), plain(proposal.reasons.get(key, "")))
    lines = [f"{name}: {fact}" for name, fact in proposal.facts.items()]
    lines.append(f"next: {proposal.next}")
    if not proposal.fits:
        lines.append("It does not fit: give more --hours-to-spend or a smaller --base.")
    if not proposal.is_measured:
        lines.append(f"first, to measure it: {proposal.next.replace(' train ', ' plan ', 1)}")
    return Group(table, Text(plain("\n".join(lines))))
