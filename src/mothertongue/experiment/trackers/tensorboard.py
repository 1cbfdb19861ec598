"""TensorBoard: files in RUN/tensorboard."""

from pathlib import Path

from accelerate.tracking import TensorBoardTracker

from mothertongue.experiment.trackers import PROJECT


def open_tracker(title: str, folder: Path) -> TensorBoardTracker:
    """Return a tracker that writes below the run's folder."""
    return TensorBoardTracker(PROJECT, logging_dir=folder / "tensorboard")
