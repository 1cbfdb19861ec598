"""The campaign in small: a share of its inputs, kills and disks, by the command itself."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from runs import PATIENCE_S

ROOT = Path(__file__).parents[2]
KINDS = ("audio", "tables", "folders", "settings", "runs", "beside")
PARTS = (*KINDS, "media", "checkpoints", "kills", "disk")


@pytest.fixture(scope="module")
def figures(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Return what the reduced campaign found; its page lies beside it."""
    out = tmp_path_factory.mktemp("faults") / "reliability.json"
    paths = os.pathsep.join(str(ROOT / name) for name in ("src", "benchmarks", "tests/helpers"))
    # What is freed is overwritten, so that a decoder that reads on does not get away with it.
    environ = os.environ | {"PYTHONPATH": paths, "MALLOC_PERTURB_": "165"}
    command = [sys.executable, "-m", "faults", *PARTS, "--reduced", "--out", str(out)]
    done = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=PATIENCE_S)
    assert done.returncode == 0, done.stderr
    assert "| inputs | traceback | crash |" in out.with_suffix(".md").read_text("utf-8")
    found: dict[str, Any] = json.loads(out.read_text("utf-8"))
    return found


@pytest.mark.parametrize("kind", KINDS)
def test_malformed_inputs_are_refused(figures: dict[str, Any], kind: str) -> None:
    found = figures[kind]
    assert found["inputs"] > 1
    assert not found["found"]
    assert not any(found["faults"].values())


def test_mutated_media_crash_nothing(figures: dict[str, Any]) -> None:
    found = figures["media"]
    assert (found["mutants"], found["crashes"], found["faults"]) == (2000, 0, {})
    assert found["peak_bytes"] - found["idle_bytes"] < 300e6
    assert sum(found["refused"].values()) + found["taken"] == found["mutants"]


def test_every_damage_of_a_checkpoint_is_found(figures: dict[str, Any]) -> None:
    found = figures["checkpoints"]
    assert found["damages"] == 16
    assert found["found_damages"] == found["same_weights"] == found["damages"]


def test_a_killed_verb_goes_on(figures: dict[str, Any]) -> None:
    found = figures["kills"]
    assert not found["found"]
    assert all(each["kills"] for each in found["verbs"].values())


def test_a_full_disk_leaves_what_was_there(figures: dict[str, Any]) -> None:
    found = figures["disk"]
    if "left_out" in found:
        pytest.skip(found["left_out"])
    assert not found["found"]
    assert all(each["full"] for each in found["verbs"].values())
