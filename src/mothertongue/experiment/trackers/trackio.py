"""Trackio: on this machine, or in a Space of the Hub by its own variables."""

from pathlib import Path

from accelerate.tracking import TrackioTracker

from mothertongue.experiment.trackers import PROJECT


def open_tracker(title: str, folder: Path) -> TrackioTracker:
    """Return a tracker that goes on with a resumed run of the title."""
    return TrackioTracker(PROJECT, name=title, resume="allow")
