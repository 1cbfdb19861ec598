"""Averages beside the weights: closed forms, what is taken, and nothing lost by a kill."""

import os
import signal
from pathlib import Path
from typing import Any

import pytest
import torch
from ranks_harness import launched
from runs import (
    After,
    Silent,
    save_base,
    save_corpus,
    tiny_experiment,
    validation,
    write_experiment,
)
from torch import Tensor
from trained import Make, trained, weights

from mothertongue.errors import ConfigError, Preempted
from mothertongue.experiment import checkpoints
from mothertongue.experiment.config import load_experiment
from mothertongue.experiment.load import load_run
from mothertongue.experiment.run_dir import RunDir
from mothertongue.experiment.train_config import TrainConfig
from mothertongue.experiment.validation import Validation
from mothertongue.strategies.base import trained_parameters
from mothertongue.training.run import run
from mothertongue.training.side_averages import SideAverages
from mothertongue.training.step import Stepper
from mothertongue.training.validator import SplitValidator

DECAY = 0.6
BOTH = {"ema": DECAY, "average_last": 2}
STRATEGIES = [
    {"kind": "full"},
    {"kind": "reinit", "encoder_layers": 1},
    {"kind": "bottleneck", "dim": 4},
    {"kind": "lora", "rank": 2},
    {"kind": "lora", "rank": 2, "variant": "pissa"},
]


def tensors(folder: Path) -> dict[str, Tensor]:
    return checkpoints.read_tensors(folder, checkpoints.TRAINED)


def averages(folder: Path, parameters: dict[str, Tensor], **settings: Any) -> SideAverages:
    config = TrainConfig(epochs=1, learning_rate=1e-4, **settings)
    return SideAverages(config, folder, parameters, is_main=True)


@pytest.fixture
def scores(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Let validations find these error rates: in mid-training, and then at 30 s."""

    def give(during: list[float], after: list[Validation]) -> list[dict[str, Tensor]]:
        first, last, seen = iter(during), iter(after), list[dict[str, Tensor]]()

        def at_full_context(self: SplitValidator, stop: Any) -> Validation:
            found = trained_parameters(self.base.model)
            seen.append({name: each.detach().clone() for name, each in found.items()})
            return next(last)

        monkeypatch.setattr(SplitValidator, "__call__", lambda *_: validation(next(first)))
        monkeypatch.setattr(SplitValidator, "at_full_context", at_full_context)
        return seen

    return give


def test_the_moving_average_of_constant_updates_has_its_closed_form(tmp_path: Path) -> None:
    """Weights 1, 2, ..., t with decay d: the mean of i with weights d^(t-i)."""
    weight = torch.zeros(3)
    found = averages(tmp_path, {"w": weight}, ema=DECAY)
    for step in range(1, 21):
        weight += 1
        found.stepped(step)
        shares = [DECAY ** (step - i) for i in range(1, step + 1)]
        expected = sum(i * each for i, each in enumerate(shares, 1)) / sum(shares)
        torch.testing.assert_close(found.ema["w"], torch.full((3,), expected))
    ((name, whole),) = found.models()
    assert name == "ema" and whole["w"].dtype == torch.float32
    assert weight.equal(torch.full((3,), 20.0))  # the weights themselves are left alone


def test_the_first_step_is_the_average_and_the_start_is_no_part_of_it(tmp_path: Path) -> None:
    weight = torch.full((2,), 1e6)
    found = averages(tmp_path, {"w": weight}, ema=0.999)
    weight.fill_(0.1)
    found.stepped(1)
    assert found.ema["w"].equal(weight)


def test_the_mean_of_the_last_validations_is_exactly_theirs(tmp_path: Path) -> None:
    weight = torch.zeros(2)
    found = averages(tmp_path / "validations", {"w": weight}, average_last=3)

    def save(folder: Path) -> None:
        checkpoints.save(folder, {checkpoints.TRAINED: {"w": weight.clone()}}, {})

    for step, value in ((10, 7.0), (20, 1.0)):
        weight.fill_(value)
        found.validated(step, save)
        assert len(list(found.models())) == (step == 20)  # one validation has no mean of its own
    for step, value in ((30, 2.0), (40, 6.0)):
        weight.fill_(value)
        found.validated(step, save)
    assert found.steps == [20, 30, 40]
    ((name, whole),) = found.models()
    assert name == "last" and whole["w"].equal(torch.full((2,), 3.0))


def test_without_settings_nothing_is_kept(make: Make, tmp_path: Path) -> None:
    record = run(make(epochs=1), RunDir(tmp_path / "run"), Silent())
    assert record.best_of is None
    assert not list(tmp_path.rglob("average.safetensors")) + list(tmp_path.rglob("validations"))


@pytest.mark.parametrize("strategy", STRATEGIES, ids=str)
def test_an_average_that_is_better_is_the_best_weights(
    strategy: dict[str, Any], make: Make, tmp_path: Path, scores: Any
) -> None:
    """Step 4, 8 and 12 are validated: 8 is the best, but its mean with 12 is better."""
    afterwards = [validation(0.5), validation(0.6), validation(0.4)]
    seen = scores([0.9, 0.5, 0.6], afterwards)
    folder = RunDir(tmp_path / "run")
    record = run(make(strategy=strategy, **BOTH), folder, Silent())
    best, ema, last = seen
    facts = record.best_of
    assert facts.taken == "last"
    assert {name: each.wer for name, each in facts.models.items()} == {
        "best": 0.5, "ema": 0.6, "last": 0.4
    }  # fmt: skip
    assert [each.steps for each in facts.models.values()] == [[8], [12], [8, 12]]
    assert (record.best_validation_wer, record.best_step) == (0.4, 12)
    taken, final = tensors(folder.best), tensors(folder.final)
    for name, each in taken.items():
        assert each.equal(last[name])
        assert each.equal(((best[name].double() + final[name].double()) / 2).float())
    assert any(not ema[name].equal(final[name]) for name in final)
    tuned = trained_parameters(load_run(folder.path).base.model)
    assert all(tuned[name].equal(each) for name, each in taken.items())
    assert not folder.validations.exists()


@pytest.mark.parametrize(
    ("measure", "best", "ema", "taken"),
    [
        ("wer", (0.5, 0.3), (0.5, 0.3), "best"),
        ("wer", (0.5, 0.3), (0.5, 0.2), "ema"),
        ("wer", (0.5, 0.3), (0.51, 0.1), "best"),
        ("cer", (0.5, 0.3), (0.6, 0.2), "ema"),
    ],
)
def test_ties_go_by_the_other_rate_and_then_to_the_weights_of_a_validation(
    measure: str,
    best: tuple[float, float],
    ema: tuple[float, float],
    taken: str,
    make: Make,
    tmp_path: Path,
    scores: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    experiment = make(ema=DECAY).model_copy(update={"select_by": measure})
    scores([0.9, 0.5, 0.6], [validation(*best), validation(*ema)])
    watcher = Silent()
    record = run(experiment, RunDir(tmp_path / "run"), watcher)
    assert record.best_of.taken == taken
    (said,) = [note for note in watcher.notes if "train.ema" in note]
    assert ("not better" in said) == (taken == "best")
    if taken == "best":
        assert record.best_step == 8 and record.best_validation_wer == best[0]


@pytest.mark.parametrize("strategy", STRATEGIES[:1] + STRATEGIES[3:4], ids=str)
def test_the_average_of_a_run_is_that_of_its_steps(
    strategy: dict[str, Any],
    make: Make,
    tmp_path: Path,
    scores: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    take, path = Stepper.take, list[dict[str, Tensor]]()

    def watched(self: Stepper, *args: Any) -> Any:
        result = take(self, *args)
        path.append({name: each.detach().double() for name, each in self.parameters.items()})
        return result

    monkeypatch.setattr(Stepper, "take", watched)
    scores([0.9, 0.5, 0.6], [validation(0.5), validation(0.4)])
    run(make(strategy=strategy, ema=DECAY), RunDir(tmp_path / "run"), Silent())
    shares = [DECAY ** (len(path) - i) for i in range(1, len(path) + 1)]
    for name, each in tensors(tmp_path / "run/best").items():
        expected = sum(s * step[name] for s, step in zip(shares, path, strict=True)) / sum(shares)
        torch.testing.assert_close(each.double(), expected, atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("stop_at", [5, 8, 11])
def test_a_stopped_run_has_the_averages_of_an_uninterrupted_one(
    stop_at: int, make: Make, tmp_path: Path
) -> None:
    whole = RunDir(tmp_path / "whole")
    trained(make(**BOTH), whole.path)
    stopped = RunDir(tmp_path / "stopped")
    with pytest.raises(Preempted):
        run(make(**BOTH), stopped, After(stop_at))
    run(make(**BOTH), stopped, Silent())
    record, expected = stopped.read_record(), whole.read_record()
    assert record.best_of == expected.best_of
    assert weights(stopped.path, "best") == weights(whole.path, "best")
    newest = sorted(whole.checkpoints.iterdir())[-1].name
    ours, theirs = (
        checkpoints.read_tensors(each.checkpoints / newest, checkpoints.AVERAGE)
        for each in (stopped, whole)
    )
    assert all(ours[name].equal(each) for name, each in theirs.items())


def test_a_run_that_was_killed_after_it_took_an_average_says_the_same(
    make: Make, tmp_path: Path, scores: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    class PowerCutError(Exception):
        pass

    def cut(*_: Any, **__: Any) -> None:
        raise PowerCutError

    import mothertongue.training.run as module

    folder = RunDir(tmp_path / "run")
    scores([0.9, 0.5, 0.6], [validation(0.5), validation(0.4), validation(0.6)])
    with monkeypatch.context() as patch, pytest.raises(PowerCutError):
        patch.setattr(module, "run_record", cut)
        run(make(**BOTH), folder, Silent())
    before = weights(folder.path, "best")
    record = run(make(**BOTH), folder, Silent())  # a decoding would find no rate any more
    assert record.best_of.taken == "ema"
    assert record.best_of.models["best"].wer == 0.5
    assert (record.best_validation_wer, record.best_step) == (0.4, 12)
    assert weights(folder.path, "best") == before
    assert not folder.validations.exists()


def test_a_stop_while_an_average_is_decoded_owes_it_still(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import mothertongue.training.validator as module

    run(make(**BOTH), RunDir(tmp_path / "whole"), Silent())
    evaluate, calls = module.evaluate, list[int]()

    def interrupted(*args: Any) -> Any:
        calls.append(1)
        if len(calls) == 5:  # three validations, the best weights, the first average
            os.kill(os.getpid(), signal.SIGTERM)
        return evaluate(*args)

    with monkeypatch.context() as patch, pytest.raises(Preempted, match="after step 12 of 12"):
        patch.setattr(module, "evaluate", interrupted)
        run(make(**BOTH), RunDir(tmp_path / "run"), Silent())
    run(make(**BOTH), RunDir(tmp_path / "run"), Silent())
    found, expected = (RunDir(tmp_path / name).read_record() for name in ("run", "whole"))
    assert found.best_of == expected.best_of


@pytest.mark.slow
def test_all_ranks_keep_the_averages_of_one_process_with_and_without_zero(tmp_path: Path) -> None:
    """At stage 3 the moving average is in parts, and a kill of a rank changes nothing."""
    base, data = save_base(tmp_path / "base"), save_corpus(tmp_path / "data", train=13)
    alone = RunDir(tmp_path / "alone")
    (tmp_path / "home").mkdir()
    path = write_experiment(tmp_path / "home", base, data, validation_clips=2, **BOTH)
    run(load_experiment(path), alone, Silent())
    expected = averages_of(alone)
    plan: list[dict[str, Any]] = []
    for stage in (0, 3):
        (tmp_path / f"zero{stage}").mkdir()
        one = write_experiment(
            tmp_path / f"zero{stage}", base, data, validation_clips=2, zero=stage, **BOTH
        )
        plan.append({"experiment": str(one), "run": str(tmp_path / f"zero{stage}/run")})
    launched(2, [plan[1] | {"kill": {"rank": 1, "step": 8}}], tmp_path)
    said = launched(2, plan, tmp_path)
    assert [each["outcome"] for each in said] == ["done"] * 4
    for each in plan:
        folder = RunDir(Path(each["run"]))
        found = averages_of(folder)
        for name, value in expected.items():
            torch.testing.assert_close(found[name], value, atol=1e-4, rtol=1e-3)
        models = folder.read_record().best_of.models
        assert list(models) == ["best", "ema", "last"]
        assert models["last"].steps == [12, 14]


def averages_of(run_dir: RunDir) -> dict[str, Tensor]:
    newest = checkpoints.step_folder(run_dir.checkpoints, run_dir.read_record().steps)
    return checkpoints.read_tensors(newest, checkpoints.AVERAGE)


def test_an_average_without_validation_is_refused(tmp_path: Path) -> None:
    base = save_base(tmp_path / "base")
    corpus = save_corpus(tmp_path / "data", validation=0)
    for settings in ({"ema": DECAY}, {"average_last": 2}):
        experiment = tiny_experiment(tmp_path, base, corpus, **settings)
        with pytest.raises(ConfigError, match=r"ema and train\.average_last have no effect: the d"):
            run(experiment, RunDir(tmp_path / "run"), Silent())


def test_a_mean_of_one_validation_is_refused(make: Make, tmp_path: Path) -> None:
    experiment = make(epochs=1, eval_every_steps=None, average_last=2)
    with pytest.raises(ConfigError, match=r"average_last=2 has no effect: .* after step 6, expect"):
        run(experiment, RunDir(tmp_path / "run"), Silent())


@pytest.mark.parametrize("settings", [{"ema": 1.0}, {"ema": 0.0}, {"average_last": 1}])
def test_settings_that_average_nothing_are_refused(settings: dict[str, float], make: Make) -> None:
    with pytest.raises(ConfigError, match=rf"train\.{next(iter(settings))}"):
        make(**settings)
