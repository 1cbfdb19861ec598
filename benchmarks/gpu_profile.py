"""The kernels of a training step, and the time in which the device has none: by torch's profiler.

On a CPU its operations stand for kernels, so that all of it can be tried without a GPU.
"""

from collections.abc import Iterable
from typing import Any

import torch
from peers import recipe
from programs.ours import StepTimer
from torch.autograd import DeviceType
from torch.profiler import ProfilerActivity, profile


class Profile:
    """Looks at the last step of a training, from the end of the step before it to its own."""

    def __init__(self, device: torch.device) -> None:
        activities = [ProfilerActivity.CPU]
        if device.type == "cuda":
            activities = [ProfilerActivity.CUDA]  # without Python's own side, which slows it
        self.device, self._profile = device, profile(activities=activities)

    def step_ended(self, step: int, last: int) -> None:
        """Begin or end after a step; `last` is the number of the last one."""
        if step < last - 1:
            return
        if self.device.type == "cuda":
            torch.cuda.synchronize()
        if step == last:
            self._profile.stop()
        else:
            self._profile.start()

    def facts(self) -> dict[str, Any]:
        """Return the figures of the step."""
        kind = DeviceType.CUDA if self.device.type == "cuda" else DeviceType.CPU
        found = [
            (each.time_range.start, each.time_range.end)
            for each in self._profile.events() or ()
            if each.device_type == kind and not each.cpu_children
        ]
        return occupation(found)


class ProfilingTimer(StepTimer):
    """Times our steps, and profiles the last one where a profile is given."""

    def __init__(self, stop_after: int, profile: Profile | None) -> None:
        super().__init__(stop_after)
        self.last_step, self.profile = stop_after, profile

    def stepped(self, step: int, loss: float, learning_rate: float) -> None:
        if self.profile:
            self.profile.step_ended(step, self.last_step)
        super().stepped(step, loss, learning_rate)


class PeersProfilingTimer(recipe.StepTimer):
    """Does the same for the Trainer."""

    def __init__(self, last: int, profile: Profile | None) -> None:
        super().__init__()
        self.last_step, self.profile = last, profile

    def on_step_end(self, args: Any, state: Any, control: Any, **rest: Any) -> None:
        if self.profile:
            self.profile.step_ended(state.global_step, self.last_step)
        super().on_step_end(args, state, control, **rest)


def occupation(intervals: Iterable[tuple[float, float]]) -> dict[str, Any]:
    """Return the number of kernels, the seconds with and without any of them, the idle share.

    `intervals`: begin and end of each kernel, in microseconds; they may overlap.
    """
    ordered = sorted(intervals)
    if not ordered:
        return {"kernels": 0, "busy_s": 0.0, "between_s": 0.0, "idle_share": 1.0}
    busy, until = 0.0, ordered[0][0]
    for begin, end in ordered:
        busy += max(0.0, end - max(begin, until))
        until = max(until, end)
    span = until - ordered[0][0]
    return {
        "kernels": len(ordered),
        "busy_s": 1e-6 * busy,
        "between_s": 1e-6 * (span - busy),
        "idle_share": 1 - busy / span if span else 0.0,
    }
