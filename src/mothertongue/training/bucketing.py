"""The plan of which clips train together, a pure function of seed and epoch.

Whisper pads every clip to 30 s. We cut the context to the clip's own length, rounded up to whole
seconds, and let only clips of equal context share a batch: a clip's result then never depends on
its neighbours, and no padding is computed.

Where the data is in several languages, a temperature decides how often each is seen.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, chain, pairwise

import numpy as np

from mothertongue.experiment.train_config import BatchSize
from mothertongue.model.context import FULL_CONTEXT_S

Row = tuple[int, ...]
"""The clips of one row of a batch, by index: one, or several that are joined."""


@dataclass(frozen=True, slots=True)
class MicroBatch:
    """Clips that go through the model together: their context in seconds, their indices."""

    context_s: int
    indices: tuple[int, ...]
    joined: tuple[int, ...] = ()
    """How many clips each row joins; empty where each row is one clip."""

    @property
    def rows(self) -> list[Row]:
        """Return the clips of each row."""
        ends = accumulate(self.joined or (1,) * len(self.indices), initial=0)
        return [self.indices[start:end] for start, end in pairwise(ends)]


def micro_batch_of(context_s: int, rows: Sequence[Row]) -> MicroBatch:
    """Return the micro-batch of these rows."""
    lengths = tuple(map(len, rows))
    return MicroBatch(context_s, tuple(chain(*rows)), lengths if max(lengths) > 1 else ())


Step = tuple[MicroBatch, ...]
"""The clips of an optimizer step: one micro-batch, or several where a bucket had clips left."""


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

    Each language repeats its clips in one order that the seed decides: within an epoch,
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
    size: BatchSize,
    *,
    full_context_share: float = 0.0,
    context_jitter_s: int = 0,
    seed: int,
    epoch: int,
    joined: Sequence[Step] = (),
) -> list[Step]:
    """The steps of one epoch, shuffled; each of `size`, but the last of a bucket may be smaller.

    `clips` are indices into `contexts_s`, each as often as it is to be seen. Within a bucket clips
    are drawn at random. What is left of each bucket fills steps of several smaller micro-batches.
    A share of the steps runs at the full 30 s, so that the tuned model also decodes well where the
    context is not cut: over any number of epochs, to within one step. Every other micro-batch runs
    at up to `context_jitter_s` more than its clips need. The steps of `joined` clips, which run at
    30 s too, are shuffled among the others and count in that share.
    """
    rng = np.random.default_rng([seed, epoch])
    steps: list[Step] = []
    leftovers: list[tuple[int, int]] = []
    for context in sorted({contexts_s[i] for i in clips}):
        bucket = rng.permutation([i for i in clips if contexts_s[i] == context]).tolist()
        room = size.clips_at(context)
        whole = len(bucket) - len(bucket) % room
        steps += [
            (MicroBatch(context, tuple(bucket[i : i + room])),) for i in range(0, whole, room)
        ]
        leftovers += [(context, index) for index in bucket[whole:]]
    steps += [_grouped(clips) for clips in _filled(leftovers, size)]
    num_cut = len(steps)
    steps += joined
    order = rng.permutation(len(steps))
    num_full = steps_of_share(full_context_share * len(steps), seed, epoch) - len(joined)
    full = set(rng.permutation(num_cut)[: max(0, num_full)].tolist())
    return [
        _at_full(steps[i], size) if i in full else _jittered(steps[i], context_jitter_s, rng)
        for i in order
    ]


def steps_of_share(an_epoch: float, seed: int, epoch: int) -> int:
    """How many steps of an epoch are of a kind, where it should be `an_epoch` of them on average.

    Rounded in each epoch alone it would be none at all in a small corpus: 0.15 x 3 steps.
    """
    # A stream of its own: the rest of the plan does not depend on it. Without the offset every
    # seed would round down in its first epoch.
    offset = np.random.default_rng(np.random.SeedSequence([seed], spawn_key=(2,))).random()
    return math.floor(an_epoch * (epoch + 1) + offset) - math.floor(an_epoch * epoch + offset)


def share(step: Step, rank: int, ranks: int) -> Step:
    """The clips of a step that one of several devices takes: as near to equal work as they allow.

    Longest first, each to the device with the least context so far. No micro-batch is larger than
    one of the step's own at that context. A rank that gets none has nothing to do in this step.
    """
    if ranks == 1:
        return step
    work_s, taken = [0] * ranks, defaultdict[int, list[Row]](list)
    for each in sorted(step, key=lambda each: -each.context_s):
        for row in each.rows:
            idlest = min(range(ranks), key=lambda other: work_s[other])
            work_s[idlest] += each.context_s
            if idlest == rank:
                taken[each.context_s].append(row)
    return tuple(
        micro_batch_of(context, taken[context][i : i + room])
        for context, room in sorted((c, _room(step, c)) for c in taken)
        for i in range(0, len(taken[context]), room)
    )


def idle_share(steps: Sequence[Step], ranks: int) -> float:
    """The share of the devices' time that is spent waiting for the one with the most to do."""
    work_s = [[_context_s(share(step, rank, ranks)) for rank in range(ranks)] for step in steps]
    longest = ranks * sum(map(max, work_s))
    return 1 - sum(map(sum, work_s)) / longest


def _room(step: Step, context_s: int) -> int:
    return max(len(each.rows) for each in step if each.context_s == context_s)


def _context_s(step: Step) -> int:
    return sum(each.context_s * len(each.rows) for each in step)


def _filled(clips: Sequence[tuple[int, int]], size: BatchSize) -> list[list[tuple[int, int]]]:
    """(context, index) pairs in as few groups as their order allows, none above the size."""
    groups: list[list[tuple[int, int]]] = []
    taken = 0.0
    for context, index in clips:
        share = 1 / size.clips_at(context)
        if not groups or taken + share > 1 + 1e-9:
            groups.append([])
            taken = 0.0
        groups[-1].append((context, index))
        taken += share
    return groups


def _grouped(clips: Sequence[tuple[int, int]]) -> Step:
    return tuple(
        MicroBatch(context, tuple(index for other, index in clips if other == context))
        for context in sorted({context for context, _ in clips})
    )


def _at_full(step: Step, size: BatchSize) -> Step:
    """The clips of a step at 30 s: together, or in as many micro-batches as its seconds ask for."""
    everyone = [index for micro_batch in step for index in micro_batch.indices]
    room = len(everyone) if size.seconds is None else size.clips_at(FULL_CONTEXT_S)
    return tuple(
        MicroBatch(FULL_CONTEXT_S, tuple(everyone[i : i + room]))
        for i in range(0, len(everyone), room)
    )


def _jittered(step: Step, jitter_s: int, rng: np.random.Generator) -> Step:
    if not jitter_s:
        return step
    more_s = rng.integers(jitter_s + 1, size=len(step)).tolist()
    return tuple(
        replace(each, context_s=min(FULL_CONTEXT_S, each.context_s + more))
        for each, more in zip(step, more_s, strict=True)
    )
