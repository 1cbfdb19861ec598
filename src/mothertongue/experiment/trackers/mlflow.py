"""MLflow: set up by MLFLOW_TRACKING_URI and its other variables."""

from pathlib import Path

from accelerate.tracking import MLflowTracker

from mothertongue.experiment.trackers import PROJECT


def open_tracker(title: str, folder: Path) -> MLflowTracker:
    """Return a tracker with a run of the title."""
    return MLflowTracker(PROJECT, run_name=title)
