"""Which clips train together: a plan that is a pure function of seed and epoch. No torch.

Whisper pads every clip to 30 s. We cut the context to the clip's own length, rounded up to whole
seconds, and let only clips of equal context share a batch: a clip's result then never depends on
its neighbours, and no padding is computed.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

FULL_CONTEXT_S = 30
Context = Literal["bucket", "full"]


@dataclass(frozen=True, slots=True)
class MicroBatch:
    """Clips that go through the model together: their context in seconds, their indices."""

    context_s: int
    indices: tuple[int, ...]


Step = tuple[MicroBatch, ...]
"""What one optimizer step sees: usually one micro-batch, several where a bucket had clips left."""


def context_s(duration_s: float, context: Context) -> int:
    """The encoder's context for a clip, in whole seconds, 1 to 30.

    Raises ValueError beyond 30 s, all that Whisper's positions can hold.
    """
    if duration_s > FULL_CONTEXT_S:
        raise ValueError(f"a clip of {duration_s:.2f} s: Whisper takes at most {FULL_CONTEXT_S} s")
    # 1e-6: a clip of exactly 4 s must not become 5 s by a rounding error in its stored duration.
    return FULL_CONTEXT_S if context == "full" else max(1, math.ceil(duration_s - 1e-6))


def plan_epoch(
    contexts_s: Sequence[int],
    batch_size: int,
    *,
    full_context_share: float,
    seed: int,
    epoch: int,
) -> list[Step]:
    """The steps of one epoch, shuffled; every clip once, `batch_size` clips a step but the last.

    Within a bucket clips are drawn at random. What is left of each bucket fills steps of several
    smaller micro-batches. A share of the steps runs at the full 30 s, so that the tuned model also
    decodes well where the context is not cut.
    """
    rng = np.random.default_rng([seed, epoch])
    steps: list[Step] = []
    leftovers: list[tuple[int, int]] = []
    for context in sorted(set(contexts_s)):
        bucket = rng.permutation([i for i, c in enumerate(contexts_s) if c == context]).tolist()
        whole = len(bucket) - len(bucket) % batch_size
        steps += [
            (MicroBatch(context, tuple(bucket[i : i + batch_size])),)
            for i in range(0, whole, batch_size)
        ]
        leftovers += [(context, index) for index in bucket[whole:]]
    steps += [_grouped(leftovers[i : i + batch_size]) for i in range(0, len(leftovers), batch_size)]
    order = rng.permutation(len(steps))
    full = set(rng.permutation(len(steps))[: round(full_context_share * len(steps))].tolist())
    return [_at_full(steps[i]) if i in full else steps[i] for i in order]


def _grouped(clips: Sequence[tuple[int, int]]) -> Step:
    return tuple(
        MicroBatch(context, tuple(index for other, index in clips if other == context))
        for context in sorted({context for context, _ in clips})
    )


def _at_full(step: Step) -> Step:
    everyone = tuple(index for micro_batch in step for index in micro_batch.indices)
    return (MicroBatch(FULL_CONTEXT_S, everyone),)
