"""Join clips of one voice to rows of up to 30 s, a pure function of seed, epoch and clips.

A step of joined clips has about as many clips as any other, but in fewer rows. A model that only
saw single sentences decodes long recordings worse (Timmel et al. 2024, arXiv 2412.15726, for Swiss
German). Rows that are full also cost less than single clips that are padded to 30 s.

Times are in ticks of Whisper's timestamps, 0.02 s: each clip of a row begins at one.
N samples (320 a tick), R masks.
"""

import heapq
import math
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np

from mothertongue.data.audio.load import SAMPLE_RATE_HZ
from mothertongue.data.augment.augmenter import Augmenter
from mothertongue.data.augment.masks import Masks
from mothertongue.data.clips import Samples
from mothertongue.data.draws import drawn_share
from mothertongue.data.manifest import Utterance
from mothertongue.data.voices import voices
from mothertongue.errors import ConfigError
from mothertongue.experiment.train_config import TrainConfig
from mothertongue.model.context import FULL_CONTEXT_S
from mothertongue.model.features import HOP_SAMPLES
from mothertongue.model.tokenizer import CONTROL_TOKENS, MAX_LABEL_TOKENS, TIMESTAMPS_PER_S
from mothertongue.training.bucketing import Row, Step, micro_batch_of, steps_of_share

TICK_SAMPLES = SAMPLE_RATE_HZ // TIMESTAMPS_PER_S
TICK_FRAMES = TICK_SAMPLES // HOP_SAMPLES
ROW_TICKS = FULL_CONTEXT_S * TIMESTAMPS_PER_S
SILENCE_TICKS = (5, 25)
"""The shortest and the longest silence between two clips: 0.1 and 0.5 s. Most clips have some at
their own ends too."""
MORE_TOKENS = 3
"""Label tokens that a clip of a row may have besides its text: a space and two timestamps."""


class Joiner:
    """Chooses the clips of an epoch that are joined, and where each begins in its row."""

    def __init__(
        self,
        utterances: Sequence[Utterance],
        num_own: int,
        labels: Sequence[Sequence[int]],
        augmenter: Augmenter,
        config: TrainConfig,
    ) -> None:
        """`labels` are those of the clips alone. Only the first `num_own` clips are joined.

        Raises ConfigError where clips are to be joined, but no two are known to be of one voice.
        """
        self.utterances, self.augmenter, self.config = utterances, augmenter, config
        own = utterances[:num_own]
        # A row has one weight: clips with pseudo-labels are not joined with others.
        self.voices: list[Hashable | None] = [
            None if voice is None else (voice, each.is_pseudo_labelled)
            for voice, each in zip(voices(own), own, strict=True)
        ]
        self.tokens = [len(each) - CONTROL_TOKENS + MORE_TOKENS for each in labels]
        if config.join_share and not any(self.voices):
            raise ConfigError(
                f"train.join_share={config.join_share:g} has no effect: no two of the "
                f"{num_own:,} training clips have the same speaker and language, or are "
                "parts of the same recording; prepare the data with its speakers, or remove it"
            )

    def asked(self, clips: Sequence[int], epoch: int) -> int:
        """Return how many steps of an epoch of these clips should be of joined clips."""
        config, steps = self.config, math.ceil(len(clips) / self.config.batch_size)
        return steps_of_share(config.join_share * steps, config.seed, epoch)

    def steps(self, clips: Sequence[int], epoch: int) -> list[Step]:
        """Return the steps of joined clips in an epoch of `clips`, as far as there are enough.

        Together they have exactly a batch of clips a step, so that the number of all steps stays.
        The last row is cut to that, to one clip at least.
        """
        asked = self.asked(clips, epoch)
        if not asked:
            return []
        # A stream of its own: the order of the other clips does not depend on it.
        seeds = np.random.SeedSequence([self.config.seed, epoch], spawn_key=(3,))
        rows = self._rows(sorted(set(clips)), epoch, np.random.default_rng(seeds))
        steps = min(asked, sum(map(len, rows)) // self.config.batch_size)
        return _dealt(_first_clips(rows, steps * self.config.batch_size), steps)

    def starts(self, row: Row, epoch: int) -> list[int]:
        """Return the tick at which each clip of a row begins; the first at 0."""
        starts = [0]
        for before, clip in pairwise(row):
            starts.append(starts[-1] + self.ticks(before, epoch) + self._silence(clip, epoch))
        return starts

    def spans(self, row: Row, epoch: int) -> list[tuple[int, int]]:
        """Return the tick at which each clip of a row begins, and the nearest one to its end."""
        durations_s = [self.augmenter.duration_s(self.utterances[i], epoch) for i in row]
        return [
            (start, start + round(duration_s * TIMESTAMPS_PER_S))
            for start, duration_s in zip(self.starts(row, epoch), durations_s, strict=True)
        ]

    def ticks(self, clip: int, epoch: int) -> int:
        """Return the ticks that a clip needs in an epoch."""
        duration_s = self.augmenter.duration_s(self.utterances[clip], epoch)
        # 1e-6: a rounding error of a stored duration is not another tick.
        return math.ceil(duration_s * TIMESTAMPS_PER_S - 1e-6)

    def _silence(self, clip: int, epoch: int) -> int:
        """Return the ticks of silence before a clip, where another is before it in the row."""
        shortest, longest = SILENCE_TICKS
        share = drawn_share("silence", self.config.seed, epoch, self.utterances[clip].id)
        return shortest + int(share * (longest - shortest + 1))

    def _rows(self, clips: Sequence[int], epoch: int, rng: np.random.Generator) -> list[Row]:
        """Return rows of two clips or more, in random order; no clip is in two."""
        rows: list[_OpenRow] = []
        of_voice: dict[Hashable, _OpenRow] = {}
        for clip in rng.permutation(clips).tolist():
            if (voice := self.voices[clip]) is None:
                continue
            row = of_voice.get(voice)
            more = self.ticks(clip, epoch), self._silence(clip, epoch), self.tokens[clip]
            if row is None or not row.has_room(*more, self.config.batch_size):
                row = of_voice[voice] = _OpenRow()
                rows.append(row)
            row.add(clip, *more)
        whole = [tuple(row.clips) for row in rows if len(row.clips) > 1]
        return [whole[i] for i in rng.permutation(len(whole))]


@dataclass
class _OpenRow:
    clips: list[int] = field(default_factory=list)
    ticks: int = 0
    tokens: int = CONTROL_TOKENS

    def has_room(self, ticks: int, silence: int, tokens: int, most_clips: int) -> bool:
        """Return whether one more clip fits in 30 s, in the label and in a batch."""
        return (
            self.ticks + silence + ticks <= ROW_TICKS
            and self.tokens + tokens <= MAX_LABEL_TOKENS
            and len(self.clips) < most_clips
        )

    def add(self, clip: int, ticks: int, silence: int, tokens: int) -> None:
        self.ticks += ticks + (silence if self.clips else 0)
        self.tokens += tokens
        self.clips.append(clip)


def joined_samples(clips: Sequence[Samples], starts: Sequence[int]) -> Samples:
    """Return the samples of a row, (N,): each clip at its tick, silence between."""
    if len(clips) == 1:
        return clips[0]
    row_N = np.zeros(starts[-1] * TICK_SAMPLES + len(clips[-1]), np.float32)
    for start, clip_N in zip(starts, clips, strict=True):
        row_N[start * TICK_SAMPLES :][: len(clip_N)] = clip_N
    return row_N


def joined_masks(masks: Sequence[Masks], starts: Sequence[int]) -> Masks:
    """Return SpecAugment's masks of a row, (R, 4): those of each clip, moved to where it begins."""
    frames = [np.array([start, start, 0, 0], np.float32) * TICK_FRAMES for start in starts]
    return np.concatenate([each + moved for each, moved in zip(masks, frames, strict=True)])


def _first_clips(rows: Iterable[Row], count: int) -> list[Row]:
    """Return the first rows that have `count` clips; the last of them may be cut."""
    taken: list[Row] = []
    for row in rows:
        if not count:
            break
        taken.append(row[:count])
        count -= len(taken[-1])
    return taken


def _dealt(rows: Sequence[Row], steps: int) -> list[Step]:
    """Return the rows as steps of nearly equal numbers of clips; each has a row at least."""
    dealt: list[list[Row]] = [[] for _ in range(steps)]
    emptiest = [(0, step) for step in range(steps)]
    for row in sorted(rows, key=len, reverse=True):
        clips, step = emptiest[0]
        dealt[step].append(row)
        heapq.heapreplace(emptiest, (clips + len(row), step))
    return [(micro_batch_of(FULL_CONTEXT_S, each),) for each in dealt]
