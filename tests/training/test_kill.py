"""SIGKILL at random instants and inside the save: a resumed run ends with the same bits."""

import json
import os
import random
from pathlib import Path

import pytest
import warm
from kill_harness import POINTS
from runs import save_base, save_corpus, write_experiment

from mothertongue.system.files import sha256_file

KILLS = int(os.environ.get("MOTHERTONGUE_KILLS", "4"))  # a strategy; `make faults` asks for 20
STRATEGIES = [
    {"kind": "full"},
    {"kind": "freeze", "encoder_layers": 1},
    {"kind": "reinit", "encoder_layers": 1},
    {"kind": "bottleneck", "dim": 4},
    {"kind": "lora", "rank": 2},
]


@pytest.fixture(scope="module")
def base_and_data(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("killed")
    return save_base(folder / "base"), save_corpus(folder / "data")


AUGMENT = {"speed": {}, "noise": {}, "gain": {}, "spec_augment": {}}


def attempts(experiment: Path, folder: Path, kills: list[dict[str, object]]) -> list[str]:
    plan = experiment.with_suffix(".plan")
    plan.write_text("".join(json.dumps(kill) + "\n" for kill in kills))
    done = warm.run("kill_harness", experiment, folder, plan)
    assert done.returncode == 0, done.stderr
    outcomes: list[str] = json.loads(done.stdout.splitlines()[-1])
    assert outcomes[-1] == "exit 0", done.stderr
    return outcomes


def points(first: int) -> list[str]:
    """Instants inside the save, all of them for each eight kills. The last kills are at any time.

    Of fewer kills than eight each strategy takes the next ones: all together have each twice.
    """
    count = KILLS // 8 * len(POINTS) or KILLS - 1
    return [[*POINTS][(first + i) % len(POINTS)] for i in range(count)]


def fingerprint(folder: Path) -> dict[str, str]:
    names = ("final/trained.safetensors", "best/trained.safetensors", "metrics.jsonl")
    return {name: sha256_file(folder / name) for name in names}


@pytest.mark.slow
@pytest.mark.parametrize("strategy", STRATEGIES, ids=lambda strategy: strategy["kind"])
def test_a_killed_run_ends_with_the_bits_of_an_uninterrupted_one(
    strategy: dict[str, object], base_and_data: tuple[Path, Path], tmp_path: Path
) -> None:
    # Long enough to outlive all kills: each leaves it a second or a few steps.
    changes = {"epochs": 5 * KILLS // 2, "eval_every_steps": 6, "validation_clips": 2}
    experiment = write_experiment(tmp_path, *base_and_data, strategy=strategy, **changes)
    attempts(experiment, tmp_path / "whole", [])
    chance = random.Random(0)
    first = 3 * STRATEGIES.index(strategy)
    named = [{"at": point, "call": chance.randint(1, 4)} for point in points(first)]
    timed = [{"after_s": chance.uniform(0.05, 1.0)} for _ in range(KILLS - len(named))]
    kills = [*named, *timed]
    chance.shuffle(kills)
    outcomes = attempts(experiment, tmp_path / "killed", kills)
    assert outcomes.count("SIGKILL") == len(kills), outcomes
    assert fingerprint(tmp_path / "killed") == fingerprint(tmp_path / "whole")
    left = [path.name for path in (tmp_path / "killed").rglob(".t*")]
    assert not left


def test_a_run_with_averages_that_was_killed_ends_with_the_same_bits_and_record(
    base_and_data: tuple[Path, Path], tmp_path: Path
) -> None:
    changes = {"ema": 0.8, "average_last": 2, "validation_clips": 2}
    experiment = write_experiment(tmp_path, *base_and_data, **changes)
    attempts(experiment, tmp_path / "whole", [])
    kills: list[dict[str, object]] = [
        {"at": "write tensors", "call": 3},
        {"at": "rename", "call": 6},
        {"at": "retire old", "call": 1},
        {"at": "remove old", "call": 2},
    ]
    outcomes = attempts(experiment, tmp_path / "killed", kills)
    assert outcomes.count("SIGKILL") == len(kills), outcomes
    assert fingerprint(tmp_path / "killed") == fingerprint(tmp_path / "whole")
    found, expected = (
        json.loads((tmp_path / name / "record.json").read_text())["best_of"]
        for name in ("killed", "whole")
    )
    assert found == expected
    assert not (tmp_path / "killed/validations").exists()
    last = "checkpoints/step-0000012/average.safetensors"
    assert sha256_file(tmp_path / "killed" / last) == sha256_file(tmp_path / "whole" / last)


def test_an_augmented_run_that_was_killed_ends_with_the_same_bits(
    base_and_data: tuple[Path, Path], tmp_path: Path
) -> None:
    changes = {"augment": AUGMENT, "validation_clips": 2, "workers": 1}
    experiment = write_experiment(tmp_path, *base_and_data, **changes)
    attempts(experiment, tmp_path / "whole", [])
    kills: list[dict[str, object]] = [{"at": "write tensors", "call": call} for call in (2, 5)]
    outcomes = attempts(experiment, tmp_path / "killed", kills)
    assert outcomes.count("SIGKILL") == len(kills), outcomes
    assert fingerprint(tmp_path / "killed") == fingerprint(tmp_path / "whole")
