"""Settings of torch's libraries that are read from the environment once, when they are loaded."""

from collections.abc import MutableMapping

PRIMITIVES = "256"
"""Several training steps have so many kinds of products; oneDNN's own default is 1,024."""


def set_up(environment: MutableMapping[str, str]) -> None:
    """Add what training needs to an environment, before torch is imported; child processes inherit.

    What a user set stays.

    GNU's OpenMP lets a thread that waits for another spin for some milliseconds. Where another
    program has a core, the spinning takes the time of the very thread that is waited for, and a
    training step takes several times as long (docs/log.md). Here threads sleep instead.

    oneDNN, which computes products in bfloat16, keeps a compiled primitive with its memory for each
    shape of a product that it has seen. Clips of every length and every number of tokens have
    shapes of their own, and what is kept stands between the blocks of the heap, so that freed
    memory cannot be used again: a default run of whisper-base grew by 0.09 GB a step (docs/log.md).
    Here few are kept.
    """
    if "OMP_WAIT_POLICY" not in environment:
        environment.setdefault("GOMP_SPINCOUNT", "0")
    environment.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", PRIMITIVES)
