"""A plan beside the run that follows, each in a process of its own."""

import json
import multiprocessing
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import warm
from measured import MEASURED
from runs import byte_tokens, save_corpus, write_experiment
from tiny import save_transformers, tiny_model

from mothertongue.errors import DataError
from mothertongue.experiment.config import Experiment, load_experiment
from mothertongue.model.flops import training_flops
from mothertongue.training.plan_estimate import Measured, read_shares, stored_bytes
from mothertongue.training.plan_probe import (
    context_sums,
    distinct,
    first_epochs,
    is_full,
    measure,
    probe,
    step_flops,
)
from mothertongue.training.run import assemble, open_data
from mothertongue.training.side_averages import SideAverages


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A base that is large enough for its training to count in the peak of memory."""
    folder = tmp_path_factory.mktemp("plan")
    tokens = byte_tokens()
    model = tiny_model(tokens, d_model=256, encoder_ffn_dim=1024, decoder_ffn_dim=1024)
    base = save_transformers(model, tokens, folder / "base")
    return base, save_corpus(folder / "data", train=40, validation=20)


def planned(experiment: Path) -> Any:
    """The JSON of `plan`. It measures in a new process, so its own may have torch imported."""
    done = warm.run("mothertongue.cli", "plan", experiment, "--json", "-")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def trained(experiment: Path, out: Path) -> Any:
    """The JSON of `train` in a new process, whose peak of memory is its own."""
    command = [sys.executable, "-m", "mothertongue", "train", experiment, "--out", out]
    done = subprocess.run([*command, "--json", "-"], check=True, capture_output=True)
    return json.loads(done.stdout)


@pytest.mark.slow
@pytest.mark.parametrize("strategy", ["full", "freeze"])
def test_a_run_takes_what_its_plan_says(
    made: tuple[Path, Path], tmp_path: Path, strategy: str
) -> None:
    """All but the time: docs/results.md has it on a quiet machine."""
    settings = {"kind": strategy} | ({"encoder_layers": 1} if strategy == "freeze" else {})
    data = save_corpus(tmp_path / "data", train=20, validation=8)
    often = {"eval_every_steps": 10, "save_every_steps": 10}
    experiment = write_experiment(tmp_path, made[0], data, strategy=settings, **often)
    with experiment.open("a") as file:  # of the 8 clips a plan decodes one batch
        file.write("evaluate: {batch_size: 4}\n")
    plan = planned(experiment)
    assert not (tmp_path / "runs").exists()
    run = trained(experiment, tmp_path / "run")
    assert plan["trainable_parameters"] == run["trainable_parameters"]
    assert plan["parameters"] == run["parameters"]
    assert plan["steps_per_epoch"] * plan["epochs"] == run["steps"]
    assert plan["peak_memory_bytes"] == pytest.approx(run["peak_memory_bytes"], rel=0.15)
    assert plan["training_s"] > 0
    assert plan["fits"]
    assert (plan["prefix_cache_bytes"] > 0) == (strategy == "freeze")


@pytest.fixture
def fork_server() -> Iterator[None]:
    """This process starts others by a fork server, as is the default from Python 3.14 on."""
    before = multiprocessing.get_start_method(allow_none=True)
    multiprocessing.set_start_method("forkserver", force=True)
    yield
    multiprocessing.set_start_method(before, force=True)


@pytest.mark.slow
@pytest.mark.usefixtures("fork_server")
@pytest.mark.parametrize("measured", [measure, probe])
def test_a_fork_server_does_not_matter(
    measured: Callable[[Experiment], Measured],
    made: tuple[Path, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """`measure` is called in a program with one; `probe` finds one where it is the default."""
    monkeypatch.setenv("MOTHERTONGUE_CACHE", str(tmp_path))  # `probe` sets it
    path = write_experiment(tmp_path, *made, workers=1, validation_clips=2)
    found = measured(load_experiment(path))
    assert (found.clips, found.validation_clips) == (40, 20)


@pytest.mark.parametrize("share", [0.0, 0.15, 1.0])
def test_as_many_steps_read_the_store_as_planned(
    made: tuple[Path, Path], tmp_path: Path, share: float
) -> None:
    """A step whose clips were not all seen at its context computes all of them."""
    changes = {"batch_size": 4, "epochs": 20, "full_context_share": share}
    experiment = load_experiment(write_experiment(tmp_path, *made, **changes))
    base, utterances = open_data(experiment)
    dataset = assemble(experiment, base, utterances, print).dataset
    seen, read = set[tuple[int, int]](), []
    for epoch in range(20):
        for step in dataset.plan(epoch):
            pairs = {(each.context_s, clip) for each in step for clip in each.indices}
            read.append(pairs <= seen)
            seen |= pairs
    steps = [step for epoch in range(20) for step in dataset.plan(epoch)]
    total, full = context_sums([dataset.plan(epoch) for epoch in range(20)])
    measured = replace(
        MEASURED,
        clips=40,
        context_s=total,
        full_context_s=full,
        read=((1, 1),),
        step_flops=(1.0,) * len(steps),
        step_is_full=tuple(map(is_full, steps)),
        planned_epochs=20,
    )
    planned = sum(read_shares(measured, experiment.train, epoch).mean() for epoch in range(20))
    assert planned / 20 == pytest.approx(sum(read) / len(read), abs=0.05)


def test_what_is_wrong_is_said_as_in_training(made: tuple[Path, Path], tmp_path: Path) -> None:
    path = write_experiment(tmp_path, made[0], tmp_path / "nowhere")
    with pytest.raises(DataError) as caught:
        measure(load_experiment(path))
    assert "no such manifest" in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "epochs"),
    [
        ({"batch_size": 20}, 10),  # 0.3 steps an epoch: as many epochs as there are
        ({"batch_size": 4}, 4),  # 1.5 steps an epoch
        ({"batch_size": 1}, 1),
        ({"batch_size": 20, "full_context_share": 0}, 1),
        ({"batch_size": 20, "context": "full"}, 1),
    ],
)
def test_enough_epochs_are_planned_to_see_steps_at_30_s(
    made: tuple[Path, Path], tmp_path: Path, changes: dict[str, Any], epochs: int
) -> None:
    experiment = load_experiment(write_experiment(tmp_path, *made, **changes, epochs=10))
    base, utterances = open_data(experiment)
    dataset = assemble(experiment, base, utterances, print).dataset
    found = first_epochs(dataset)
    assert len(found) == epochs
    assert found[-1] == dataset.plan(epochs - 1)


@pytest.mark.parametrize("share", [0.0, 0.15, 1.0])
def test_the_store_of_a_run_has_each_clip_at_all_its_contexts(
    made: tuple[Path, Path], tmp_path: Path, share: float
) -> None:
    changes = {"batch_size": 2, "epochs": 12, "full_context_share": share}
    experiment = load_experiment(write_experiment(tmp_path, *made, **changes))
    base, utterances = open_data(experiment)
    dataset = assemble(experiment, base, utterances, print).dataset
    every = [dataset.plan(epoch) for epoch in range(12)]
    stored = {
        (each.context_s, clip)
        for epoch in every
        for step in epoch
        for each in step
        for clip in each.indices
    }
    total, full = context_sums(every[:5])
    measured = replace(MEASURED, clips=40, context_s=total, full_context_s=full, read=((1, 1),))
    seconds = stored_bytes(measured, experiment.train) / measured.stored_bytes_per_s
    assert seconds == pytest.approx(sum(context_s for context_s, _ in stored), rel=0.15)


@pytest.mark.slow
def test_a_probe_takes_no_averages(
    made: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`estimate` adds their memory, their disk and their validations."""
    monkeypatch.setenv("MOTHERTONGUE_CACHE", str(tmp_path))  # `probe` sets it
    taken: list[str] = []
    monkeypatch.setattr(SideAverages, "stepped", lambda self, _: taken.extend(self.ema))
    probe(load_experiment(write_experiment(tmp_path, *made, ema=0.9, average_last=2)))
    assert taken == []


def test_probed_steps_are_unlike_each_other() -> None:
    assert distinct([5.0, 1.0, 5.1, 1.01, 3.0]) == [3, 4, 2]
    assert distinct([2.0] * 100) in ([i] for i in range(100))
    assert len(distinct([float(2**i) for i in range(50)])) == 5


def test_operations_of_a_step(made: tuple[Path, Path], tmp_path: Path) -> None:
    experiment = load_experiment(write_experiment(tmp_path, *made))
    base, utterances = open_data(experiment)
    dataset = assemble(experiment, base, utterances, print).dataset
    step = next(each for each in dataset.plan(0) if len(each) == 1)
    (found,) = step_flops(base.model, dataset, [step], False)
    longest = max(len(dataset.labels[i]) for i in step[0].indices) - 1
    frames = 50 * step[0].context_s
    low, high = (training_flops(base.model, frames, longest + more) for more in (0, 7))
    assert len(step[0].indices) * low <= found <= len(step[0].indices) * high
