"""Environment settings that libraries and child processes read once, when they start."""

from collections.abc import MutableMapping

PRIMITIVES = "256"
"""Several training steps have so many kinds of products; oneDNN's own default is 1,024."""

REPORTS = {
    "DO_NOT_TRACK": "1",  # MLflow and others heed it
    "GRADIO_ANALYTICS_ENABLED": "False",  # Trackio's
    "HF_HUB_DISABLE_TELEMETRY": "1",
    # onnxruntime 1.32 keeps a database of its uses below ~/.cache/Microsoft and sends it there.
    "ORT_DISABLE_TELEMETRY": "1",
    "RAY_USAGE_STATS_ENABLED": "0",
    "WANDB_ERROR_REPORTING": "false",
}
"""The variables that turn off the reports that libraries make of their use."""

QUIET = {"TRANSFORMERS_VERBOSITY": "error", "TOKENIZERS_PARALLELISM": "false"}
"""transformers warns of what is not a fault here; tokenizers warns where a worker is a fork."""


def silence(environment: MutableMapping[str, str]) -> None:
    """Turn off the telemetry of libraries before they are imported; child processes inherit this.

    What a user set stays.
    """
    for name, value in REPORTS.items():
        environment.setdefault(name, value)


def set_up(environment: MutableMapping[str, str]) -> None:
    """Add settings for the verbs to an environment before torch is imported; children inherit them.

    What a user set stays.

    A child process of Python's does not import from the working directory, where anybody's soxr.py
    may lie: neither ours nor those that libraries start.

    GNU's OpenMP lets a thread that waits for another spin for some milliseconds. Where another
    program has a core, the spinning takes the time of the very thread that is waited for, and a
    training step takes several times as long (docs/log.md). Here threads sleep instead.

    oneDNN, which computes products in bfloat16, keeps a compiled primitive with its memory for each
    shape of a product that it has seen. Clips of every length and every number of tokens have
    shapes of their own, and what is kept stands between the blocks of the heap, so that freed
    memory cannot be used again: a default run of whisper-base grew by 0.09 GB a step (docs/log.md).
    Here few are kept.
    """
    for name, value in QUIET.items():
        environment.setdefault(name, value)
    environment.setdefault("PYTHONSAFEPATH", "1")
    if "OMP_WAIT_POLICY" not in environment:
        environment.setdefault("GOMP_SPINCOUNT", "0")
    environment.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", PRIMITIVES)
