import itertools
import math
from collections.abc import Sequence

import numpy as np
import pytest
import torch
from torch import Tensor
from transformers import WhisperForConditionalGeneration

from mothertongue.decoding import search
from mothertongue.decoding.loops import LOOP_TOKENS
from mothertongue.decoding.search import Hypothesis, Rules, Scorer, beam, greedy
from mothertongue.decoding.torch_transcriber import rules
from mothertongue.model.encoder import encode
from mothertongue.model.features import log_mel, pad_samples
from mothertongue.model.tokenizer import Tokens

PREFIX = [100, 101, 102, 103]
END, A, B, C = range(4)
SIZE = 64
RARE = 1e-6
Table = dict[tuple[int, ...], Sequence[float]]


class TableState:
    """Stands in for the decoder: the probability of END, A, B, C after each text, by clip.

    All other tokens are rare. A text that no table has goes on with any token but the end.
    """

    tables: Sequence[Table] = ()
    steps = 0

    def __init__(
        self, model: None, hidden_BTD: Tensor, beam_size: int = 1, adapter_rows: None = None
    ) -> None:
        clips = hidden_BTD[:, 0, 0].repeat_interleave(beam_size)
        self.rows = [(int(clip), ()) for clip in clips]

    def logits(self, tokens_NL: Tensor) -> Tensor:
        type(self).steps += 1
        new = [tuple(row) for row in tokens_NL.tolist()]
        if tokens_NL.shape[1] > 1:
            assert set(new) == {tuple(PREFIX)}
            new = [()] * len(new)
        rows = zip(self.rows, new, strict=True)
        self.rows = [(clip, text + token) for (clip, text), token in rows]
        found = [self.tables[clip].get(text, (0, 1, 1, 1)) for clip, text in self.rows]
        chances_NV = torch.full((len(found), SIZE), RARE)
        chances_NV[:, :4] = torch.tensor(found).clamp(min=RARE)
        return chances_NV.log()

    def select(self, rows: Sequence[int]) -> None:
        self.rows = [self.rows[row] for row in rows]

    def reorder(self, rows: Sequence[int]) -> None:
        assert [self.rows[row][0] for row in rows] == [clip for clip, _ in self.rows]
        self.select(rows)


@pytest.fixture
def say(monkeypatch: pytest.MonkeyPatch):
    """Decode clips that sound like these tables."""
    monkeypatch.setattr(search, "DecoderState", TableState)
    monkeypatch.setattr(TableState, "steps", 0)
    open_V = torch.zeros(SIZE)

    def say(
        tables: Sequence[Table],
        beam_size: int,
        limits: Sequence[int] | None = None,
        given: Rules = Rules(open_V, open_V, END),  # noqa: B008
        scorer: Scorer | None = None,
    ) -> list[Hypothesis]:
        monkeypatch.setattr(TableState, "tables", tables)
        hidden_BTD = torch.arange(len(tables), dtype=torch.float32)[:, None, None]
        prefixes = [PREFIX] * len(tables)
        limits = limits or [10] * len(tables)
        if beam_size == 1 and scorer is None:
            return greedy(None, hidden_BTD, prefixes, limits, given)
        return beam(None, hidden_BTD, prefixes, limits, given, beam_size, None, scorer)

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
    assert TableState.steps <= 4


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
    alone = [say([table], beam_size, [limit])[0] for table, limit in zip(tables, limits)]  # noqa: B905
    assert together == alone


# The same on a decoder with a cache.


@pytest.fixture(scope="module")
def heard(talker: WhisperForConditionalGeneration, clips: list[np.ndarray]) -> Tensor:
    with torch.inference_mode():
        return encode(talker.model.encoder, log_mel(pad_samples(clips, 3), 80))


@pytest.fixture
def transcribe(talker: WhisperForConditionalGeneration, tokens: Tokens):
    """Greedy or beam search over encoder output."""
    given = rules(talker, tokens)

    def transcribe(hidden_BTD: Tensor, beam_size: int, limit: int = 40) -> list[Hypothesis]:
        prefixes = [tokens.prefix("sw")] * len(hidden_BTD)
        limits = [limit] * len(hidden_BTD)
        if beam_size == 1:
            return greedy(talker, hidden_BTD, prefixes, limits, given)
        return beam(talker, hidden_BTD, prefixes, limits, given, beam_size)

    return transcribe


def test_clips_talk_differently(transcribe, heard: Tensor) -> None:
    """Else the tests below would prove little."""
    found = transcribe(heard, 1)
    assert len({tuple(each.tokens) for each in found}) >= 5
    assert len({len(each.tokens) for each in found}) >= 4


@pytest.mark.parametrize("beam_size", [1, 3])
def test_clips_do_not_depend_on_their_neighbours(transcribe, heard: Tensor, beam_size: int) -> None:
    together = transcribe(heard, beam_size)
    for row, expected in enumerate(together):
        (alone,) = transcribe(heard[row : row + 1], beam_size)
        assert alone.tokens == expected.tokens
        assert alone.log_probability == pytest.approx(expected.log_probability, rel=1e-4)


@pytest.mark.parametrize("beam_size", [1, 3])
def test_log_probability_is_that_of_one_forward(
    transcribe, heard: Tensor, beam_size: int, talker, tokens: Tokens
) -> None:
    """The cache, its reordering and its copies change nothing."""
    given = rules(talker, tokens)
    for row, found in enumerate(transcribe(heard, beam_size, limit=12)):
        ended = len(found.tokens) < 12 and not search.is_loop(found.tokens)
        said = [*found.tokens, *[tokens.end] * ended]
        read = torch.tensor([[*tokens.prefix("sw"), *said[:-1]]])
        states_BLD = talker.model.decoder(
            input_ids=read, encoder_hidden_states=heard[row : row + 1]
        ).last_hidden_state
        logits_LV = talker.proj_out(states_BLD)[0, 3:] + given.always_V
        logits_LV[0] += given.first_V
        steps_L = logits_LV.log_softmax(-1)[range(len(said)), said]
        assert found.log_probability == pytest.approx(steps_L.sum().item(), rel=1e-4)


def test_greedy_is_that_of_transformers(
    transcribe, talker, tokens: Tokens, clips: list[np.ndarray], no_guard
) -> None:
    mel_BMF = log_mel(pad_samples(clips, 30), 80)
    ours = transcribe(encode(talker.model.encoder, mel_BMF), 1, limit=24)
    never = talker.generation_config.suppress_tokens
    timestamps = range(tokens.no_timestamps + 1, tokens.vocabulary_size)
    theirs = talker.generate(
        mel_BMF,
        language="sw",
        task="transcribe",
        suppress_tokens=[*never, *timestamps],
        max_new_tokens=24,
        num_beams=1,
        do_sample=False,
    )
    for row, found in zip(theirs.tolist(), ours, strict=True):
        said = [token for token in row if token < tokens.end]
        assert found.tokens == said[: len(found.tokens)]
        assert len(said) == len(found.tokens)
    assert len({tuple(each.tokens) for each in ours}) >= 5


def test_beam_is_rarely_worse_than_greedy(transcribe, heard: Tensor, no_guard) -> None:
    greedily = transcribe(heard, 1, limit=12)
    searched = transcribe(heard, 5, limit=12)
    better = [
        wide.average_log_probability >= narrow.average_log_probability - 1e-4
        for wide, narrow in zip(searched, greedily, strict=True)
    ]
    assert sum(better) >= 6
