"""Word times in torch and in CTranslate2, which has its own: the same frames."""

from pathlib import Path

import numpy as np
import pytest
import torch

from mothertongue import adapters
from mothertongue.audio import load_audio
from mothertongue.decoding.ctranslate2_engine import CTranslate2Model, CTranslate2Transcriber
from mothertongue.decoding.torch_alignment import align, alignment_heads
from mothertongue.decoding.torch_engine import TorchTranscriber
from mothertongue.decoding.transcript import Clip, DecodeConfig
from mothertongue.encoder import encode
from mothertongue.features import log_mel, pad_samples
from mothertongue.model import load_base
from mothertongue.tokens import Tokens

DEMO_AUDIO = Path(__file__).parents[2] / "src/mothertongue/recipes/demo_data/audio"


@pytest.mark.slow
@pytest.mark.parametrize("context", ["full", "bucket"])
def test_word_times_are_those_of_ctranslate2(packaged, context: str) -> None:
    base = load_base("openai/whisper-base")
    paths = sorted(DEMO_AUDIO.glob("*.opus"))[:6]
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
    assert len(times[0]) > 30
    # A frame is 0.02 s; two ways through a map may cost the same but for rounding.
    np.testing.assert_allclose(times[0], times[1], atol=0.0201)
    for mine, other in zip(ours, theirs, strict=True):
        assert "".join(word.text for word in mine.words).strip() == mine.text
        assert mine.no_speech_probability == pytest.approx(other.no_speech_probability, abs=1e-3)
        assert all(word.start_s <= word.end_s for word in mine.words)


def heard(talker, clips: list[np.ndarray], seconds: int) -> list[torch.Tensor]:
    return list(encode(talker.model.encoder, log_mel(pad_samples(clips, seconds), 80)))


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


def test_scores_are_those_of_transformers(talker, tokens: Tokens, clips) -> None:
    """Its own attentions, of the same heads, with and without adapters."""
    from mothertongue.decoding.decoder_state import DecoderState

    text = [*tokens.prefix("sw"), *tokens.encode("moja mbili"), tokens.end]
    mel_BMF = log_mel(pad_samples(clips[:2], 30), 80)
    talker.set_attn_implementation("eager")
    out = talker(mel_BMF, decoder_input_ids=torch.tensor([text, text]), output_attentions=True)
    talker.set_attn_implementation("sdpa")
    state = DecoderState(talker, list(encode(talker.model.encoder, mel_BMF)))
    heads = alignment_heads(talker)
    assert heads == [(1, 0), (1, 1)]
    _, scores_BHLT = state.read(torch.tensor([text, text]), heads)
    torch.testing.assert_close(
        scores_BHLT.softmax(-1), out.cross_attentions[1], rtol=1e-3, atol=1e-5
    )


def test_heads_that_nobody_knows_are_those_of_the_upper_half(talker, monkeypatch) -> None:
    monkeypatch.setattr(talker.generation_config, "alignment_heads", None)
    assert alignment_heads(talker) == [(1, 0), (1, 1)]


def test_an_adapter_counts(tokens: Tokens, clips) -> None:
    from talker import talkative

    model = talkative(tokens)
    texts, seconds_B = [tokens.encode("moja mbili tatu")], [1.0]
    prefixes = [tokens.prefix("sw")]
    (before,) = align(model, tokens, heard(model, clips[:1], 1), prefixes, texts, seconds_B)
    adapters.add(model, "a", 4, [0, 1], [0, 1])
    for layer in adapters.adapted_layers(model):
        torch.nn.init.normal_(layer.adapters["a"].up.weight)
    (after,) = align(model, tokens, heard(model, clips[:1], 1), prefixes, texts, seconds_B)
    assert after.probabilities != pytest.approx(before.probabilities, rel=0.01)
