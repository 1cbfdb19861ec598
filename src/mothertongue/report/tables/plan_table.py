"""Show a plan as a table for a terminal. No torch."""

from rich.console import Group
from rich.table import Table
from rich.text import Text

from mothertongue.system.console import duration, plain
from mothertongue.training.records import Plan

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
