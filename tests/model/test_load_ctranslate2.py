"""Test CTranslate2 folders as base models."""

import copy
import shutil
from pathlib import Path

import ctranslate2
import numpy as np
import pytest
import torch
from same_model import Model, assert_same, logits, weights
from tiny import save_transformers

from mothertongue.errors import DataError
from mothertongue.model.ctranslate2_reader import dequantized, read_model_bin
from mothertongue.model.load import load_base
from mothertongue.model.tokenizer import Tokens


def to_ctranslate2(source: Path, target: Path, quantization: str | None) -> Path:
    converter = ctranslate2.converters.TransformersConverter(
        str(source), copy_files=["tokenizer.json", "preprocessor_config.json"]
    )
    return Path(converter.convert(str(target), quantization=quantization))


@pytest.fixture(scope="module")
def ctranslate2_folders(
    transformers_folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("ctranslate2")
    kinds = ("float32", "float16", "bfloat16", "int8", "int8_float16")
    return {kind: to_ctranslate2(transformers_folder, folder / kind, kind) for kind in kinds}


class TestCTranslate2:
    @pytest.mark.parametrize("kind", ["float32", "float16", "bfloat16"])
    def test_floats_are_exact(self, kind, ctranslate2_folders, model: Model, tokens) -> None:
        base = load_base(str(ctranslate2_folders[kind]))
        expected = copy.deepcopy(model).to(getattr(torch, kind)).float()
        assert_same(base.model, expected, tokens)
        assert base.tokens.definition == tokens.definition

    @pytest.mark.parametrize("kind", ["int8", "int8_float16"])
    def test_integers_are_divided_by_their_scale(
        self, kind, ctranslate2_folders, model: Model, tokens: Tokens
    ) -> None:
        base = load_base(str(ctranslate2_folders[kind]))
        stored = read_model_bin(ctranslate2_folders[kind] / "model.bin")
        fc1 = base.model.model.encoder.layers[1].fc1.weight
        name = "encoder/layer_1/ffn/linear_0/weight"
        assert stored[name].dtype == np.int8
        assert torch.equal(fc1.detach(), torch.from_numpy(dequantized(stored, name)))
        for ours, value in weights(base.model).items():
            theirs = weights(model)[ours]
            assert (value - theirs).abs().max() <= theirs.abs().max() / 127, ours
        correlation = np.corrcoef(
            logits(base.model, tokens).flatten(), logits(model, tokens).flatten()
        )
        assert correlation[0, 1] > 0.99

    def test_128_mels(self, model_v3: Model, tokens_v3: Tokens, tmp_path: Path) -> None:
        saved = save_transformers(model_v3, tokens_v3, tmp_path / "saved")
        folder = to_ctranslate2(saved, tmp_path / "converted", "float32")
        base = load_base(str(folder))
        assert_same(base.model, model_v3, tokens_v3)

    def test_configuration(self, ctranslate2_folders, tokens: Tokens) -> None:
        model = load_base(str(ctranslate2_folders["float32"])).model
        config = model.config
        assert (config.encoder_layers, config.decoder_layers, config.d_model) == (2, 2, 64)
        assert (config.encoder_attention_heads, config.decoder_attention_heads) == (2, 2)
        assert (config.max_source_positions, config.max_target_positions) == (1500, 448)
        assert config.eos_token_id == tokens.end
        assert model.generation_config.alignment_heads == [[1, 0], [1, 1]]

    def test_digest_does_not_depend_on_the_file_format(
        self, ctranslate2_folders, transformers_folder: Path
    ) -> None:
        assert (
            load_base(str(ctranslate2_folders["float32"])).digest
            == load_base(str(transformers_folder)).digest
            != load_base(str(ctranslate2_folders["float16"])).digest
        )

    def test_truncated(self, ctranslate2_folders, tmp_path: Path) -> None:
        folder = Path(shutil.copytree(ctranslate2_folders["float16"], tmp_path / "cut"))
        content = (folder / "model.bin").read_bytes()
        (folder / "model.bin").write_bytes(content[: len(content) // 2])
        with pytest.raises(DataError, match=r"model\.bin: truncated; copy the file again"):
            load_base(str(folder))
