"""The adapter alone as a file: of which strategies there is one."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from mothertongue.errors import ConfigError
from mothertongue.exporters.adapter import AdapterExporter
from mothertongue.exporters.base import Exported
from mothertongue.strategies.bottleneck import BottleneckAdapters
from mothertongue.strategies.lora import Lora


class Prompt:
    """A strategy of another kind, whose adapter can be switched off too."""

    is_removable = True

    def __repr__(self) -> str:
        return "Prompt(length=8)"


def exported(strategy: Any) -> Exported:
    tuned: Any = SimpleNamespace(experiment=SimpleNamespace(strategy=strategy))
    return Exported(tuned, Path("runs/x"), {}, None, {})


def test_an_adapter_of_another_kind_is_refused(tmp_path: Path) -> None:
    for act in (
        AdapterExporter().check,
        lambda given: AdapterExporter().write(given, tmp_path / "out", "float32"),
    ):
        with pytest.raises(ConfigError, match=r"runs/x: Prompt\(length=8\) has no file format"):
            act(exported(Prompt()))
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("strategy", [Lora(), Lora(variant="dora"), BottleneckAdapters()])
def test_lora_and_bottleneck_adapters_have_one(strategy: Any) -> None:
    AdapterExporter().check(exported(strategy))
