"""Test greedy and beam search where the probability of every text is known."""

import itertools
import math
from collections.abc import Iterator, Sequence

import numpy as np
import pytest
import torch
from torch import Tensor

from mothertongue.decoding import search
from mothertongue.decoding.beams import Hypothesis, Scorer
from mothertongue.decoding.loops import LOOP_TOKENS
from mothertongue.decoding.search import Rules, Search, Waiting

PREFIX = [100, 101, 102, 103]
END, A, B, C = range(4)
SIZE = 64
RARE = 1e-6
Table = dict[tuple[int, ...], Sequence[float]]


class TableCache:
    """Stands in for the decoder: the probability of END, A, B, C after each text, by clip.

    All other tokens are rare. A text that no table has goes on with any token but the end.
    """

    tables: Sequence[Table] = ()
    rows_of_steps: list[int] = []  # noqa: RUF012

    def __init__(self, model: None, slots: int, beam_size: int) -> None:
        self.beam_size = beam_size
        self.clips: list[int] = [-1] * slots
        self.texts: list[tuple[int, ...]] = [()] * (slots * beam_size)

    def make_room(self, positions: int, frames: int) -> None: ...

    def admit(
        self, hidden_BTD: Tensor, frames_B: Tensor, prefix_BL: Tensor, slots_B: Tensor
    ) -> None:
        assert prefix_BL.tolist() == [PREFIX[:-1]] * len(slots_B)
        for slot, clip in zip(slots_B.tolist(), hidden_BTD[:, 0, 0].tolist(), strict=True):
            self.clips[slot] = int(clip)

    def logits(self, step_5N: Tensor, positions: int, frames: int) -> Tensor:
        self.rows_of_steps.append(step_5N.shape[1])
        before, found = list(self.texts), []
        for row, (token, parent, position, _, is_first) in enumerate(step_5N.T.tolist()):
            assert parent // self.beam_size == row // self.beam_size
            assert not is_first or token == PREFIX[-1]
            self.texts[row] = () if is_first else (*before[parent], token)
            assert position == len(PREFIX) - 1 + len(self.texts[row])
            table = self.tables[self.clips[row // self.beam_size]]
            found.append(table.get(self.texts[row], (0, 1, 1, 1)))
        chances_NV = torch.full((len(found), SIZE), RARE)
        chances_NV[:, :4] = torch.tensor(found).clamp(min=RARE)
        return chances_NV.log()

    def move(self, source: int, slot: int) -> None:
        size = self.beam_size
        self.clips[slot] = self.clips[source]
        self.texts[slot * size : (slot + 1) * size] = self.texts[source * size :][:size]


@pytest.fixture
def say(monkeypatch: pytest.MonkeyPatch):
    """Decode clips that sound like these tables."""
    monkeypatch.setattr(search, "KeyValueCache", TableCache)
    open_V = torch.zeros(SIZE)

    def say(
        tables: Sequence[Table],
        beam_size: int,
        limits: Sequence[int] | None = None,
        given: Rules = Rules(open_V, open_V, END),  # noqa: B008
        scorer: Scorer | None = None,
        slots: int | None = None,
    ) -> list[Hypothesis]:
        monkeypatch.setattr(TableCache, "tables", tables)
        monkeypatch.setattr(TableCache, "rows_of_steps", [])
        waiting = [
            Waiting(i, torch.full((1, 1), float(i)), PREFIX, limits[i] if limits else 10)
            for i in range(len(tables))
        ]
        found = dict(Search(None, given, slots or len(tables), beam_size, scorer)(waiting))
        return [found[i] for i in range(len(tables))]

    return say


# The likelier first word leads nowhere: A (0.6) is followed by anything, B (0.4) by the end.
GARDEN_PATH: Table = {
    (): (0, 0.6, 0.4, 0),
    (A,): (0.34, 0.33, 0.33, 0),
    (B,): (0.99, 0.01, 0, 0),
}
# A goes on for ever; B, less likely at first, ends.
LOOP: Table = {
    (): (0, 0.9, 0.1, 0),
    (B,): (0.9, 0.1, 0, 0),
    **{(A,) * n: (0, 1, 0, 0) for n in range(1, 200)},
}
ALL_LOOPS: Table = {(A,) * n: (0, 1, 0, 0) for n in range(200)}
# A chorus: A twelve times, and then B.
CHORUS: Table = {
    **{(A,) * n: (0, 1, 0, 0) for n in range(12)},
    (A,) * 12: (0, 0, 1, 0),
    (*[A] * 12, B): (1, 0, 0, 0),
}
FOREVER: Table = {}


def test_greedy_takes_the_likeliest_token(say) -> None:
    (found,) = say([GARDEN_PATH], 1)
    assert found.tokens == [A]
    assert found.log_probability == pytest.approx(math.log(0.6 * 0.34), abs=1e-3)
    assert found.average_log_probability == pytest.approx(math.log(0.6 * 0.34) / 2, abs=1e-3)


def test_beam_finds_the_better_text(say) -> None:
    (found,) = say([GARDEN_PATH], 2)
    assert found.tokens == [B]
    assert found.log_probability == pytest.approx(math.log(0.4 * 0.99), abs=1e-3)


def test_greedy_stops_in_a_loop(say) -> None:
    (found,) = say([LOOP], 1, limits=[200])
    assert found.tokens == [A] * LOOP_TOKENS


@pytest.mark.parametrize("beam_size", [1, 2])
def test_what_follows_a_repetition_is_found(say, beam_size: int) -> None:
    (found,) = say([CHORUS], beam_size, limits=[200])
    assert found.tokens == [*[A] * 12, B]


def test_beam_prefers_what_ends_to_a_loop(say) -> None:
    (found,) = say([LOOP], 2, limits=[200])
    assert found.tokens == [B]


def test_beam_gives_a_loop_where_all_is_loops(say) -> None:
    (found,) = say([ALL_LOOPS], 2, limits=[200])
    assert found.tokens == [A] * LOOP_TOKENS


@pytest.mark.parametrize("beam_size", [1, 2, 5])
def test_end_at_once(say, beam_size: int) -> None:
    (found,) = say([{(): (1, 0, 0, 0)}], beam_size)
    assert found.tokens == []
    assert found.log_probability == pytest.approx(0, abs=1e-3)


@pytest.mark.parametrize("beam_size", [1, 2, 5])
def test_every_clip_has_its_own_limit(say, no_guard, beam_size: int) -> None:
    found = say([FOREVER] * 3, beam_size, limits=[1, 9, 3])
    assert [len(each.tokens) for each in found] == [1, 9, 3]


@pytest.mark.parametrize("beam_size", [1, 2])
def test_search_stops_with_its_last_clip(say, beam_size: int) -> None:
    say([GARDEN_PATH] * 3, beam_size, limits=[400] * 3)
    assert len(TableCache.rows_of_steps) <= 4


@pytest.mark.parametrize("beam_size", [1, 2])
def test_forbidden_is_never_said_and_takes_no_probability(say, beam_size: int) -> None:
    always_V, first_V = torch.zeros(SIZE), torch.zeros(SIZE)
    always_V[B], first_V[A] = -torch.inf, -torch.inf
    table = {(): (0, 0.4, 0.4, 0.2), (C,): (0.3, 0.1, 0.6, 0)}
    (found,) = say([table], beam_size, given=Rules(always_V, first_V, END))
    assert found.tokens == [C]
    assert found.log_probability == pytest.approx(math.log(1.0 * 0.75), abs=1e-3)


def random_table(seed: int, limit: int) -> Table:
    rng = np.random.default_rng(seed)
    texts = [text for n in range(limit) for text in itertools.product((A, B), repeat=n)]
    return {text: (*rng.dirichlet([0.5] * 3), 0.0) for text in texts}


class Pairs:
    """A language model of pairs: the state is the last token, what it gains a table."""

    start = SIZE

    def __init__(self, seed: int, weight: float = 1.0) -> None:
        self.gains = weight * np.log(np.random.default_rng(seed).dirichlet([1] * SIZE, SIZE + 1))

    def advance(self, states_N: np.ndarray, tokens_NC: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return self.gains[states_N[:, None], tokens_NC], tokens_NC

    def gain(self, tokens: Sequence[int]) -> float:
        return sum(self.gains[pair] for pair in itertools.pairwise([self.start, *tokens]))


def exhaustive(table: Table, limit: int, scorer: Pairs | None = None) -> Hypothesis:
    """The best of all texts that end before the limit."""
    texts = [text for n in range(limit) for text in itertools.product((A, B), repeat=n)]
    said = [[*text, END] for text in texts]
    totals = [
        sum(math.log(table[text[:i]][token]) for i, token in enumerate(tokens))
        for text, tokens in zip(texts, said, strict=True)
    ]
    gains = [scorer.gain(tokens) if scorer else 0.0 for tokens in said]
    best = max(range(len(texts)), key=lambda i: (totals[i] + gains[i]) / max(1, len(texts[i])))
    return Hypothesis(list(texts[best]), totals[best], gains[best])


def test_wide_beam_is_an_exhaustive_search(say) -> None:
    """31 texts of A and B are possible, less than the beam is wide."""
    limits = [4, 2, 3, 4, 1, 4, 4, 4]
    tables = [random_table(seed, limit) for seed, limit in enumerate(limits)]
    found = say(tables, 33, limits)
    for each, table, limit in zip(found, tables, limits, strict=True):
        best = exhaustive(table, limit)
        assert each.tokens == best.tokens
        assert each.log_probability == pytest.approx(best.log_probability, abs=1e-3)
    assert len({len(each.tokens) for each in found}) >= 3


def test_a_wide_beam_with_a_language_model_is_an_exhaustive_search(say) -> None:
    limits, scorer = [4, 2, 3, 4, 1, 4, 4, 4], Pairs(0)
    tables = [random_table(seed, limit) for seed, limit in enumerate(limits)]
    found = say(tables, 33, limits, scorer=scorer)
    plain = say(tables, 33, limits)
    for each, table, limit in zip(found, tables, limits, strict=True):
        best = exhaustive(table, limit, scorer)
        assert each.tokens == best.tokens
        assert each.log_probability == pytest.approx(best.log_probability, abs=1e-3)
        assert each.gain == pytest.approx(best.gain)
    assert [each.tokens for each in found] != [each.tokens for each in plain]


@pytest.mark.parametrize("beam_size", [1, 2, 5])
def test_a_language_model_without_weight_changes_nothing(say, beam_size: int) -> None:
    tables = [random_table(seed, 6) for seed in range(8)]
    found = say(tables, beam_size, [6] * 8, scorer=Pairs(0, weight=0))
    plain = say(tables, beam_size, [6] * 8)
    assert [each.tokens for each in found] == [each.tokens for each in plain]


def test_a_loop_is_given_up_with_a_language_model_that_likes_it(say) -> None:
    scorer = Pairs(0)
    scorer.gains[:, :] = -9
    scorer.gains[:, A] = 0
    (found,) = say([LOOP], 1, limits=[200], scorer=scorer)
    assert found.tokens == [A] * LOOP_TOKENS


@pytest.mark.parametrize("beam_size", [1, 2, 3, 5])
def test_clips_that_leave_do_not_change_the_others(say, beam_size: int) -> None:
    limits = [1, 8, 3, 8, 5, 2, 8, 8]
    tables = [random_table(seed, limit) for seed, limit in enumerate(limits)]
    together = say(tables, beam_size, limits)
    for slots in (1, 2, 3, 5):
        assert say(tables, beam_size, limits, slots=slots) == together
    alone = [say([table], beam_size, [limit])[0] for table, limit in zip(tables, limits)]  # noqa: B905
    assert together == alone


def test_a_clip_takes_the_slot_of_one_that_ended(say, no_guard) -> None:
    """No row is computed of a clip that ended, and no slot is free while a clip waits."""
    limits = [9, 2, 3, 1, 4, 2, 1]
    found = say([FOREVER] * len(limits), 1, limits, slots=2)
    assert [len(each.tokens) for each in found] == limits
    assert sum(TableCache.rows_of_steps) == sum(limits)
    assert TableCache.rows_of_steps == [2] * 11


def test_a_clip_is_taken_when_there_is_a_slot_for_it(say, monkeypatch) -> None:
    """So that its audio need not be in memory before."""
    taken: list[int] = []

    def waiting() -> Iterator[Waiting]:
        for i in range(6):
            taken.append(i)
            yield Waiting(i, torch.full((1, 1), float(i)), PREFIX, 3)

    say([GARDEN_PATH] * 6, 1)
    none_V = torch.zeros(SIZE)
    for count, _ in enumerate(Search(None, Rules(none_V, none_V, END), 2)(waiting())):
        assert len(taken) <= min(6, 2 * (count // 2 + 1))
    assert taken == list(range(6))
