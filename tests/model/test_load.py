"""Base models from the files of transformers and OpenAI."""

import copy
import json
import pickle
import re
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from same_model import Model, assert_same, weights
from tiny import save_transformers, tiny_model

from mothertongue.errors import DataError
from mothertongue.model.ctranslate2_writer import write_ctranslate2
from mothertongue.model.load import load_base, non_speech_tokens, weights_digest
from mothertongue.model.locate import BaseFiles
from mothertongue.model.tokenizer import Tokens
from mothertongue.model.weight_names import OPENAI_BLOCK, OPENAI_POSITIONS, OPENAI_TOP
from mothertongue.system.files import write_json


@pytest.fixture(params=["80 mels", "128 mels"])
def any_model(request: pytest.FixtureRequest) -> tuple[Model, Tokens]:
    suffix = "" if request.param == "80 mels" else "_v3"
    return request.getfixturevalue(f"model{suffix}"), request.getfixturevalue(f"tokens{suffix}")


@pytest.fixture
def folder(transformers_folder: Path, tmp_path: Path) -> Path:
    """A transformers folder that the test may damage."""
    return Path(shutil.copytree(transformers_folder, tmp_path / "saved"))


class TestTransformers:
    def test_every_weight(self, any_model: tuple[Model, Tokens], tmp_path: Path) -> None:
        model, tokens = any_model
        base = load_base(str(save_transformers(model, tokens, tmp_path)))
        assert_same(base.model, model, tokens)
        assert base.tokens.definition == tokens.definition
        assert base.digest == weights_digest(model)
        assert (base.name, base.model.training) == (str(tmp_path), False)

    def test_half_precision_becomes_float32(self, model: Model, tokens, tmp_path: Path) -> None:
        half = copy.deepcopy(model).half()
        base = load_base(str(save_transformers(half, tokens, tmp_path)))
        assert_same(base.model, half.float(), tokens)

    def test_what_is_never_written_is_known_without_a_generation_config(
        self, folder: Path, tokens: Tokens
    ) -> None:
        (folder / "generation_config.json").unlink()
        config = load_base(str(folder)).model.generation_config
        assert config.suppress_tokens == non_speech_tokens(tokens)
        assert config.lang_to_id["<|sw|>"] == tokens.language("sw")

    def test_tokens_are_named_where_a_generation_config_names_none(
        self, folder: Path, tokens: Tokens, tmp_path: Path
    ) -> None:
        """Older fine-tuned models have such a file, and every engine asks for the names."""
        write_json(folder / "generation_config.json", {"suppress_tokens": [7]})
        base = load_base(str(folder))
        config = base.model.generation_config
        assert config.suppress_tokens == [7]
        assert config.lang_to_id["<|sw|>"] == tokens.language("sw")
        assert config.task_to_id["translate"] == tokens.translate
        assert config.is_multilingual and config.no_timestamps_token_id == tokens.no_timestamps
        write_ctranslate2(base.model, base.tokens, tmp_path / "converted")
        assert load_base(str(tmp_path / "converted")).digest == base.digest

    @pytest.mark.parametrize(
        ("change", "kind"),
        [({"auto_map": {"AutoModel": "code.Mine"}}, "whisper"), ({"model_type": "bart"}, "bart")],
    )
    def test_other_models_are_refused(self, folder: Path, change: dict, kind: str) -> None:
        config = json.loads((folder / "config.json").read_text())
        (folder / "config.json").write_text(json.dumps(config | change))
        with pytest.raises(DataError) as caught:
            load_base(str(folder))
        assert str(caught.value) == (
            f"{folder}: model_type '{kind}', expected plain 'whisper' without its own code "
            "(auto_map)"
        )

    def test_a_base_that_is_an_adapter_too_is_refused(self, folder: Path) -> None:
        write_json(folder / "adapter_config.json", {"peft_type": "LORA", "r": 4})
        with pytest.raises(DataError, match=r"saved: a base that also holds adapter_config.json"):
            load_base(str(folder))

    @pytest.mark.parametrize(
        ("change", "reason"),
        [
            ({"encoder_layers": 1_000_000}, "encoder_layers is 1000000, expected a whole number"),
            ({"encoder_layers": 200}, "config.json asks for weights of 26,"),
            ({"d_model": 1 << 20}, "config.json asks for weights of 52,"),
            ({"d_model": 0}, "d_model is 0, expected a whole number from 1 to"),
            ({"d_model": "64"}, "'64'"),
            ({"d_model": 64.5}, "64.5"),
            ({"decoder_attention_heads": 0}, "decoder_attention_heads is 0"),
            ({"decoder_attention_heads": 3}, "divisible by num_heads"),
            ({"vocab_size": None}, "vocab_size"),
            ({"pad_token_id": 10**9}, "pad_token_id is 1000000000, expected a whole number from 0"),
            ({"dtype": "float128"}, "float128"),
            ({"activation_function": "bogus"}, "bogus"),
            ({"num_mel_bins": -80}, "num_mel_bins is -80"),
            ({"quantization_config": {"quant_method": "bogus"}}, "quantized weights"),
        ],
    )
    def test_sizes_and_kinds_that_no_whisper_has(
        self, folder: Path, change: dict, reason: str
    ) -> None:
        config = json.loads((folder / "config.json").read_text())
        write_json(folder / "config.json", config | change)
        with pytest.raises(DataError) as caught:
            load_base(str(folder))
        assert str(caught.value).startswith(str(folder))
        assert reason in str(caught.value)

    @pytest.mark.parametrize(
        ("name", "content"),
        [
            ("config.json", "[" * 100_000),
            ("config.json", '{"model_type": "whisper", "a": ' + '{"a": ' * 900 + "1" + "}" * 901),
            ("generation_config.json", ""),
            ("generation_config.json", '{"suppress_tokens": [1, 2'),
            ("generation_config.json", "[]"),
            ("generation_config.json", '{"suppress_tokens": {"a": "b"}}'),
            ("generation_config.json", '{"begin_suppress_tokens": [220, 51865]}'),
            ("generation_config.json", '{"alignment_heads": [[1, 0], ["1", 2]]}'),
            ("generation_config.json", '{"alignment_heads": 3}'),
            (
                "tokenizer.json",
                '{"added_tokens": [{"content": "<|startoftranscript|>", "id": "1"}]}',
            ),
            ("tokenizer.json", '{"added_tokens": {"a": 1}}'),
        ],
    )
    def test_side_files_that_are_malformed(self, folder: Path, name: str, content: str) -> None:
        (folder / name).write_text(content)
        with pytest.raises(DataError, match=f"^{re.escape(str(folder))}"):
            load_base(str(folder))

    @pytest.mark.parametrize(
        ("content", "reason"),
        [("{", "not readable as JSON (Expecting"), ("[]", "got list, expected a JSON object")],
    )
    def test_damaged_config(self, folder: Path, content: str, reason: str) -> None:
        (folder / "config.json").write_text(content)
        with pytest.raises(DataError) as caught:
            load_base(str(folder))
        assert str(caught.value).startswith(f"{folder}/config.json: {reason}")

    def test_missing_and_extra_tensors(self, folder: Path) -> None:
        state = load_file(folder / "model.safetensors")
        state["model.decoder.layers.7.fc1.bias"] = state.pop("model.decoder.layers.1.fc1.bias")
        save_file(state, folder / "model.safetensors", {"format": "pt"})
        with pytest.raises(DataError) as caught:
            load_base(str(folder))
        assert str(caught.value) == (
            f"{folder}: weights do not fit: {{'missing_keys': "
            "['model.decoder.layers.1.fc1.bias'], 'unexpected_keys': "
            "['model.decoder.layers.7.fc1.bias']}"
        )

    def test_tensor_of_another_shape(self, folder: Path) -> None:
        state = load_file(folder / "model.safetensors")
        state["model.encoder.layers.0.fc1.bias"] = torch.ones(3)
        save_file(state, folder / "model.safetensors", {"format": "pt"})
        with pytest.raises(DataError, match=r"saved: weights (do not fit|cannot be read)"):
            load_base(str(folder))

    def test_truncated_weights(self, folder: Path) -> None:
        path = folder / "model.safetensors"
        path.write_bytes(path.read_bytes()[:-1000])
        with pytest.raises(DataError, match=r"saved: weights cannot be read \(.*\); copy it again"):
            load_base(str(folder))

    @pytest.mark.parametrize("value", [float("nan"), float("inf")])
    def test_weights_that_are_no_numbers(self, folder: Path, value: float) -> None:
        state = load_file(folder / "model.safetensors")
        state["model.encoder.layers.1.fc2.weight"][3, 4] = value
        save_file(state, folder / "model.safetensors", {"format": "pt"})
        with pytest.raises(DataError) as caught:
            load_base(str(folder))
        assert str(caught.value) == (
            f"{folder}: model.encoder.layers.1.fc2.weight has values that are not finite; copy it "
            "again"
        )

    def test_tokenizer_of_another_model(self, folder: Path, tokens_v3: Tokens) -> None:
        (folder / "tokenizer.json").write_text(json.dumps(tokens_v3.definition))
        with pytest.raises(DataError) as caught:
            load_base(str(folder))
        assert str(caught.value) == (
            f"{folder}: 51,865 embeddings, but its tokenizer has 51,866 tokens; they belong to "
            "different models"
        )


def openai_checkpoint(model: Model) -> dict[str, object]:
    """The dictionary in OpenAI's .pt: half precision, their names, the shape under `dims`."""
    config = model.config
    parts = {ours: theirs for theirs, ours in OPENAI_BLOCK.items()}
    whole = {ours: theirs for theirs, ours in OPENAI_TOP.items()}
    whole |= {ours: theirs for theirs, ours in OPENAI_POSITIONS.items()}

    def rename(name: str) -> str:
        if name in whole:
            return whole[name]
        stem, kind = name.rsplit(".", 1)
        if stem in whole:
            return f"{whole[stem]}.{kind}"
        _, half, _, layer, part = stem.split(".", 4)
        return f"{half}.blocks.{layer}.{parts[part]}.{kind}"

    dims = {
        "n_mels": config.num_mel_bins,
        "n_vocab": config.vocab_size,
        "n_audio_ctx": config.max_source_positions,
        "n_audio_state": config.d_model,
        "n_audio_head": config.encoder_attention_heads,
        "n_audio_layer": config.encoder_layers,
        "n_text_ctx": config.max_target_positions,
        "n_text_state": config.d_model,
        "n_text_head": config.decoder_attention_heads,
        "n_text_layer": config.decoder_layers,
    }
    state = {rename(name): value.half() for name, value in weights(model).items()}
    return {"dims": dims, "model_state_dict": state}


class TestOpenAI:
    def test_every_weight(self, any_model: tuple[Model, Tokens], tmp_path: Path) -> None:
        model, tokens = any_model
        torch.save(openai_checkpoint(model), tmp_path / "tiny.pt")
        (tmp_path / "tokenizer.json").write_text(json.dumps(tokens.definition), encoding="utf-8")
        base = load_base(str(tmp_path / "tiny.pt"))
        assert_same(base.model, copy.deepcopy(model).half().float(), tokens)
        assert base.tokens.definition == tokens.definition
        assert base.model.config.encoder_attention_heads == 2

    def test_tokenizer_is_found_by_the_size(self, model: Model, tokens, tmp_path: Path) -> None:
        torch.save(openai_checkpoint(model), tmp_path / "tiny.pt")
        assert load_base(str(tmp_path / "tiny.pt")).tokens.definition == tokens.definition

    def test_code_is_refused_and_not_run(self, tmp_path: Path) -> None:
        trace = tmp_path / "was run"

        class Attack:
            def __reduce__(self) -> object:
                return Path.touch, (trace,)

        torch.save({"dims": {}, "model_state_dict": {"encoder": Attack()}}, tmp_path / "evil.pt")
        with pytest.raises(DataError) as caught:
            load_base(str(tmp_path / "evil.pt"))
        assert str(caught.value).startswith(f"{tmp_path}/evil.pt: not an OpenAI Whisper checkpoint")
        assert not trace.exists()

    @pytest.mark.parametrize(
        "content",
        [b"", b"not a checkpoint", pickle.dumps({"dims": 1}), b"PK\x03\x04 half a zip file"],
    )
    def test_other_files(self, tmp_path: Path, content: bytes) -> None:
        path = tmp_path / "x.pt"
        path.write_bytes(content)
        with pytest.raises(DataError) as caught:
            load_base(str(path))
        assert str(caught.value).startswith(f"{path}: not an OpenAI Whisper checkpoint (")
        assert "\n" not in str(caught.value)

    @pytest.mark.parametrize("content", [{"state_dict": {}}, [1, 2], {"dims": {}}])
    def test_other_checkpoints(self, tmp_path: Path, content: object) -> None:
        torch.save(content, tmp_path / "x.pt")
        with pytest.raises(DataError, match=r"x\.pt: not an OpenAI Whisper checkpoint \("):
            load_base(str(tmp_path / "x.pt"))

    @pytest.mark.parametrize(
        ("part", "value"),
        [
            ("model_state_dict", None),
            ("model_state_dict", 5),
            ("model_state_dict", [1]),
            ("dims", {"n_vocab": 51865, "n_audio_head": 0, "n_text_head": 0}),
            ("dims", {"n_vocab": 51865, "n_audio_head": "x", "n_text_head": 2}),
            ("dims", {"n_vocab": [], "n_audio_head": 2, "n_text_head": 2}),
        ],
    )
    def test_odd_parts(self, model: Model, tmp_path: Path, part: str, value: object) -> None:
        torch.save(openai_checkpoint(model) | {part: value}, tmp_path / "x.pt")
        with pytest.raises(DataError, match=r"x\.pt: not a"):
            load_base(str(tmp_path / "x.pt"))

    @pytest.mark.parametrize("odd", [torch.ones(3), torch.ones(()), 5, None])
    def test_odd_tensors(self, model: Model, tmp_path: Path, odd: object) -> None:
        checkpoint = openai_checkpoint(model)
        checkpoint["model_state_dict"]["encoder.conv1.weight"] = odd
        torch.save(checkpoint, tmp_path / "x.pt")
        with pytest.raises(DataError, match=r"x\.pt: not a"):
            load_base(str(tmp_path / "x.pt"))

    def test_english_only(self, model: Model, tmp_path: Path) -> None:
        checkpoint = openai_checkpoint(model)
        checkpoint["dims"]["n_vocab"] = 51864
        torch.save(checkpoint, tmp_path / "base.en.pt")
        with pytest.raises(DataError, match="English-only models have 51864"):
            load_base(str(tmp_path / "base.en.pt"))

    def test_missing_tensor(self, model: Model, tmp_path: Path) -> None:
        checkpoint = openai_checkpoint(model)
        del checkpoint["model_state_dict"]["decoder.ln.bias"]
        torch.save(checkpoint, tmp_path / "x.pt")
        with pytest.raises(DataError) as caught:
            load_base(str(tmp_path / "x.pt"))
        assert str(caught.value) == (
            "weights do not fit: missing ['model.decoder.layer_norm.bias'], unexpected []"
        )


def test_what_is_never_written_is_what_openai_never_writes(
    packaged: BaseFiles, tokens: Tokens
) -> None:
    config = json.loads((packaged.path / "config.json").read_text())
    assert non_speech_tokens(tokens) == config["suppress_ids"]
    assert len(config["suppress_ids"]) == 88
    assert [tokens.encode_exact(" ")[0], tokens.end] == config["suppress_ids_begin"]


def test_what_is_never_written_shifts_with_the_vocabulary(
    tokens: Tokens, tokens_v3: Tokens
) -> None:
    shifted = [token + (token > 50357) for token in non_speech_tokens(tokens)]
    assert non_speech_tokens(tokens_v3) == shifted


def test_digest_tells_weights_apart(model: Model, tokens: Tokens) -> None:
    same, other = tiny_model(tokens), tiny_model(tokens)
    with torch.no_grad():
        other.model.encoder.layers[0].fc1.bias[0] += 1e-6
    assert weights_digest(same) == weights_digest(model) != weights_digest(other)


def test_packaged_base(packaged: BaseFiles) -> None:
    base = load_base("openai/whisper-base")
    assert sum(weight.numel() for weight in base.model.parameters()) == 72_593_920
    assert base.model.config.encoder_attention_heads == 8
    heads = json.loads((packaged.path / "config.json").read_text())["alignment_heads"]
    assert base.model.generation_config.alignment_heads == heads
