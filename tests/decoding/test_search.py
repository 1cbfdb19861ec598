"""Search on a decoder with a cache: what a clip's text depends on, and what a graph may hold."""

import gc
import weakref
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
import torch
from recorders import Again
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode
from transformers import WhisperForConditionalGeneration
from waits import Waits

from mothertongue.decoding import search
from mothertongue.decoding.beams import Hypothesis, Scorer
from mothertongue.decoding.kv_cache import KeyValueCache
from mothertongue.decoding.loops import is_loop
from mothertongue.decoding.search import Search, Waiting
from mothertongue.decoding.torch_transcriber import rules
from mothertongue.model.encoder import encode
from mothertongue.model.features import log_mel, pad_samples
from mothertongue.model.tokenizer import Tokens


@pytest.fixture(scope="module")
def heard(talker: WhisperForConditionalGeneration, clips: list[np.ndarray]) -> list[Tensor]:
    """The encoder's output of each clip, at 4 s or 3 s."""
    with torch.inference_mode():
        return [
            encode(talker.model.encoder, log_mel(pad_samples([clip], 4 - i % 2), 80))[0]
            for i, clip in enumerate(clips)
        ]


Transcribe = Callable[..., dict[int, Hypothesis]]


def clip_of(i: int, hidden_TD: Tensor, tokens: Tokens, limit: int) -> Waiting:
    """A clip with a prompt before it, or without."""
    prompt = tokens.encode(" habari ya asubuhi") if i % 3 == 2 else ()
    return Waiting(i, hidden_TD, tokens.prefix("sw", prompt=prompt), limit)


@pytest.fixture
def transcribe(
    talker: WhisperForConditionalGeneration, tokens: Tokens, heard: list[Tensor]
) -> Transcribe:
    """Search in clips of these numbers, in this order."""

    def transcribe(
        clips: Sequence[int], beam_size: int = 1, limit: int = 40, slots: int = 8, **options: Any
    ) -> dict[int, Hypothesis]:
        found = Search(talker, rules(talker, tokens), slots, beam_size, **options)
        return dict(found([clip_of(i, heard[i], tokens, limit) for i in clips]))

    return transcribe


class Moods:
    """A language model that likes other tokens after each token."""

    start = 5

    def advance(self, states_N: np.ndarray, tokens_NC: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return 0.3 * ((7 * states_N[:, None] + tokens_NC) % 11), tokens_NC


def same(found: dict[int, Hypothesis], wanted: dict[int, Hypothesis]) -> None:
    for i, each in found.items():
        assert each.tokens == wanted[i].tokens
        assert each.log_probability == pytest.approx(wanted[i].log_probability, rel=1e-4)


def test_clips_talk_differently(transcribe: Transcribe) -> None:
    """Else the tests below would prove little."""
    found = transcribe(range(8)).values()
    assert len({tuple(each.tokens) for each in found}) >= 5
    assert len({len(each.tokens) for each in found}) >= 4


SEARCHES = pytest.mark.parametrize(
    ("beam_size", "scorer"), [(1, None), (3, None), (1, Moods()), (3, Moods())]
)


@SEARCHES
def test_clips_do_not_depend_on_their_neighbours(
    transcribe: Transcribe, beam_size: int, scorer: Scorer | None
) -> None:
    """Alone, in any company, in any order, with any number of slots; with prompts and without."""
    options: dict[str, Any] = {"beam_size": beam_size, "scorer": scorer, "limit": 24}
    together = transcribe(range(8), **options)
    for i in together:
        same(transcribe([i], **options), together)
    for slots, order in ((1, range(8)), (2, (5, 3, 0, 7, 1)), (3, (7, 6, 5, 4, 3, 2, 1, 0))):
        found = transcribe(order, slots=slots, **options)
        assert sorted(found) == sorted(order)
        same(found, together)


class Poisoned(KeyValueCache):
    """A cache in whose free slots is what spoils all that reads it."""

    def __init__(self, model: WhisperForConditionalGeneration, slots: int, beam_size: int) -> None:
        super().__init__(model, slots, beam_size)
        self.make_room(64, 200)
        for slot in range(slots):
            self.poison(slot)

    def admit(
        self, hidden_BTD: Tensor, frames_B: Tensor, prefix_BL: Tensor, slots_B: Tensor
    ) -> None:
        for slot in slots_B.tolist():
            self.poison(slot)
        super().admit(hidden_BTD, frames_B, prefix_BL, slots_B)

    def move(self, source: int, slot: int) -> None:
        super().move(source, slot)
        self.poison(source)

    def poison(self, slot: int) -> None:
        rows = slice(slot * self.beam_size, (slot + 1) * self.beam_size)
        for text_2NHPE, audio_2BHTE in zip(self.text, self.audio, strict=True):
            text_2NHPE[:, rows] = audio_2BHTE[:, slot] = torch.nan


@SEARCHES
def test_what_an_ended_clip_left_is_not_seen(
    transcribe: Transcribe,
    monkeypatch: pytest.MonkeyPatch,
    beam_size: int,
    scorer: Scorer | None,
) -> None:
    options: dict[str, Any] = {"beam_size": beam_size, "scorer": scorer, "limit": 12, "slots": 3}
    plain = transcribe(range(8), **options)
    monkeypatch.setattr(search, "KeyValueCache", Poisoned)
    same(transcribe(range(8), **options), plain)
    same(transcribe(range(8), **options, recorder=Again()), plain)


@SEARCHES
def test_replayed_steps_are_the_eager_ones(
    transcribe: Transcribe, beam_size: int, scorer: Scorer | None
) -> None:
    """With all slots in each step, and more positions and frames than the clips have."""
    options: dict[str, Any] = {"beam_size": beam_size, "scorer": scorer, "limit": 70, "slots": 3}
    recorder = Again()
    same(transcribe(range(5), **options, recorder=recorder), transcribe(range(5), **options))
    assert recorder.captured >= 3  # clips with a prompt and without, and steps
    assert recorder.replayed > 40


def test_the_host_waits_once_a_token(
    transcribe: Transcribe, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads, steps = list[int](), list[int]()
    read, logits = search.read, KeyValueCache.logits
    monkeypatch.setattr(search, "read", lambda said: reads.append(1) or read(said))
    monkeypatch.setattr(
        KeyValueCache, "logits", lambda cache, *step: steps.append(1) or logits(cache, *step)
    )
    for beam_size, scorer in ((1, None), (3, Moods())):
        with Waits() as waits:
            transcribe(range(5), beam_size, limit=8, slots=2, scorer=scorer, recorder=Again())
        assert waits.found == []
    assert len(reads) == len(steps) > 20


@pytest.mark.parametrize("beam_size", [1, 3])
def test_a_step_depends_on_no_value(
    talker: WhisperForConditionalGeneration, tokens: Tokens, beam_size: int
) -> None:
    """Fake tensors have none: an operation that asks for one raises, and no graph could hold it."""
    found = Search(talker, rules(talker, tokens), 2, beam_size, recorder=Again())
    step_5N = torch.zeros(5, 2 * beam_size, dtype=torch.long)
    hidden_1TD, one = torch.zeros(1, 250, 64), torch.ones(1, dtype=torch.long)
    with FakeTensorMode(allow_non_fake_inputs=True) as mode:
        found._steps(mode.from_tensor(step_5N), 64, 250)
        found.cache.admit(*map(mode.from_tensor, (hidden_1TD, one, torch.zeros(1, 3).long(), one)))


@pytest.mark.parametrize("beam_size", [1, 3])
def test_log_probability_is_that_of_one_forward(
    transcribe: Transcribe, heard: list[Tensor], beam_size: int, talker, tokens: Tokens
) -> None:
    """The cache, and what its rows take from each other, change nothing."""
    given = rules(talker, tokens)
    for i, found in transcribe(range(8), beam_size, limit=12, slots=3).items():
        ended = len(found.tokens) < 12 and not is_loop(found.tokens)
        said = [*found.tokens, *[tokens.end] * ended]
        prefix = clip_of(i, heard[i], tokens, 12).prefix
        states_BLD = talker.model.decoder(
            input_ids=torch.tensor([[*prefix, *said[:-1]]]), encoder_hidden_states=heard[i][None]
        ).last_hidden_state
        logits_LV = talker.proj_out(states_BLD)[0, len(prefix) - 1 :] + given.always_V
        logits_LV[0] += given.first_V
        steps_L = logits_LV.log_softmax(-1)[range(len(said)), said]
        assert found.log_probability == pytest.approx(steps_L.sum().item(), rel=1e-4)


def test_greedy_is_that_of_transformers(
    talker, tokens: Tokens, clips: list[np.ndarray], no_guard
) -> None:
    mel_BMF = log_mel(pad_samples(clips, 30), 80)
    ours = Search(talker, rules(talker, tokens), 3)(
        Waiting(i, hidden_TD, tokens.prefix("sw"), 24)
        for i, hidden_TD in enumerate(encode(talker.model.encoder, mel_BMF))
    )
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
    ).tolist()
    texts = dict(ours)
    for row, said in enumerate(theirs):
        assert texts[row].tokens == [token for token in said if token < tokens.end]
    assert len({tuple(each.tokens) for each in texts.values()}) >= 5


def test_beam_is_rarely_worse_than_greedy(transcribe: Transcribe, no_guard) -> None:
    greedily, searched = transcribe(range(8), 1, limit=12), transcribe(range(8), 5, limit=12)
    better = [
        searched[i].average_log_probability >= each.average_log_probability - 1e-4
        for i, each in greedily.items()
    ]
    assert sum(better) >= 6


@pytest.mark.parametrize("recorder", [None, Again()])
def test_a_search_that_is_dropped_is_freed_at_once(
    talker: WhisperForConditionalGeneration,
    tokens: Tokens,
    heard: list[Tensor],
    recorder: Again | None,
) -> None:
    """Its memory is that of a whole batch: it must not wait for a collection of garbage."""
    found = Search(talker, rules(talker, tokens), slots=2, recorder=recorder)
    assert len(dict(found(clip_of(i, heard[i], tokens, limit=12) for i in range(4)))) == 4
    parts = [weakref.ref(each) for each in (found, found.cache)]
    gc.disable()
    try:
        del found
        assert [each() for each in parts] == [None, None]
    finally:
        gc.enable()
