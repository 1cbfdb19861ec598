"""A tiny Whisper that talks: it says many different tokens, and ends."""

from pathlib import Path

import ctranslate2
import numpy as np
import pytest
import torch
from tiny import noise, save_transformers, tiny_model
from transformers import WhisperForConditionalGeneration

from mothertongue.decoding import search, transcript
from mothertongue.tokens import Tokens


@pytest.fixture(scope="session")
def talker(tokens: Tokens) -> WhisperForConditionalGeneration:
    """Large positions and a loud encoder: what is said depends on the place and on the audio."""
    model = tiny_model(tokens).requires_grad_(False)
    decoder = model.model.decoder
    decoder.embed_positions.weight *= 20
    decoder.embed_tokens.weight *= 2.5
    for name, weight in decoder.named_parameters():
        if name.endswith("bias"):
            weight *= 0.1
    for layer in decoder.layers:
        layer.encoder_attn.out_proj.weight *= 8
        layer.encoder_attn.q_proj.weight *= 3
    # It ends where it would say a token that it often says.
    decoder.embed_tokens.weight[tokens.end] = 1.01 * decoder.embed_tokens.weight[8541]
    return model


@pytest.fixture(scope="session")
def talker_folder(
    talker: WhisperForConditionalGeneration,
    tokens: Tokens,
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """The talker for CTranslate2, float32."""
    folder = tmp_path_factory.mktemp("talker")
    saved = save_transformers(talker, tokens, folder / "saved")
    copies = ["tokenizer.json", "preprocessor_config.json"]
    converter = ctranslate2.converters.TransformersConverter(str(saved), copy_files=copies)
    return Path(converter.convert(str(folder / "converted"), quantization="float32"))


@pytest.fixture(scope="session")
def clips() -> list[np.ndarray]:
    """Eight clips of 0.6-3 s, not in the order of their length."""
    seconds = (1.0, 1.4, 2.0, 0.6, 3.0, 2.2, 1.9, 1.6)
    return [noise(duration_s, seed) for seed, duration_s in enumerate(seconds)]


@pytest.fixture
def no_guard(monkeypatch: pytest.MonkeyPatch) -> None:
    """Loops go on."""
    monkeypatch.setattr(search, "loop_length", lambda tokens: 0)
    monkeypatch.setattr(transcript, "loop_length", lambda tokens: 0)


@pytest.fixture(autouse=True)
def _no_gradients() -> object:
    with torch.inference_mode():
        yield
