import copy
from dataclasses import replace

import numpy as np
import pytest
import torch
from recorders import Again
from tiny import noise

from mothertongue.decoding.torch_transcriber import TorchTranscriber, as_dtype, rules
from mothertongue.decoding.transcript import DecodeConfig, Transcript, token_limit
from mothertongue.model.load import non_speech_tokens
from mothertongue.model.tokenizer import Tokens


@pytest.fixture
def transcriber(talker, tokens: Tokens):
    def make(context: str = "bucket", batch_size: int = 3, **options: object) -> TorchTranscriber:
        asked = {key: options.pop(key) for key in ("beam_size", "detect_language") & options.keys()}
        config = DecodeConfig(batch_size=batch_size, **asked)
        return TorchTranscriber(talker, tokens, context=context, config=config, **options)

    return make


@pytest.mark.parametrize("context", ["bucket", "full"])
@pytest.mark.parametrize("beam_size", [1, 3])
def test_order_of_results_is_kept(transcriber, clips, context: str, beam_size: int) -> None:
    together = transcriber(context, beam_size=beam_size)(clips[:5], "sw")
    alone = transcriber(context, beam_size=beam_size)
    for clip, found in zip(clips[:4], together, strict=False):
        assert alone([clip], "sw")[0].tokens == found.tokens


def test_batch_size_changes_nothing(transcriber, clips: list[np.ndarray]) -> None:
    one, many = (transcriber(batch_size=size)(clips, "sw") for size in (1, 8))
    assert [each.tokens for each in one] == [each.tokens for each in many]
    for first, second in zip(one, many, strict=True):
        assert first.average_log_probability == pytest.approx(
            second.average_log_probability, rel=1e-4
        )


def test_batches_have_one_context_longest_first(transcriber, monkeypatch) -> None:
    seen: list[tuple[int, list[int]]] = []

    def encode(self, clips, context: int):
        seen.append((context, [len(clip) // 16_000 for clip in clips]))
        return torch.zeros(len(clips), 50 * context, 64)

    monkeypatch.setattr(TorchTranscriber, "_encode", encode)
    transcriber(batch_size=2)([noise(s) for s in (1, 3, 1, 2, 3, 3)], "sw")
    assert seen == [(3, [3, 3]), (3, [3]), (2, [2]), (1, [1, 1])]


def test_graphs_are_kept_for_later_calls(transcriber, clips: list[np.ndarray]) -> None:
    short = [clips[0], clips[3]]
    plain = transcriber(batch_size=2)(short, "sw")
    replaying, recorder = transcriber(batch_size=2), Again()
    replaying._recorder = recorder
    assert replaying(short, "sw") == approximately(plain)
    first = recorder.captured
    assert first >= 2  # steps of up to 64 tokens, and of more
    assert replaying(short[::-1], "sw") == approximately(plain[::-1])
    assert recorder.captured == first + 1  # the admission of a clip, which came the third time


def approximately(transcripts: list[Transcript]) -> list[Transcript]:
    return [
        replace(each, average_log_probability=pytest.approx(each.average_log_probability, rel=1e-4))
        for each in transcripts
    ]


def test_no_clips(transcriber) -> None:
    assert transcriber()([], "sw") == []


def test_progress_counts_every_clip(transcriber, clips: list[np.ndarray]) -> None:
    counts: list[int] = []
    transcriber(advance=counts.append)(clips, "sw")
    assert sum(counts) == len(clips)


@pytest.mark.parametrize("context", ["bucket", "full"])
def test_clip_beyond_30_s(transcriber, context: str) -> None:
    with pytest.raises(ValueError) as caught:
        transcriber(context)([noise(1), np.zeros(30 * 16_000 + 1, np.float32)], "sw")
    assert str(caught.value) == "a clip of 30.00 s: Whisper takes at most 30 s"


def test_empty_and_longest_clip(transcriber) -> None:
    found = transcriber()([np.zeros(0, np.float32), noise(30)], "sw")
    assert len(found) == 2


def test_token_limit_of_each_clip(transcriber, clips, no_guard, talker, tokens: Tokens) -> None:
    """A model that never ends."""
    endless = transcriber(batch_size=8)
    always_V = endless.rules.always_V.clone()
    always_V[tokens.end] = -torch.inf
    endless.rules = type(endless.rules)(always_V, endless.rules.first_V, tokens.end)
    found = endless([*clips[:3], noise(9)], "sw")
    assert [len(each.tokens) for each in found] == [
        token_limit(len(clip) / 16_000) for clip in [*clips[:3], noise(9)]
    ]


def test_language_is_that_of_the_likeliest_token(
    transcriber, talker, clips: list[np.ndarray], tokens: Tokens
) -> None:
    found = transcriber("full")(clips, None)
    forced = transcriber("full")(clips, found[0].language)
    assert found[0].tokens == forced[0].tokens
    mel_BMF = torch.stack([_mel(clip) for clip in clips])
    ids = talker.detect_language(mel_BMF).tolist()
    assert [tokens.language(each.language) for each in found] == ids


@pytest.mark.parametrize("beam_size", [1, 3])
def test_asking_for_the_language_changes_nothing_else(transcriber, clips, beam_size: int) -> None:
    clips = clips[:4]  # one of them waits for a place
    plain = transcriber(beam_size=beam_size)(clips, "sw")
    asked = transcriber(beam_size=beam_size, detect_language=True)(clips, "sw")
    detected = transcriber(beam_size=beam_size)(clips, None)
    assert {each.detected_language for each in plain} == {None}
    assert [each.detected_language for each in asked] == [each.language for each in detected]
    assert [replace(each, detected_language=None) for each in asked] == plain
    assert {each.language for each in asked} == {"sw"}


def test_a_language_that_had_to_be_detected_is_the_detected_one(transcriber, clips) -> None:
    found = transcriber()(clips, None)
    assert all(each.language == each.detected_language for each in found)


def _mel(clip: np.ndarray) -> torch.Tensor:
    from mothertongue.model.features import log_mel, pad_samples

    return log_mel(pad_samples([clip], 30), 80)[0]


def test_half_precision(transcriber, talker, clips: list[np.ndarray]) -> None:
    before = copy.deepcopy(talker.state_dict())
    half = transcriber(dtype=torch.bfloat16)
    found = half(clips, "sw")
    assert half.model.dtype == torch.bfloat16
    assert len(found) == len(clips)
    assert all(np.isfinite(each.average_log_probability) for each in found)
    assert talker.dtype == torch.float32
    assert all(torch.equal(value, before[name]) for name, value in talker.state_dict().items())


def test_same_precision_is_the_same_model(talker) -> None:
    assert as_dtype(talker, torch.float32) is talker


def test_rules(talker, tokens: Tokens) -> None:
    given = rules(talker, tokens)
    forbidden = set(torch.nonzero(given.always_V == -torch.inf).flatten().tolist())
    timestamps = set(range(tokens.no_timestamps + 1, tokens.vocabulary_size))
    assert forbidden == set(non_speech_tokens(tokens)) | timestamps
    assert torch.nonzero(given.first_V).flatten().tolist() == [220, tokens.end]
    assert given.end == tokens.end
