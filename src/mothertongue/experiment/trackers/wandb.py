"""Weights & Biases: set up by WANDB_MODE and its other variables."""

from pathlib import Path

from accelerate.tracking import WandBTracker

from mothertongue.experiment.trackers import PROJECT


def open_tracker(title: str, folder: Path) -> WandBTracker:
    """Return a tracker that keeps its files in the run's folder, and goes on with a resumed run."""
    return WandBTracker(PROJECT, name=title, dir=str(folder), resume="allow")
