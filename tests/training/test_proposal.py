"""Test `init`: an experiment for a corpus and this machine, which loads and trains."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from measured import MEASURED
from runs import save_base, save_corpus

from mothertongue.data.manifest import read_manifest, write_manifest
from mothertongue.errors import ConfigError, MothertongueError
from mothertongue.experiment.config import Experiment, load_experiment
from mothertongue.experiment.defaults import is_open
from mothertongue.experiment.train_config import TrainConfig
from mothertongue.training import base_choice, plan_shape, proposal
from mothertongue.training.plan_estimate import Measured
from mothertongue.training.proposal import InitOptions, propose, within
from mothertongue.training.proposal_file import write_proposal

MINUTE = replace(
    MEASURED,
    step_flops=(1.0,),
    step_is_full=(False,),
    computed=((1.0, 60.0),),
    validation_clips=0,
)
"""Steps of a run that takes 60 s an epoch."""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("init")
    return save_base(folder / "base"), save_corpus(folder / "mine", train=6, test=1)


@pytest.fixture
def needs(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return a function that sets each variant's memory by its name, and 60 s for each epoch."""
    tried: list[str] = []

    def set_up(*sizes: int | None) -> list[str]:
        def need(experiment: Experiment) -> Measured:
            kind = experiment.strategy.model_dump()["kind"]
            tried.append(kind + "+" * experiment.train.gradient_checkpointing)
            peak = sizes[len(tried) - 1]
            if peak is None:
                raise MothertongueError("the probe was killed")
            return replace(MINUTE, peak_memory_bytes=peak, free_memory_bytes=10)

        monkeypatch.setattr(proposal, "measure", need)
        return tried

    return set_up


def wish(made: tuple[Path, Path], **changes: Any) -> InitOptions:
    return InitOptions(**({"name": "mine", "data": made[1], "base": str(made[0])} | changes))


def test_the_written_file_loads_and_trains(
    made: tuple[Path, Path], call: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    base, data = made
    code, out, err = call("init", data, "--base", base)
    assert code == 0, err
    assert out.splitlines()[-1] == "next: mothertongue train mine.yaml"
    found = load_experiment(Path("mine.yaml"))
    assert (found.name, found.language, found.manifests) == ("mine", "sw", (data,))
    assert not is_open(found.train)
    assert (found.train.epochs, found.train.learning_rate, found.train.patience) == (30, 1e-4, 5)
    text = Path("mine.yaml").read_text("utf-8")
    for key in ("base", "language", "select_by", "kind", *TRAINED):
        assert f"{key}: " in text and " # " in text.split(f"{key}: ")[1].splitlines()[0]
    code, _, err = call("train", "mine.yaml", "train.epochs=1", "--json", "record.json")
    assert code == 0, err
    record = json.loads(Path("record.json").read_text("utf-8"))
    assert record["experiment"]["train"]["learning_rate"] == 1e-4

    code, _, err = call("init", data, "--base", base)
    assert (code, "mine.yaml is there already" in err) == (2, True)
    assert Path("mine.yaml").read_text("utf-8") == text


TRAINED = ("epochs", "learning_rate", "patience", "batch_size", "validation_clips")


@pytest.mark.parametrize(
    ("sizes", "tried", "rate"),
    [
        ((9,), ["full"], 1e-4),
        ((11, 9), ["full", "full+"], 1e-4),
        ((11, None, 9), ["full", "full+", "lora"], 1e-3),
        ((None, None, 11), ["full", "full+", "lora"], 1e-3),  # nothing fits: the smallest need
    ],
)
def test_full_tuning_wherever_memory_allows(
    made: tuple[Path, Path],
    needs: Any,
    tmp_path: Path,
    sizes: tuple[int | None, ...],
    tried: list[str],
    rate: float,
) -> None:
    names = needs(*sizes)
    found = write_proposal(tmp_path / "x.yaml", propose(wish(made)))
    assert names == tried
    assert found.settings["train.learning_rate"] == rate
    assert found.fits == (sizes[-1] == 9)
    loaded = load_experiment(tmp_path / "x.yaml")
    assert loaded.model_dump(mode="json") == found.experiment
    if tried[-1] == "lora":
        lora = {"kind": "lora", "preset": "all-linear", "rank": 32, "alpha": 64}  # width 32
        assert loaded.strategy.model_dump().items() >= lora.items()


def test_memory_that_killed_every_probe_is_said(made: tuple[Path, Path], needs: Any) -> None:
    needs(None, None, None)
    with pytest.raises(MothertongueError, match="the probe was killed"):
        propose(wish(made))


def test_epochs_fit_into_the_time(made: tuple[Path, Path], needs: Any, tmp_path: Path) -> None:
    needs(9)
    found = write_proposal(tmp_path / "x.yaml", propose(wish(made, hours_to_spend=0.1)))
    assert found.settings["train.epochs"] == 6  # of 60 s each
    assert found.reasons["train.epochs"].startswith("what the time allows; 30 would be usual")
    assert found.estimated_s == found.limit_s == 360


def test_fewer_clips_are_validated_before_an_epoch_is_dropped() -> None:
    def seconds(train: TrainConfig) -> float:
        return train.num_epochs * (100 + train.clips_of(1000))

    def found(limit_s: float) -> tuple[int | None, object]:
        train = within(TrainConfig(epochs=10), seconds, limit_s)
        return train.epochs, train.validation_clips

    assert found(3000) == (10, 200)
    assert found(2999) == (10, 50)
    assert found(1499) == (9, 50)
    assert found(1) == (1, 50)


def test_languages_and_splits(made: tuple[Path, Path], needs: Any, tmp_path: Path) -> None:
    """The language with the most hours decides; one without a token borrows one; Thai has CER."""
    clips = [each for each in read_manifest(made[1]) if each.split == "train"]
    spoken = [replace(each, language="fr" if i else "tw") for i, each in enumerate(clips)]
    write_manifest(tmp_path / "manifest.jsonl", spoken)
    needs(9, 9, 9)
    with pytest.raises(ConfigError, match="base has no token for tw; give --borrow"):
        propose(wish(made, data=tmp_path))
    found = write_proposal(tmp_path / "a.yaml", propose(wish(made, data=tmp_path, borrow="sw")))
    loaded = load_experiment(tmp_path / "a.yaml")
    assert (loaded.language, loaded.borrow, loaded.select_by) == ("fr", {"tw": "sw"}, "wer")
    assert "no validation split" in found.reasons["train.validation_clips"]
    with pytest.raises(ConfigError, match="--borrow has no effect"):
        propose(wish(made, borrow="fr"))
    write_manifest(tmp_path / "manifest.jsonl", [replace(each, language="th") for each in clips])
    assert propose(wish(made, data=tmp_path, borrow="sw")).experiment.select_by == "cer"


def test_a_base_that_lacks_a_token_of_a_newer_whisper_borrows_one(
    made: tuple[Path, Path], needs: Any, tmp_path: Path
) -> None:
    """large-v3 has a token for Cantonese, and no older Whisper has one."""
    write_manifest(
        tmp_path / "manifest.jsonl", [replace(x, language="yue") for x in read_manifest(made[1])]
    )
    tried = needs(9)
    with pytest.raises(ConfigError, match=r"base has no token for yue; give --borrow .* as sw$"):
        propose(wish(made, data=tmp_path))
    with pytest.raises(ConfigError, match="yue cannot take the token of 'yo', which has none"):
        propose(wish(made, data=tmp_path, borrow="yo"))
    assert tried == []
    found = propose(wish(made, data=tmp_path, borrow="sw")).experiment
    assert found.borrow == {"yue": "sw"}


def test_a_path_that_yaml_would_misread_is_quoted(
    made: tuple[Path, Path], needs: Any, tmp_path: Path
) -> None:
    folder = tmp_path / "a: b # c"
    write_manifest(folder / "manifest.jsonl", read_manifest(made[1]))
    needs(9)
    write_proposal(tmp_path / "x.yaml", propose(wish(made, data=folder)))
    assert load_experiment(tmp_path / "x.yaml").data == folder


def test_a_language_that_is_none_is_refused(
    made: tuple[Path, Path], needs: Any, tmp_path: Path
) -> None:
    clips = [replace(each, language="sw\nname: other") for each in read_manifest(made[1])]
    write_manifest(tmp_path / "manifest.jsonl", clips)
    with pytest.raises(ConfigError, match="names no language"):
        propose(wish(made, data=tmp_path, borrow="fr"))


def test_a_base_that_is_not_here_is_estimated_by_its_shape(
    made: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(base_choice, "is_on_disk", lambda _: False)
    monkeypatch.setattr(proposal, "is_on_disk", lambda _: False)
    for module in (base_choice, plan_shape):
        monkeypatch.setattr(module, "free_memory_bytes", lambda _: 12_000_000_000)
    for module in (base_choice, proposal):
        monkeypatch.setattr(module, "flops_per_s", lambda *_: 1e15)
    found = write_proposal(tmp_path / "x.yaml", propose(wish(made, base=None)))
    assert (found.settings["base"], found.is_measured) == ("openai/whisper-small", False)
    assert found.settings["train.learning_rate"] == 5e-5
    assert found.reasons["base"].startswith("the best that fits: medium needs some 26.")
    assert "by its shape" in found.facts["time"]
    assert load_experiment(tmp_path / "x.yaml").base == "openai/whisper-small"


@pytest.mark.parametrize("hours", [0, -1, float("nan"), float("inf")])
def test_hours_that_are_none_are_refused(call: Any, made: tuple[Path, Path], hours: float) -> None:
    code, _, err = call("init", made[1], "--hours-to-spend", hours)
    assert (code, "hours_to_spend" in err) == (2, True)
