"""One run in two processes: what one process computes, and nothing lost when one of them dies."""

import json
import re
import time
from collections.abc import Iterable
from pathlib import Path

import psutil
import pytest
import warm
import yaml
from held import Held
from ranks_harness import launched
from runs import PATIENCE_S, Silent, save_base, save_corpus, write_experiment

from mothertongue.experiment.config import load_experiment
from mothertongue.experiment.run_dir import RunDir
from mothertongue.system.files import sha256_file
from mothertongue.training.run import run

STRATEGIES = {
    "full": {"kind": "full"},
    "freeze": {"kind": "freeze", "encoder_layers": 1},
    "reinit": {"kind": "reinit", "encoder_layers": 1},
    "bottleneck": {"kind": "bottleneck", "dim": 8, "encoder_top": 1},
    "lora": {"kind": "lora", "rank": 4, "alpha": 8},
}
STAGES = {"full": (0, 2, 3)}  # of ZeRO; 2 is 3 that keeps gathered weights a little longer
ONE_EPOCH = ("reinit", "lora")  # freeze and bottleneck read what the first epoch stored
ROUNDING = 1e-4  # of a loss after 10 steps, relative; the first differ by 1e-7

Made = tuple[Path, Path]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    folder = tmp_path_factory.mktemp("ranks")
    return save_base(folder / "base"), save_corpus(folder / "data", train=13)


@pytest.fixture(scope="module")
def experiments(made: Made, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """One of each strategy. 13 clips in batches of 3: one step leaves a rank without a clip."""
    folder = tmp_path_factory.mktemp("experiments")
    found = {}
    for kind, strategy in STRATEGIES.items():
        home = folder / kind
        home.mkdir()
        changes = {"strategy": strategy, "batch_size": 3, "full_context_share": 0.2}
        if kind in ONE_EPOCH:
            changes["epochs"] = 1
        if kind == "full":
            changes["augment"] = {"speed": {}, "noise": {}, "spec_augment": {}}
        found[kind] = write_experiment(home, *made, **changes)
    return found


def zero(experiment: Path, stage: int) -> Path:
    """The same experiment at a stage of ZeRO."""
    settings = yaml.safe_load(experiment.read_text())
    settings["train"]["zero"] = stage
    path = experiment.with_name(f"zero{stage}.yaml")
    path.write_text(yaml.safe_dump(settings))
    return path


@pytest.mark.slow
def test_two_ranks_compute_what_one_process_does(
    experiments: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MOTHERTONGUE_CACHE", str(tmp_path / "two/cache"))
    plan = [
        {"experiment": str(zero(path, stage)), "run": str(tmp_path / f"two/{kind}{stage}")}
        for kind, path in experiments.items()
        for stage in STAGES.get(kind, (0, 3))
    ]
    found = launched(2, plan, tmp_path)
    assert len(found) == 2 * len(plan)
    monkeypatch.setenv("MOTHERTONGUE_CACHE", str(tmp_path / "one/cache"))
    for kind, path in experiments.items():
        alone = Silent()
        one = RunDir(tmp_path / "one" / kind)
        run(load_experiment(path), one, alone)
        for two in (RunDir(tmp_path / f"two/{kind}{stage}") for stage in STAGES.get(kind, (0, 3))):
            for rank in (each for each in found if each["run"] == str(two.path)):
                assert rank["outcome"] == "done"
                assert rank["losses"] == pytest.approx(alone.losses, rel=ROUNDING), two.path
                assert rank["wers"] == alone.wers, two.path
            records = [json.loads(each.record.read_text()) for each in (one, two)]
            assert [each["devices"] for each in records] == [1, 2]
            for same in ("trainable_parameters", "parameters", "steps", "best_validation_wer"):
                assert records[0][same] == records[1][same]
            lines = [each.metrics.read_text().count("\n") for each in (one, two)]
            assert lines[0] == lines[1]
    # Three clips a step are not for two, and that is said; nothing is stored twice.
    assert all("the 2 devices wait for each other" in " ".join(each["notes"]) for each in found)
    stored = [
        sorted(path.name for path in (tmp_path / each).rglob("cache/**/*.safetensors"))
        for each in ("one", "two")
    ]
    assert stored[0] == stored[1] != []


@pytest.mark.slow
@pytest.mark.parametrize(("stage", "kills"), [(0, ((1, 4), (0, 7))), (3, ((1, 7),))])
def test_a_rank_that_is_killed_ends_the_run_and_it_resumes_to_the_same_bits(
    experiments: dict[str, Path], tmp_path: Path, stage: int, kills: Iterable[tuple[int, int]]
) -> None:
    path = str(zero(experiments["full"], stage))
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    launched(2, [{"experiment": path, "run": str(whole)}], tmp_path)
    for rank, step in kills:
        kill = {"rank": rank, "step": step}
        launched(2, [{"experiment": path, "run": str(killed), "kill": kill}], tmp_path)
        assert not RunDir(killed).is_done
    (first, second) = launched(2, [{"experiment": path, "run": str(killed)}], tmp_path)
    assert first["outcome"] == second["outcome"] == "done"
    for name in ("final/trained.safetensors", "best/trained.safetensors", "metrics.jsonl"):
        assert sha256_file(killed / name) == sha256_file(whole / name)


@pytest.mark.slow
def test_the_advice_when_memory_runs_out_is_one_to_follow(made: Made, tmp_path: Path) -> None:
    """The setting that the message names is accepted, is enough, and loses no checkpoint."""
    changes = {"batch_size": 6, "full_context_share": 0}
    path = write_experiment(tmp_path, *made, **changes)
    each = {"experiment": str(path), "run": str(tmp_path / "run"), "room": {"clips": 1, "step": 3}}
    stopped = launched(2, [each | {"kill": {"rank": -1, "step": 0}}], tmp_path)
    said = next(rank["outcome"] for rank in stopped if "out of memory" in rank["outcome"])
    (size,) = re.findall(r"step \d: out of memory; give train.micro_batch_size=(\d+) and", said)
    smaller = write_experiment(tmp_path, *made, **changes, micro_batch_size=int(size))
    again = launched(2, [each | {"experiment": str(smaller)}], tmp_path)
    assert {rank["outcome"] for rank in again} == {"done"}
    assert len(again[0]["losses"]) == 2 * 3 - 3


@pytest.mark.slow
def test_a_signal_to_one_rank_stops_both_at_the_same_step(
    experiments: dict[str, Path], tmp_path: Path
) -> None:
    stop = {"experiment": str(experiments["full"]), "run": str(tmp_path / "run")}
    stopped = launched(2, [stop | {"signal": {"rank": 1, "step": 5}}], tmp_path)
    assert len(stopped) == 2
    for each in stopped:
        assert each["outcome"].startswith("Preempted: stopped by SIGTERM after step 5 of"), each
    again = launched(2, [stop], tmp_path)
    assert (
        len(again[0]["losses"]) + 5
        == json.loads((tmp_path / "run/record.json").read_text())["steps"]
    )


@pytest.mark.slow
def test_the_processes_die_with_what_started_them(
    made: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = Held(tmp_path / "held", 6, monkeypatch)
    words = ("train", write_experiment(tmp_path, *made), "--out", tmp_path / "run")
    with warm.begun(*words, "--devices", "2") as launcher:
        while not held.waiting():
            assert launcher.is_alive()
            time.sleep(0.05)
        ranks = psutil.Process(launcher.pid).children()
    _, alive = psutil.wait_procs(ranks, timeout=PATIENCE_S)
    assert len(ranks) == 2
    assert not alive
    with RunDir(tmp_path / "run").locked():
        pass


@pytest.mark.slow
def test_the_verb_starts_the_processes_and_says_one_thing(made: Made, tmp_path: Path) -> None:
    command = ["train", write_experiment(tmp_path, *made), "--out", tmp_path / "run", "--devices"]
    done = warm.run("mothertongue.cli", *command, 2, "--json", "-")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["devices"] == 2
    (tmp_path / "run/record.json").unlink()
    changed = warm.run("forks", *command, 2, "train.epochs=9")
    assert changed.returncode == 2
    assert changed.stderr.count("the run was begun with other settings") == 1
    assert "Traceback" not in changed.stderr
    many = warm.run("mothertongue.cli", *command, 999)
    assert many.returncode == 2
    assert "--devices 999: this process may use" in many.stderr
