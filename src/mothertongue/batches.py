"""Which clips train together: a plan that is a pure function of seed and epoch. No torch.

Whisper pads every clip to 30 s. We cut the context to the clip's own length, rounded up to whole
seconds, and let only clips of equal context share a batch: a clip's result then never depends on
its neighbours, and no padding is computed.

Where the data is in several languages, a temperature decides how often each is seen.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
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


def clips_per_language(sizes: Mapping[str, int], temperature: float) -> dict[str, int]:
    """How many clips of each language an epoch takes; together as many as the data has.

    Proportional to size^(1 / temperature), temperature >= 1: at 1 to the sizes themselves, the
    larger the more even. With alpha = 1 / temperature it is how XLM and XLM-R sample languages
    (Lample and Conneau 2019, sec. 3.1; Conneau et al. 2020, sec. 3). Rounded by largest remainders.
    """
    total = sum(sizes.values())
    weights = {language: size ** (1 / temperature) for language, size in sizes.items()}
    scale = total / sum(weights.values())
    exact = {language: scale * weight for language, weight in weights.items()}
    counts = {language: math.floor(share) for language, share in exact.items()}
    by_remainder = sorted(
        exact, key=lambda language: (counts[language] - exact[language], language)
    )
    for language in by_remainder[: total - sum(counts.values())]:
        counts[language] += 1
    return counts


def choose_clips(
    languages: Sequence[str], temperature: float, *, seed: int, epoch: int
) -> list[int]:
    """The clips of one epoch, by index into `languages`, sorted; as many as there are.

    Each language goes round and round through its clips in an order of the seed's: within an epoch,
    and over any number of them, no clip of a language is seen more than once more than another.
    With temperature 1 or a single language that is every clip once.
    """
    clips: defaultdict[str, list[int]] = defaultdict(list)
    for index, language in enumerate(languages):
        clips[language].append(index)
    # A stream of its own: the order of the batches does not depend on the temperature.
    rng = np.random.default_rng(np.random.SeedSequence([seed], spawn_key=(1,)))
    chosen: list[int] = []
    for language, count in sorted(clips_per_language(Counter(languages), temperature).items()):
        circle = rng.permutation(clips[language])
        turns = np.arange(epoch * count, (epoch + 1) * count) % len(circle)
        chosen += circle[turns].tolist()
    return sorted(chosen)


def plan_epoch(
    clips: Sequence[int],
    contexts_s: Sequence[int],
    batch_size: int,
    *,
    full_context_share: float,
    seed: int,
    epoch: int,
) -> list[Step]:
    """The steps of one epoch, shuffled; `batch_size` of `clips` a step, but one may have fewer.

    `clips` are indices into `contexts_s`, each as often as it is to be seen; how many steps there
    are depends on their number alone: ceil(clips / batch_size).
    Within a bucket clips are drawn at random. What is left of each bucket fills steps of several
    smaller micro-batches. A share of the steps runs at the full 30 s, so that the tuned model also
    decodes well where the context is not cut.
    """
    rng = np.random.default_rng([seed, epoch])
    steps: list[Step] = []
    leftovers: list[tuple[int, int]] = []
    for context in sorted({contexts_s[i] for i in clips}):
        bucket = rng.permutation([i for i in clips if contexts_s[i] == context]).tolist()
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
