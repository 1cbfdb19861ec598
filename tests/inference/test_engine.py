from pathlib import Path

import pytest
from runs import Silent, save_base, save_corpus, write_experiment
from tiny import noise

from mothertongue.decoding.transcript import DecodeConfig
from mothertongue.errors import ConfigError
from mothertongue.experiment.config import load_experiment
from mothertongue.experiment.run_dir import RunDir
from mothertongue.inference.open_model import open_model
from mothertongue.strategies.base import NotAdapterError
from mothertongue.training.run import run


@pytest.fixture
def trained(tmp_path: Path):
    def train(**changes: object) -> str:
        base, data = save_base(tmp_path / "base"), save_corpus(tmp_path / "data")
        experiment = load_experiment(write_experiment(tmp_path, base, data, **changes))
        run(experiment, RunDir(tmp_path / "run"), Silent())
        return str(tmp_path / "run")

    return train


def test_lora_folds_into_ctranslate2(trained) -> None:
    model = trained(strategy={"kind": "lora", "rank": 4, "alpha": 8})
    clips = [noise(1.2), noise(2.7)]
    engines = [
        open_model(model, engine=name, precision=precision)
        for name, precision in (("torch", "fp32"), ("ctranslate2", "auto"))
    ]
    assert [each.settings["engine"] for each in engines] == ["torch", "ctranslate2"]
    for context in engines[1].contexts:
        ours, theirs = (
            each.make(context, DecodeConfig(), lambda _: None)(clips, "sw") for each in engines
        )
        assert [each.tokens for each in ours] == [each.tokens for each in theirs]
    with pytest.raises(NotAdapterError):
        engines[1].adapters_disabled()


def test_adapters_that_do_not_fold_need_torch(trained) -> None:
    model = trained(strategy={"kind": "bottleneck", "dim": 4})
    with pytest.raises(ConfigError) as caught:
        open_model(model, engine="ctranslate2")
    assert "bottleneck adapters cannot become part of a plain Whisper" in str(caught.value)
    assert str(caught.value).endswith("decode it with --engine torch")


def test_an_export_in_torch(packaged) -> None:
    engine = open_model(str(packaged.path), engine="torch")
    assert (engine.kind, engine.settings["engine"]) == ("base", "torch")
