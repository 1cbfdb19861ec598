"""The adapter alone as a file: of which strategies there is one."""

import json
import shutil
import warnings
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from peft import LoraConfig, get_peft_model
from runs import byte_tokens
from tiny import tiny_model

from mothertongue.errors import ConfigError, DataError
from mothertongue.export.base import Exported
from mothertongue.export.formats.adapter import AdapterExporter, put_adapter_on
from mothertongue.strategies.bottleneck import BottleneckAdapters
from mothertongue.strategies.lora import Lora
from mothertongue.system.files import write_json


class Prompt:
    """A strategy of another kind, whose adapter can be switched off too."""

    is_adapter = True

    def __repr__(self) -> str:
        return "Prompt(length=8)"


def exported(strategy: Any) -> Exported:
    tuned: Any = SimpleNamespace(experiment=SimpleNamespace(strategy=strategy))
    return Exported(tuned, Path("runs/x"), {}, None, {}, ("sw",))


def test_an_adapter_of_another_kind_is_refused(tmp_path: Path) -> None:
    for act in (
        AdapterExporter().check,
        lambda given: AdapterExporter().write(given, tmp_path / "out", "float32"),
    ):
        with pytest.raises(ConfigError, match=r"runs/x: Prompt\(length=8\) has no file format"):
            act(exported(Prompt()))
    assert not (tmp_path / "out").exists()


@pytest.fixture(scope="module")
def lora(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as PEFT saves it, of the tiny base."""
    folder = tmp_path_factory.mktemp("lora")
    base: Any = tiny_model(byte_tokens(), d_model=32)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # PEFT's own, of transformers' names
        tuned = get_peft_model(base, LoraConfig(r=2, target_modules=["q_proj"]))
    tuned.save_pretrained(str(folder))
    put_adapter_on(tiny_model(byte_tokens(), d_model=32), folder)
    return folder


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"r": "2"}, "rank 2, expected a whole number"),
        ({"r": 10**9}, "rank 1000000000, expected a whole number from 1 to 32"),
        ({"rank_pattern": {"q_proj": 10**9}}, "rank 1000000000"),
        ({"lora_alpha": "x"}, "not an adapter that fits its base"),
        ({"peft_type": None}, "peft_type 'None'; expected LORA"),
        ({"peft_type": "BOTTLENECK"}, "'"),
        ({"target_modules": 5}, "not an adapter that fits its base"),
    ],
)
def test_a_malformed_adapter_is_refused(
    lora: Path, tmp_path: Path, change: dict[str, Any], reason: str
) -> None:
    shutil.copytree(lora, tmp_path, dirs_exist_ok=True)
    config = json.loads((tmp_path / "adapter_config.json").read_text())
    write_json(tmp_path / "adapter_config.json", config | change)
    with pytest.raises(DataError, match=f"^{tmp_path}") as caught:
        put_adapter_on(tiny_model(byte_tokens(), d_model=32), tmp_path)
    assert reason in str(caught.value)


@pytest.mark.parametrize("content", ["{", "[]", "[" * 100_000, "\xff"])
def test_a_configuration_that_is_no_object_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "adapter_config.json").write_text(content, encoding="latin-1")
    with pytest.raises(DataError, match=f"^{tmp_path}/adapter_config.json: "):
        put_adapter_on(tiny_model(byte_tokens(), d_model=32), tmp_path)


def test_an_adapter_without_tensors_asks_nobody_for_them(lora: Path, tmp_path: Path) -> None:
    shutil.copyfile(lora / "adapter_config.json", tmp_path / "adapter_config.json")
    with pytest.raises(DataError, match=r"no adapter_model.safetensors; copy it there"):
        put_adapter_on(tiny_model(byte_tokens(), d_model=32), tmp_path)


@pytest.mark.parametrize("strategy", [Lora(), Lora(variant="dora"), BottleneckAdapters()])
def test_lora_and_bottleneck_adapters_have_one(strategy: Any) -> None:
    AdapterExporter().check(exported(strategy))
