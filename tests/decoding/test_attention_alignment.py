"""Word times in torch and in CTranslate2, which has its own: the same frames."""

import copy
import math
from pathlib import Path

import ctranslate2
import numpy as np
import pytest
import torch
from tiny import tiny_model
from transformers import WhisperForConditionalGeneration

from mothertongue.data.audio.load import load_audio
from mothertongue.decoding.attention_alignment import align, alignment_heads
from mothertongue.decoding.ctranslate2_transcriber import CTranslate2Model, CTranslate2Transcriber
from mothertongue.decoding.decoder_layers import read
from mothertongue.decoding.torch_transcriber import TorchTranscriber
from mothertongue.decoding.transcript import Clip, DecodeConfig
from mothertongue.decoding.word_timestamps import MEDIAN_FRAMES, starts_of
from mothertongue.errors import DataError
from mothertongue.model.context import context_s
from mothertongue.model.encoder import encode
from mothertongue.model.features import log_mel, pad_samples
from mothertongue.model.load import Base, load_base
from mothertongue.model.tokenizer import Tokens
from mothertongue.strategies.base import Strategy
from mothertongue.strategies.bottleneck import BottleneckAdapters
from mothertongue.strategies.full import Full
from mothertongue.strategies.lora import Lora

DEMO_AUDIO = Path(__file__).parents[2] / "src/mothertongue/recipes/demo_data/audio"
TUNED: list[Strategy] = [
    Full(),
    BottleneckAdapters(dim=8),
    Lora(preset="all-linear", rank=4, alpha=8, dropout=0.0),
]


@pytest.fixture(scope="module")
def base() -> Base:
    """whisper-base, which says words of real audio."""
    return load_base("openai/whisper-base")


@pytest.mark.slow
@pytest.mark.parametrize("context", ["full", "bucket"])
def test_word_times_are_those_of_ctranslate2(packaged, base: Base, context: str) -> None:
    # The cost is in clips at 30 s.
    paths = sorted(DEMO_AUDIO.glob("*.opus"))[: 4 if context == "full" else 6]
    clips = [Clip(load_audio(path), "sw", context, word_times=True) for path in paths]
    clips.append(Clip(np.zeros(16_000, np.float32), "en", context, word_times=True))
    config = DecodeConfig(batch_size=4)
    ours = TorchTranscriber(base.model, base.tokens, context="full", config=config).decode(clips)
    model = CTranslate2Model(packaged.path, "float32")
    theirs = CTranslate2Transcriber(model, config=config).decode(clips)
    assert [each.tokens for each in ours] == [each.tokens for each in theirs]
    times = [
        [(word.start_s, word.end_s, word.probability) for each in side for word in each.words]
        for side in (ours, theirs)
    ]
    assert len(times[0]) > 5 * len(paths)
    # A frame is 0.02 s; two ways through a map may cost the same but for rounding.
    np.testing.assert_allclose(times[0], times[1], atol=0.0201)
    for mine, other in zip(ours, theirs, strict=True):
        assert "".join(word.text for word in mine.words).strip() == mine.text
        assert mine.no_speech_probability == pytest.approx(other.no_speech_probability, abs=1e-3)
        assert all(word.start_s <= word.end_s for word in mine.words)


@pytest.mark.slow
@pytest.mark.parametrize("context", ["full", "bucket"])
def test_tokens_begin_where_ctranslate2_says(packaged, base: Base, context: str) -> None:
    """From the same output of the encoder, over the same frames: no token one frame off."""
    whisper = ctranslate2.models.Whisper(str(packaged.path), compute_type="float32")
    text, prefix = base.tokens.encode("habari ya asubuhi, watoto wangu"), base.tokens.prefix("sw")
    for path in sorted(DEMO_AUDIO.glob("*.opus"))[:4]:
        samples_N = load_audio(path)
        duration_s = len(samples_N) / 16_000
        hidden_TD = heard(base.model, [samples_N], context_s(duration_s, context))[0]
        (ours,) = align(base.model, base.tokens, [hidden_TD], [prefix], [text], [duration_s])
        (theirs,) = whisper.align(
            ctranslate2.StorageView.from_array(hidden_TD[None].contiguous().numpy()),
            prefix[:-1],  # it adds the last by itself
            [text],
            [2 * math.ceil(50 * duration_s)],  # in frames of the mel
            median_filter_width=MEDIAN_FRAMES,
        )
        assert ours.token_starts_s == starts_of(*np.array(theirs.alignments).T)
        assert ours.probabilities == pytest.approx(theirs.text_token_probs, abs=1e-3)


def heard(model, clips: list[np.ndarray], seconds: int) -> list[torch.Tensor]:
    return list(encode(model.model.encoder, log_mel(pad_samples(clips, seconds), 80)))


def test_a_batch_of_lengths_is_each_alone(talker, tokens: Tokens, clips) -> None:
    texts = [tokens.encode("moja mbili tatu"), [], tokens.encode("nne")]
    hidden_TD = [heard(talker, [clips[i]], seconds)[0] for i, seconds in enumerate((1, 30, 2))]
    seconds_B = [len(clip) / 16_000 for clip in clips[:3]]
    prefixes = [tokens.prefix("sw"), tokens.prefix("fr"), tokens.prefix("sw", prompt=[1, 2, 3])]
    together = align(talker, tokens, hidden_TD, prefixes, texts, seconds_B)
    for i, found in enumerate(together):
        parts = [each[i : i + 1] for each in (hidden_TD, prefixes, texts, seconds_B)]
        (alone,) = align(talker, tokens, *parts)
        assert alone.token_starts_s == found.token_starts_s
        assert alone.probabilities == pytest.approx(found.probabilities, rel=1e-4)
        assert len(found.token_starts_s) == len(texts[i]) + 1
    assert together[1].probabilities == ()


@pytest.fixture(params=TUNED, ids=lambda each: each.kind)
def tuned(request: pytest.FixtureRequest, tokens: Tokens) -> WhisperForConditionalGeneration:
    """A tiny model under a strategy, moved away from the base as training would."""
    with torch.inference_mode(False):
        model = request.param.apply(copy.deepcopy(tiny_model(tokens)), seed=0).eval()
    generator = torch.Generator().manual_seed(1)
    for parameter in model.parameters():
        if parameter.requires_grad:
            parameter.data += 0.1 * torch.randn(parameter.shape, generator=generator)
    return model


def test_scores_are_those_of_transformers(tuned, tokens: Tokens, clips) -> None:
    """Its own attentions, of the same heads, under every strategy."""
    text = [*tokens.prefix("sw"), *tokens.encode("moja mbili"), tokens.end]
    tokens_BL = torch.tensor([text, text])
    hidden_TD = heard(tuned, clips[:2], 30)
    tuned.set_attn_implementation("eager")
    wanted = tuned.model.decoder(
        input_ids=tokens_BL, encoder_hidden_states=torch.stack(hidden_TD), output_attentions=True
    )
    tuned.set_attn_implementation("sdpa")
    heads = alignment_heads(tuned)
    assert heads == [(1, 0), (1, 1)]
    hidden_BLD, (scores_BHLT,) = read(tuned, hidden_TD, tokens_BL, heads)
    torch.testing.assert_close(
        scores_BHLT.softmax(-1), wanted.cross_attentions[1], rtol=1e-3, atol=1e-5
    )
    torch.testing.assert_close(hidden_BLD, wanted.last_hidden_state, rtol=1e-3, atol=1e-4)


def test_what_was_learned_counts(tuned, tokens: Tokens, clips) -> None:
    """The same output of the encoder for both: only the decoders differ."""
    base = tiny_model(tokens)
    text, prefix, hidden_TD = tokens.encode("moja"), tokens.prefix("sw"), heard(base, clips[:1], 1)
    before, after = (
        align(model, tokens, hidden_TD, [prefix], [text], [1.0])[0] for model in (base, tuned)
    )
    assert after.probabilities != pytest.approx(before.probabilities, rel=0.01)
    before_BHLT, after_BHLT = (
        read(model, hidden_TD, torch.tensor([prefix]), alignment_heads(model))[1][0]
        for model in (base, tuned)
    )
    assert (after_BHLT - before_BHLT).abs().max() > 0.01


def test_shorter_than_a_frame(talker, tokens: Tokens, clips) -> None:
    """All that is heard is one frame, to which all tokens listen alike."""
    hidden_TD, text = heard(talker, clips[:1], 1), tokens.encode("moja mbili")
    (found,) = align(talker, tokens, hidden_TD, [tokens.prefix("sw")], [text], [0.001])
    assert found.token_starts_s == (0.0,) * (len(text) + 1)


def test_heads_that_are_not_there_are_said(talker, monkeypatch) -> None:
    monkeypatch.setattr(talker.generation_config, "alignment_heads", [[1, 0], [7, 1]])
    with pytest.raises(DataError, match=r"alignment_heads \[\(7, 1\)\], but the decoder has 2"):
        alignment_heads(talker)


def test_heads_that_nobody_knows_are_those_of_the_upper_half(talker, monkeypatch) -> None:
    monkeypatch.setattr(talker.generation_config, "alignment_heads", None)
    assert alignment_heads(talker) == [(1, 0), (1, 1)]
