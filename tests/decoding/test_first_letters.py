"""A tiny Whisper that knows clips by heart writes each script's first letter, in every engine."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from scripts import LETTERS
from tiny import noise, save_transformers, tiny_model
from torch.nn.functional import cross_entropy
from torch.nn.utils.rnn import pad_sequence
from transformers import WhisperForConditionalGeneration

from mothertongue.decoding.ctranslate2_transcriber import CTranslate2Model, CTranslate2Transcriber
from mothertongue.decoding.torch_transcriber import TorchTranscriber
from mothertongue.decoding.transcript import DecodeConfig
from mothertongue.export.base import exporter
from mothertongue.model.ctranslate2_writer import write_ctranslate2
from mothertongue.model.encoder import encode
from mothertongue.model.features import log_mel, pad_samples
from mothertongue.model.tokenizer import Tokens

# Scripts whose letters have no token together with a space; Latin stands for open o.
SCRIPTS = ("Latin", "Cyrillic", "Bengali", "Malayalam", "Tibetan", "Han")
TEXTS = [f"{LETTERS[each]}{i}" for i, each in enumerate(SCRIPTS)]
MOST_STEPS = 300  # 65 do


@pytest.fixture(scope="module")
def clips() -> list[np.ndarray]:
    return [noise(1.0, seed) for seed in range(len(TEXTS))]


@pytest.fixture(scope="module")
def fluent(tokens: Tokens, clips: list[np.ndarray]) -> WhisperForConditionalGeneration:
    """A model whose decoder learned a text for each clip, at 30 s, until its loss is nearly 0."""
    with torch.inference_mode(False):
        model = tiny_model(tokens)
        labels = [torch.tensor(tokens.label(text, "sw")) for text in TEXTS]
        ids_BL = pad_sequence(labels, batch_first=True, padding_value=tokens.end)
        with torch.no_grad():
            heard_BTD = encode(model.model.encoder, log_mel(pad_samples(clips, 30), 80))
        decoder = model.model.decoder
        decoder.embed_tokens.requires_grad_(False)
        learned = [each for each in decoder.parameters() if each.requires_grad]
        optimizer = torch.optim.Adam(learned, lr=0.01)
        for _ in range(MOST_STEPS):
            states_BLD = decoder(
                input_ids=ids_BL[:, :-1], encoder_hidden_states=heard_BTD, use_cache=False
            ).last_hidden_state
            logits_NV = model.proj_out(states_BLD[:, 3:]).flatten(0, 1)
            loss = cross_entropy(logits_NV, ids_BL[:, 4:].flatten())
            if loss < 0.03:
                return model.requires_grad_(False)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        raise AssertionError(f"the model has not learned its clips: loss {loss}")


@pytest.mark.parametrize("beam_size", [1, 3])
def test_torch(fluent, clips: list[np.ndarray], tokens: Tokens, beam_size: int) -> None:
    config = DecodeConfig(beam_size=beam_size)
    found = TorchTranscriber(fluent, tokens, context="full", config=config)(clips, "sw")
    assert [each.text for each in found] == TEXTS


@pytest.mark.parametrize("beam_size", [1, 3])
def test_ctranslate2(fluent, clips, tokens: Tokens, tmp_path: Path, beam_size: int) -> None:
    write_ctranslate2(fluent, tokens, tmp_path / "model")
    model, config = CTranslate2Model(tmp_path / "model"), DecodeConfig(beam_size=beam_size)
    found = CTranslate2Transcriber(model, config=config)(clips, "sw")
    assert [each.text for each in found] == TEXTS


@pytest.mark.parametrize(
    "format_", ["hf", "ctranslate2", pytest.param("onnx", marks=pytest.mark.slow)]
)
def test_exports(fluent, clips, tokens: Tokens, tmp_path: Path, format_: str) -> None:
    """Each with its own engine, which forbids first tokens by rules of its own.

    Not whisper.cpp, whose float16 turns the words of a model this small.
    """
    writer, folder = exporter(format_), tmp_path / "export"
    if format_ == "hf":
        save_transformers(fluent, tokens, folder)
    elif format_ == "ctranslate2":
        write_ctranslate2(fluent, tokens, folder)
    else:
        strategy = SimpleNamespace(can_merge=True)
        tuned = SimpleNamespace(experiment=SimpleNamespace(strategy=strategy))
        run: Any = SimpleNamespace(plain=lambda: fluent, tokens=tokens, tuned=tuned)
        writer.write(run, folder, writer.types[0])
    found = writer.open(folder, tokens, None)(clips, "sw")
    assert [each.text for each in found] == TEXTS
