"""Greedy and beam search over Whisper's decoder; a clip that ends gives its slot to the next one.

The step of one token has always the same form, whatever the position of each clip, so that a GPU
can replay it. B slots, K beams a clip, N = B x K rows, C candidates, T encoder frames, D width,
V vocabulary, L tokens.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence
from transformers import WhisperForConditionalGeneration

from mothertongue.decoding.beams import (
    Array,
    Beams,
    Choice,
    Hypothesis,
    Scorer,
    choices_needed,
    choices_of_scorer,
    choices_without_scorer,
)
from mothertongue.decoding.kv_cache import IS_FIRST, KeyValueCache
from mothertongue.model.adapters import AdapterAssignment
from mothertongue.model.graphs import Graphs, Recorder

FRAMES_OF_GRAPHS = (256, 512, 768, 1024, 1504)
POSITIONS_OF_GRAPHS = (64, 128, 256, 448)
"""A replayed step reads so many encoder frames and positions: the least that is enough."""
MULTIPLE = 16
"""On a GPU, attention with a mask is fastest where its length is a multiple of this."""


@dataclass(frozen=True, slots=True)
class Rules:
    """Masks that suppress tokens: (V,) of 0 and -inf; `first_V` is for the first token."""

    always_V: Tensor
    first_V: Tensor
    end: int


@dataclass(frozen=True, slots=True)
class Waiting:
    """A clip that waits for a slot."""

    clip: int
    """Its number, for the caller."""
    hidden_TD: Tensor
    """The encoder's output, of any length."""
    prefix: Sequence[int]
    limit: int
    """The most tokens of its text."""
    adapter: str | None = None


@dataclass(slots=True)
class _Slot:
    """A clip that is being decoded: what its rows read next, and where."""

    clip: int
    beams: Beams
    moves: list[tuple[int, int]]
    """The (row of the past, next token) of each beam."""
    position: int
    frames: int
    adapter: str | None
    is_first: int = 1
    """1 where the next token is the prefix's last one, else 0."""

    def rows(self, first: int) -> list[list[int]]:
        """Return the values of its rows in a step, as kv_cache has them; `first` is its row."""
        same = [self.position, self.frames, self.is_first]
        return [[token, first + parent, *same] for parent, token in self.moves]

    def advance(self, choices: Sequence[Sequence[Choice]]) -> None:
        self.moves = self.beams.advance(choices)
        self.position, self.is_first = self.position + 1, 0


class Search:
    """Decodes any number of clips, as many at a time as there are slots.

    A beam of 1 without a language model takes the likeliest token at every step. A wider beam is
    done with a clip when as many hypotheses as it is wide are finished; the best wins: as
    openai/whisper and CTranslate2 with patience 1 and no length penalty. A language model's gains
    count in all that the search decides, and not in the log-probabilities that are returned.
    """

    def __init__(
        self,
        model: WhisperForConditionalGeneration,
        rules: Rules,
        slots: int,
        beam_size: int = 1,
        scorer: Scorer | None = None,
        adapter_rows: AdapterAssignment | None = None,
        recorder: Recorder | None = None,
    ) -> None:
        """`adapter_rows`: which adapter each clip takes, where the model mixes them.

        With a recorder all slots are always computed, and the steps are replayed; adapters that
        mix are not recorded.
        """
        self.model, self.device = model, rules.always_V.device
        self.end, self.scorer = rules.end, scorer
        self.most, self.beam_size, self.adapter_rows = slots, beam_size, adapter_rows
        self.cache = KeyValueCache(model, slots, beam_size)
        self.masks_2V = torch.stack([rules.always_V, rules.always_V + rules.first_V])
        needed = min(choices_needed(beam_size, scorer), len(rules.always_V))
        self._said_2NC = torch.zeros(2, slots * beam_size, needed, device=self.device)
        recorder = recorder if adapter_rows is None else None
        # Not a method: the search would hold itself, and so all its memory when it is dropped.
        step = partial(_step, self.cache, self.masks_2V, self._said_2NC)
        self._steps = Graphs(step, recorder)
        self._admissions = Graphs(self.cache.admit, recorder)
        self._slots: list[_Slot] = []
        if self._is_recorded:  # a graph holds the places of what it reads
            self.cache.make_room(POSITIONS_OF_GRAPHS[-1], FRAMES_OF_GRAPHS[-1])

    def __call__(self, waiting: Iterable[Waiting]) -> Iterator[tuple[int, Hypothesis]]:
        """Yield each clip's number and its best text, as soon as it ends.

        A clip is taken from `waiting` when there is a slot for it.
        """
        self._slots, queue = [], iter(waiting)
        self._refill(range(self.most), queue)
        while self._slots:
            choices, ended = self._choices(), []
            for place, slot in enumerate(self._slots):
                first = place * self.beam_size
                slot.advance(choices[first : first + self.beam_size])
                if slot.beams.is_done:
                    ended.append(place)
                    yield slot.clip, slot.beams.best()
            self._refill(ended, queue)

    def _refill(self, free: Sequence[int], queue: Iterator[Waiting]) -> None:
        """Give free slots to clips that wait, and close what is left of them."""
        fresh = list(islice(queue, len(free)))
        # A graph takes one clip at a time: each number of clips would be another graph.
        size = 1 if self._is_recorded else max(1, len(fresh))
        for i in range(0, len(fresh), size):
            self._take(free[i : i + size], fresh[i : i + size])
        for place in reversed([each for each in free[len(fresh) :] if each < len(self._slots)]):
            last = self._slots.pop()
            if place < len(self._slots):
                self.cache.move(len(self._slots), place)
                self._slots[place] = last

    def _take(self, places: Sequence[int], fresh: Sequence[Waiting]) -> None:
        frames = [len(each.hidden_TD) for each in fresh]
        prefixes = [torch.tensor(each.prefix[:-1], dtype=torch.long) for each in fresh]
        hidden_BTD = pad_sequence([each.hidden_TD for each in fresh], batch_first=True)
        prefix_BL = pad_sequence(prefixes, batch_first=True)
        longest = self._frames(max(frames))
        self.cache.make_room(self._positions(prefix_BL.shape[1]), longest)
        self._assign([each.adapter for each in fresh])
        self._admissions(
            nn.functional.pad(hidden_BTD, (0, 0, 0, longest - hidden_BTD.shape[1])),
            *(self._sent(each) for each in (torch.tensor(frames), prefix_BL, torch.tensor(places))),
        )
        for place, each, count in zip(places, fresh, frames, strict=True):
            self._slots[place : place + 1] = [self._opened(each, count)]

    def _opened(self, clip: Waiting, frames: int) -> _Slot:
        begin = Hypothesis([], 0.0, state=self.scorer.start if self.scorer else 0)
        beams = Beams(self.beam_size, clip.limit, self.end, begin)
        moves = [(0, clip.prefix[-1])] * self.beam_size
        return _Slot(clip.clip, beams, moves, len(clip.prefix) - 1, frames, clip.adapter)

    def _choices(self) -> list[list[Choice]]:
        """Take a step of all rows; return the best next tokens of each."""
        slots, size = self._slots, self.beam_size
        rows = [row for i, slot in enumerate(slots) for row in slot.rows(i * size)]
        count = len(rows)
        if self._is_recorded:  # the rows of free slots write where nobody reads
            rows += [[0, row, 0, 1, 0] for row in range(count, self.most * size)]
        positions = self._positions(1 + max(slot.position for slot in slots))
        frames = self._frames(max(slot.frames for slot in slots))
        self.cache.make_room(positions, frames)
        self._assign([slot.adapter for slot in slots])
        self._steps(self._sent(torch.tensor(rows).T), positions, frames)
        values_NC, tokens_NC = read(self._said_2NC[:, :count])
        tokens_NC = tokens_NC.astype(np.int64)
        if self.scorer is None:
            return choices_without_scorer(values_NC, tokens_NC)
        states = [state for slot in slots for state in slot.beams.states()]
        return choices_of_scorer(values_NC, tokens_NC, states, self.scorer, size)

    def _assign(self, adapters: Sequence[str | None]) -> None:
        if self.adapter_rows is not None:
            self.adapter_rows.put(adapters)

    @property
    def _is_recorded(self) -> bool:
        return self._steps.recorder is not None

    def _frames(self, needed: int) -> int:
        """Return how many encoder frames a step reads."""
        return self._length(needed, FRAMES_OF_GRAPHS)

    def _positions(self, needed: int) -> int:
        """Return how many positions of each row a step reads."""
        return self._length(needed, POSITIONS_OF_GRAPHS)

    def _length(self, needed: int, sizes: Sequence[int]) -> int:
        if self._is_recorded:
            return next(each for each in sizes if each >= needed)
        return needed if self.device.type == "cpu" else MULTIPLE * math.ceil(needed / MULTIPLE)

    def _sent(self, values: Tensor) -> Tensor:
        """Return the values on the device; the host does not wait for a GPU to have them."""
        values = values.pin_memory() if self.device.type == "cuda" else values
        return values.to(self.device, non_blocking=True)


def _step(
    cache: KeyValueCache,
    masks_2V: Tensor,
    said_2NC: Tensor,
    step_5N: Tensor,
    positions: int,
    frames: int,
) -> None:
    """Leave the best next tokens of each row, and their log-probabilities, in `said_2NC`."""
    logits_NV = cache.logits(step_5N, positions, frames)
    # -inf for forbidden tokens, the others sum to one, as in openai/whisper.
    scores_NV = (logits_NV + masks_2V[step_5N[IS_FIRST]]).log_softmax(-1)
    count = said_2NC.shape[2]
    best = scores_NV.topk(count) if count > 1 else scores_NV.max(-1, keepdim=True)
    for kept_NC, found_NC in zip(said_2NC, best, strict=True):
        kept_NC[: len(found_NC)].copy_(found_NC)  # float32 holds each token exactly


def read(said_2NC: Tensor) -> tuple[Array, Array]:
    """Return values of the device: the one moment of a token in which the host waits for a GPU."""
    values_NC, tokens_NC = said_2NC.cpu().numpy()
    return values_NC, tokens_NC
