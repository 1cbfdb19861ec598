import json
from pathlib import Path

import ctranslate2
import pytest
import torch
from talker import eight_clips, talkative
from tiny import save_transformers

from mothertongue.decoding.ctranslate2_transcriber import CTranslate2Model, CTranslate2Transcriber
from mothertongue.decoding.torch_transcriber import TorchTranscriber
from mothertongue.decoding.transcript import DecodeConfig
from mothertongue.errors import ConfigError
from mothertongue.model.context import Context
from mothertongue.model.ctranslate2_writer import write_ctranslate2
from mothertongue.model.load import load_base
from mothertongue.model.tokenizer import Tokens

Whisper = torch.nn.Module


@pytest.fixture(scope="module")
def talker(tokens: Tokens) -> Whisper:
    return talkative(tokens)


@pytest.fixture(scope="module")
def written(talker: Whisper, tokens: Tokens, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("written") / "model"
    write_ctranslate2(talker, tokens, folder)
    return folder


@pytest.mark.parametrize("mel_bins", [80, 128])
def test_round_trip(mel_bins: int, model, model_v3, tokens, tokens_v3, tmp_path: Path) -> None:
    """What our own reader finds is what was written: weights, tokens, what is suppressed."""
    given, theirs = (model, tokens) if mel_bins == 80 else (model_v3, tokens_v3)
    write_ctranslate2(given, theirs, tmp_path / "written")
    read = load_base(str(tmp_path / "written"))
    ours, found = given.state_dict(), read.model.state_dict()
    assert ours.keys() == found.keys()
    assert all(torch.equal(value, found[name]) for name, value in ours.items())
    assert read.tokens.definition == theirs.definition
    for name in ("suppress_tokens", "begin_suppress_tokens", "alignment_heads", "lang_to_id"):
        before, after = (getattr(each.generation_config, name) for each in (given, read.model))
        assert before == after, name


def test_files_are_those_of_ctranslate2s_converter(
    talker: Whisper, written: Path, tokens: Tokens, tmp_path: Path
) -> None:
    """For a folder that its converter still understands."""
    saved = save_transformers(talker, tokens, tmp_path / "saved")
    copies = ["tokenizer.json", "preprocessor_config.json"]
    converter = ctranslate2.converters.TransformersConverter(str(saved), copy_files=copies)
    theirs = Path(converter.convert(str(tmp_path / "theirs"), quantization="float32"))
    assert {each.name for each in written.iterdir()} == {each.name for each in theirs.iterdir()}
    assert (written / "model.bin").read_bytes() == (theirs / "model.bin").read_bytes()
    for name in ("config.json", "vocabulary.json", "tokenizer.json"):
        ours = json.loads((written / name).read_text("utf-8"))
        assert ours == json.loads((theirs / name).read_text("utf-8")), name


@pytest.mark.parametrize("context", ["bucket", "full"])
def test_ctranslate2_writes_what_torch_writes(
    context: Context, talker: Whisper, written: Path, tokens: Tokens
) -> None:
    """Cut contexts too, which CTranslate2 takes as they come."""
    config, clips = DecodeConfig(batch_size=3), eight_clips()
    model = CTranslate2Model(written, "float32")
    theirs = CTranslate2Transcriber(model, config=config, context=context)(clips, "sw")
    ours = TorchTranscriber(talker, tokens, context=context, config=config)(clips, "sw")
    assert [each.tokens for each in ours] == [each.tokens for each in theirs]
    assert len({each.tokens for each in ours}) >= 5


@pytest.mark.parametrize("quantization", ["int8", "float16", "bfloat16"])
def test_smaller_types_are_smaller_and_run(
    quantization: str, talker: Whisper, written: Path, tokens: Tokens, tmp_path: Path
) -> None:
    folder = tmp_path / quantization
    write_ctranslate2(talker, tokens, folder, quantization)
    sizes = [(each / "model.bin").stat().st_size for each in (folder, written)]
    assert sizes[0] < 0.6 * sizes[1]
    found = CTranslate2Transcriber(CTranslate2Model(folder), config=DecodeConfig())
    assert len(found(eight_clips(), "sw")) == 8


def test_compute_type_that_is_none(written: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        CTranslate2Model(written, "int3")
    assert "--compute-type int3: expected default or one of" in str(caught.value)
    assert "float32" in str(caught.value)
