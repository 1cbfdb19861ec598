"""Test averages of runs: the new run is like any other run, and records what it was made of."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from runs import Silent, save_base, save_corpus, tiny_experiment, validation
from torch import Tensor

from mothertongue.comparison import average_scores
from mothertongue.comparison.average import average, parse_alpha, retention_sets
from mothertongue.comparison.average_scores import Point, choose_alpha
from mothertongue.comparison.from_runs import compare_runs
from mothertongue.comparison.grid import TestSet as ScoredSet
from mothertongue.decoding.transcript import DecodeConfig
from mothertongue.errors import ConfigError, DataError
from mothertongue.experiment import checkpoints
from mothertongue.experiment.config import read_experiment
from mothertongue.experiment.load import load_run
from mothertongue.experiment.run_dir import RunDir
from mothertongue.export.export import export
from mothertongue.inference.evaluate_run import evaluate_any
from mothertongue.inference.model import Model
from mothertongue.inference.open_model import open_model
from mothertongue.model.load import load_base
from mothertongue.report.tables.average_table import verdict
from mothertongue.report.write import write_report
from mothertongue.strategies.base import trained_parameters
from mothertongue.system.files import write_json
from mothertongue.training.run import run

STRATEGIES = {"full": {"kind": "full"}, "lora": {"kind": "lora", "rank": 2, "alpha": 4}}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a base, a corpus, and for each strategy a finished run: KIND/0."""
    home = tmp_path_factory.mktemp("average")
    base, corpus = save_base(home / "base"), save_corpus(home / "data")
    save_corpus(home / "english", train=1, validation=1, test=4)
    for kind, strategy in STRATEGIES.items():
        (home / kind).mkdir()
        changes = {"epochs": 1, "eval_every_steps": None, "save_every_steps": None}
        made = tiny_experiment(home / kind, base, corpus, strategy=strategy, **changes)
        run(made, RunDir(home / kind / "0"), Silent())
    return home


@pytest.fixture
def home(made: Path, tmp_path: Path) -> Path:
    """Copy two runs of each strategy, KIND/0 and the hand-made KIND/1, and their base and data."""
    for kind in STRATEGIES:
        shutil.copytree(made / kind / "0", tmp_path / kind / "0")
        copied(tmp_path / kind / "0", tmp_path / kind / "1", seed=1)
    for name in ("base", "data", "english"):
        (tmp_path / name).symlink_to(made / name)
    return tmp_path


def copied(run_folder: Path, out: Path, seed: int, **settings: Any) -> Path:
    """Copy a run as if it had another seed: other weights, and other settings if given."""
    shutil.copytree(run_folder, out)
    changed = yaml.safe_load((out / "experiment.yaml").read_text("utf-8")) | settings
    changed["train"]["seed"] = seed
    (out / "experiment.yaml").write_text(yaml.safe_dump(changed), encoding="utf-8")
    record = json.loads((out / "record.json").read_text("utf-8"))
    write_json(out / "record.json", record | {"experiment": changed})
    generator = torch.Generator().manual_seed(seed)
    moved = {
        name: each + 0.05 * torch.randn(each.shape, generator=generator)
        for name, each in weights(run_folder).items()
    }
    for folder in (out / "best", out / "final"):
        checkpoints.save(folder, {checkpoints.TRAINED: moved}, {"step": 6})
    return out


def weights(folder: Path) -> dict[str, Tensor]:
    return checkpoints.read_tensors(folder / "best", checkpoints.TRAINED)


def merged(folder: Path) -> dict[str, Tensor]:
    tuned = load_run(folder)
    plain = tuned.experiment.strategy.merge(tuned.base.model)
    return {name: each.detach() for name, each in plain.named_parameters()}


def pair(home: Path, kind: str = "full") -> list[Path]:
    return [home / kind / "0", home / kind / "1"]


def scripted(monkeypatch: pytest.MonkeyPatch, *wers: float) -> Iterator[float]:
    """Give the scored models these error rates, one after the other."""
    left = iter(wers)
    monkeypatch.setattr(average_scores, "rates", lambda *_: validation(next(left)))
    return left


def test_an_average_of_averages_counts_each_run_once(home: Path) -> None:
    """0 and 1, 0 alone with its own weights, and the average of both."""
    costs = [RunDir(each).read_record() for each in pair(home)]
    parts = [
        average(pair(home), home / "half", with_base=0.5),
        average(pair(home)[:1], home / "same", with_base=1.0),
    ]
    record = average([home / "half", home / "same"], home / "all")
    assert record.steps == sum(each.steps for each in costs)
    assert record.train_s == pytest.approx(sum(each.train_s for each in costs))
    validated_s = sum(each.validate_s for each in costs)
    scored_s = sum(each.last_wall_s for each in (*parts, record))
    assert record.validate_s == pytest.approx(validated_s + scored_s)


def test_the_mean_of_two_runs_is_their_mean_and_says_so(home: Path) -> None:
    record = average(pair(home), home / "mean")
    first, second = map(weights, pair(home))
    found = weights(home / "mean")
    assert found.keys() == first.keys()
    for name, value in found.items():
        assert torch.equal(value, ((first[name].double() + second[name].double()) / 2).float())
    assert record == RunDir(home / "mean").read_record()
    facts = record.average
    assert facts is not None
    assert [(each.run, each.seed) for each in facts.runs] == [
        (str(path), seed) for seed, path in enumerate(pair(home))
    ]
    sums = json.loads((pair(home)[1] / "best/MANIFEST.json").read_text())["files"]
    assert facts.runs[1].weights_sha256 == sums["trained.safetensors"]["sha256"]
    assert (facts.alpha, facts.alpha_by, facts.clips) == (1.0, None, 3)
    assert record.steps == 2 * 6
    assert record.best_weights == "mean of 2 runs, alpha 1"
    assert read_experiment(RunDir(home / "mean")).average is not None


def test_every_model_is_scored_as_its_run_was(home: Path) -> None:
    record = average(pair(home), home / "mean")
    before = RunDir(pair(home)[0]).read_record()
    assert record.average is not None
    first = record.average.runs[0].validation
    assert first is not None
    assert first.wer == before.best_validation_wer
    assert first.cer_interval95 == before.best_validation_cer_interval95
    (point,) = record.average.curve
    assert point.validation is not None
    assert record.best_validation_wer == point.validation.wer


@pytest.mark.parametrize("kind", STRATEGIES)
def test_alpha_1_is_the_run_and_alpha_0_the_base_to_the_bit(kind: str, home: Path) -> None:
    path = home / kind / "0"
    average([path], home / "run", 1.0)
    average([path], home / "base-again", 0.0)
    tuned, base = merged(path), dict(load_base(str(home / "base")).model.named_parameters())
    again, zero = merged(home / "run"), merged(home / "base-again")
    assert all(torch.equal(again[name], value) for name, value in tuned.items())
    assert all(torch.equal(zero[name], value) for name, value in base.items())


@pytest.mark.usefixtures("warm_engines")
def test_a_mean_of_lora_runs_is_the_mean_of_the_merged_runs_and_an_adapter(home: Path) -> None:
    average(pair(home, "lora"), home / "mean")
    first, second = map(merged, pair(home, "lora"))
    for name, value in merged(home / "mean").items():
        torch.testing.assert_close(value, (first[name] + second[name]) / 2, atol=1e-6, rtol=1e-5)
    assert read_experiment(RunDir(home / "mean")).strategy.model_dump()["rank"] == 4
    result = export(home / "mean", "adapter", None, home / "exported", "validation", 2, 0.01)
    assert result.identical == result.clips == 2
    assert "# mean" in (home / "exported/README.md").read_text("utf-8")


def test_the_result_is_evaluated_transcribed_and_reported(home: Path) -> None:
    average(pair(home), home / "mean", 0.9)
    for path in (*pair(home), home / "mean"):
        result = evaluate_any(
            str(path), None, "test", None, DecodeConfig(), open_model, with_base=False
        )
        assert result.leaks is not None and result.leaks.clips == 3
    model = Model("mean", open_model(str(home / "mean")))
    assert model.transcribe(home / "data/test0.wav").language == "sw"
    page = write_report([*pair(home), home / "mean"], home / "page.html")
    assert page.clips == 3
    result, _ = compare_runs([*pair(home), home / "mean"])
    rows = {row.strategy: row.runs for row in result.languages["sw"].strategies}
    assert rows == {"0": ["0", "1"], "mean": ["mean"]}


def test_what_the_runs_were_trained_on_is_not_scored_as_test(home: Path) -> None:
    average(pair(home), home / "mean")
    lines = (home / "data/manifest.jsonl").read_text("utf-8").splitlines()
    seen = [{**json.loads(line), "split": "test"} for line in lines]
    other = home / "data/seen.jsonl"
    try:
        other.write_text("\n".join(map(json.dumps, seen)), encoding="utf-8")
        with pytest.raises(DataError, match="was trained on the audio of 12 of the 18 clips"):
            evaluate_any(str(home / "mean"), other, "test", None, DecodeConfig(), open_model, False)
    finally:
        other.unlink()


def test_a_sweep_takes_the_alpha_of_the_lowest_error(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = scripted(monkeypatch, 0.5, 0.6, 0.9, 0.4, 0.4, 0.2, 0.3, 0.4, 0.5)
    record = average(pair(home), home / "mean", "sweep", {"en": ScoredSet(data=home / "english")})
    assert list(left) == []
    facts = record.average
    assert facts is not None
    assert [each.alpha for each in facts.curve] == [0, 0.5, 0.6, 0.7, 0.8, 0.9, 1]
    assert (facts.alpha, facts.alpha_by) == (0.7, "sweep")
    assert facts.best_run == str(pair(home)[0])
    assert facts.difference == pytest.approx(-0.3)
    assert record.best_validation_wer == 0.2
    kept = [each.retention.sets["en"].wer for each in facts.curve if each.retention]
    assert kept[0].difference == 0 and len({each.before for each in kept}) == 1
    base = dict(load_base(str(home / "base")).model.named_parameters())
    first, second = map(weights, pair(home))
    for name, value in weights(home / "mean").items():
        expected = torch.lerp(base[name].detach(), (first[name] + second[name]) / 2, 0.7)
        torch.testing.assert_close(value, expected, atol=1e-6, rtol=1e-5)


def test_of_equal_errors_the_alpha_nearer_to_the_base_is_taken() -> None:
    points = [
        Point(alpha, validation(wer, cer), {})
        for alpha, wer, cer in ((1.0, 0.2, 0.1), (0.8, 0.2, 0.2), (0.9, 0.3, 0.05))
    ]
    assert choose_alpha(points, "wer").alpha == 0.8
    assert choose_alpha(points, "cer").alpha == 0.9


@pytest.mark.parametrize(
    ("mean", "words"),
    [(0.7, "WORSE than its best run"), (0.5, "as good as"), (0.1, "is better than its best run")],
)
def test_it_says_whether_it_is_better_than_its_best_run(
    mean: float, words: str, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scripted(monkeypatch, 0.6, 0.5, mean)
    record = average(pair(home), home / "mean")
    assert words in verdict(record) and str(pair(home)[1]) in verdict(record)
    assert (home / "mean/record.json").is_file()


def test_runs_that_have_no_mean_are_refused(home: Path) -> None:
    full, lora = home / "full", home / "lora"
    other_base = save_base(home / "other", seed=5)
    changed = copied(full / "0", home / "changed", seed=2, language="fr")
    (home / "elsewhere").mkdir()
    corpus = save_corpus(home / "tones", train=2, validation=1, test=1)
    made = tiny_experiment(home / "elsewhere", other_base, corpus, epochs=1)
    run(made, RunDir(home / "elsewhere/run"), Silent())
    shutil.copytree(full / "0", home / "copy")
    unfinished = Path(shutil.copytree(full / "0", home / "unfinished"))
    (unfinished / "record.json").unlink()
    cases: list[tuple[list[Path], type[Exception], str]] = [
        ([full / "0"], ConfigError, "1 runs to average, expected two or more"),
        ([full / "0", full / "0"], ConfigError, "have the same weights"),
        ([full / "0", home / "copy"], ConfigError, "copy have the same weights"),
        ([full / "0", lora / "0"], ConfigError, r"strategy: Lora\(.*expected Full\("),
        ([full / "0", changed], ConfigError, "language: fr, expected sw"),
        ([full / "0", home / "elsewhere/run"], ConfigError, r"base: \w+, expected \w+(.|\n)*data"),
        ([full / "0", unfinished], DataError, "no finished run; expected its record.json"),
        ([full / "0", home / "data"], DataError, "not a run"),
    ]
    for paths, kind, message in cases:
        with pytest.raises(kind, match=message):
            average(paths, home / "mean")
        assert not (home / "mean").exists()


def test_an_average_is_neither_overwritten_nor_trained(home: Path) -> None:
    average(pair(home), home / "mean")
    with pytest.raises(ConfigError, match="there is something already; give another --out"):
        average(pair(home), home / "mean")
    experiment = read_experiment(RunDir(home / "mean"))
    with pytest.raises(ConfigError, match="average: mothertongue average wrote these settings"):
        run(experiment, RunDir(home / "new"), Silent())


def test_a_folder_that_is_no_name_of_a_run_is_refused_before_any_work(home: Path) -> None:
    with pytest.raises(ConfigError, match="--out: 'a mean', expected a name of letters"):
        average([home / "nowhere"], home / "a mean", 0.5)


def test_a_mean_can_be_averaged_again(home: Path) -> None:
    average(pair(home, "lora"), home / "mean")
    average([home / "mean"], home / "half", 0.5)
    base = dict(load_base(str(home / "base")).model.named_parameters())
    mean = merged(home / "mean")
    for name, value in merged(home / "half").items():
        expected = torch.lerp(base[name].detach(), mean[name], 0.5)
        torch.testing.assert_close(value, expected, atol=1e-6, rtol=1e-5)
    assert trained_parameters(load_run(home / "half").base.model)


@pytest.mark.parametrize("text", ["1.5", "-0.1", "nan", "much"])
def test_an_alpha_outside_0_to_1_is_refused(text: str, home: Path) -> None:
    with pytest.raises(ConfigError, match=r"--with-base: .*, expected a number from 0 to 1, or"):
        average(pair(home), home / "mean", parse_alpha(text))


def test_runs_of_a_comparison_bring_its_retention_sets(home: Path) -> None:
    grid = {
        "name": "g",
        "languages": {"sw": {"data": "d"}},
        "strategies": {"full": {"strategy": {}}},
    }
    grid["retention"] = {"en": {"data": "english", "split": "validation"}}
    (home / "grid.yaml").write_text(yaml.safe_dump(grid), encoding="utf-8")
    runs = [home / "runs" / "a"]
    expected = {"en": ScoredSet(data=Path("english"), split="validation")}
    assert retention_sets(runs, [], "sweep") == expected
    assert retention_sets(runs, [], 0.5) == {}
    assert retention_sets(pair(home), [Path("x")], "sweep") == {"x": ScoredSet(data=Path("x"))}
    with pytest.raises(ConfigError, match="--retention has no effect without --with-base sweep"):
        average(pair(home), home / "mean", 0.5, expected)
