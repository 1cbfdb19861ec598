"""The talker in both engines, and decoding without guards or gradients."""

from pathlib import Path

import ctranslate2
import numpy as np
import pytest
import torch
from talker import eight_clips, talkative
from tiny import save_transformers
from transformers import WhisperForConditionalGeneration

from mothertongue.decoding import beams, transcript
from mothertongue.model.tokenizer import Tokens


@pytest.fixture(scope="session")
def talker(tokens: Tokens) -> WhisperForConditionalGeneration:
    return talkative(tokens)


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
    return eight_clips()


@pytest.fixture
def no_guard(monkeypatch: pytest.MonkeyPatch) -> None:
    """Loops go on, and are left in the text."""
    monkeypatch.setattr(beams, "is_loop", lambda tokens: False)
    monkeypatch.setattr(transcript, "cut_at_loop", lambda tokens, limit: (list(tokens), False))


@pytest.fixture(autouse=True)
def _no_gradients() -> object:
    with torch.inference_mode():
        yield
