"""Metrics for Prometheus: requests, their time, waiting clips, clips in a batch."""

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

SECONDS = (0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 300)
CLIPS = (1, 2, 4, 8, 16, 32, 64)


class Metrics:
    """The counters of one server."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        self.requests = Counter(
            "mothertongue_requests",
            "Requests answered, by path and status.",
            ["path", "status"],
            registry=registry,
        )
        self.request_s = Histogram(
            "mothertongue_request_seconds",
            "From a request's first byte to its answer's last.",
            ["path"],
            buckets=SECONDS,
            registry=registry,
        )
        self.running = Gauge(
            "mothertongue_requests_running",
            "Requests being received, waiting or worked on.",
            registry=registry,
        )
        self.audio_s = Counter(
            "mothertongue_audio_seconds", "Sound transcribed.", ["model"], registry=registry
        )
        self.batch_clips = Histogram(
            "mothertongue_batch_clips", "Clips in a batch.", buckets=CLIPS, registry=registry
        )
        self.batch_s = Histogram(
            "mothertongue_batch_seconds", "For a batch.", buckets=SECONDS, registry=registry
        )
        self.waiting = Gauge(
            "mothertongue_clips_waiting", "Clips that no batch has taken yet.", registry=registry
        )

    def watch(self, running: Callable[[], int], waiting: Callable[[], int]) -> None:
        """Set the functions that give the running requests and waiting clips at each reading."""
        self.running.set_function(running)
        self.waiting.set_function(waiting)

    def batch(self, clips: int, seconds: float) -> None:
        """Record a finished batch."""
        self.batch_clips.observe(clips)
        self.batch_s.observe(seconds)

    def text(self) -> bytes:
        """Return all metrics in the format of Prometheus."""
        return generate_latest(self.registry)
