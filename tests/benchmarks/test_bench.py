"""The benchmark itself on a tiny base: both sides run, and compute the same."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import bench
import children
import page
import pytest
import warm
from runs import save_base, save_corpus
from sections.train import _summary
from work import read_split, representative

ROOT = Path(__file__).parents[2]


def run_warm(
    python: str, program: Path, spec: str, environ: dict[str, str]
) -> "subprocess.CompletedProcess[str]":
    """Run a program of the benchmark without waiting for its interpreter to import torch."""
    assert python == sys.executable
    return warm.run(program, spec, environ=environ)


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], str]:
    """The JSON and the page."""
    folder = tmp_path_factory.mktemp("bench")
    base, data = save_base(folder / "base"), save_corpus(folder / "data", train=16)
    options = {"--threads": 1, "--rounds": 1, "--steps": 2, "--batch-size": 2}
    options |= {"--base": base, "--data": data, "--out": folder / "bench.json"}
    command = ["bench.py", "train", "decode", "--only", "full", "lora"]
    command += [str(each) for pair in options.items() for each in pair]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", command)
        patch.setattr(children, "run_program", run_warm)
        bench.main()
    text = (folder / "bench.md").read_text("utf-8")
    return json.loads((folder / "bench.json").read_text()), text


@pytest.mark.slow
@pytest.mark.parametrize("strategy", ["full", "lora"])
def test_both_sides_train(found: Any, strategy: str) -> None:
    rows = found[0]["train fp32"]["strategies"][strategy]
    assert {"peer", "ours"} <= rows.keys()
    assert all(each["clips_per_s"] > 0 for each in rows.values())
    assert rows["peer"]["gflop_per_clip"] > 4 * rows["ours"]["gflop_per_clip"]


def test_a_share_of_the_ceiling_is_of_the_median_speed() -> None:
    row = {"clips_per_s": [1.0, 2.0, 9.0], "peak": [5, 7], "flops": 3e9, "loss": 1.0}
    found = _summary(row, ceiling=12e9)
    assert (found["clips_per_s"], found["clips_per_s_range"]) == (2.0, [1.0, 9.0])
    assert (found["gflop_per_clip"], found["share_of_ceiling"]) == (3.0, 0.5)
    assert found["peak_memory_bytes"] == 7


@pytest.mark.slow
def test_both_sides_compute_the_same_loss(found: Any) -> None:
    """On the same clips at the same context, before any update."""
    rows = found[0]["train fp32"]["strategies"]["full"]
    assert rows["ours at 30 s"]["first_loss"] == pytest.approx(rows["peer"]["first_loss"], abs=2e-4)
    assert rows["ours"]["first_loss"] != pytest.approx(rows["peer"]["first_loss"], abs=2e-4)


@pytest.mark.slow
def test_both_sides_decode_the_same_text(found: Any) -> None:
    engines = found[0]["decode fp32"]["engines"]
    at_30_s = {name: each["wer"] for name, each in engines.items() if name.endswith("30 s")}
    assert len(at_30_s) >= 3
    ours = at_30_s["mothertongue in torch, 30 s"]
    assert at_30_s["mothertongue in CTranslate2, 30 s"] == ours


@pytest.mark.slow
def test_page_has_what_was_measured(found: Any) -> None:
    measured, text = found
    speed = measured["train fp32"]["strategies"]["full"]["ours"]["clips_per_s"]
    assert "## Training, fp32" in text
    assert f"| full | ours | {speed:.2f} (" in text
    assert "## Decoding, fp32" in text


def test_a_section_replaces_only_itself(tmp_path: Path) -> None:
    out = tmp_path / "bench.json"
    page.update(out, "train", {"a": 1})
    page.update(out, "wer", {"b": 2})
    page.update(out, "train", {"c": 3})
    assert json.loads(out.read_text()) == {"train": {"c": 3}, "wer": {"b": 2}}


def test_representative_steps_span_the_lengths(tmp_path: Path) -> None:
    clips = read_split(save_corpus(tmp_path, train=200), "train")
    chosen = representative(clips, 3, 8)
    assert len(chosen) == 24
    lengths = [each.duration_s for each in chosen]
    everyone = [each.duration_s for each in clips]
    assert min(lengths) < sum(everyone) / len(everyone) < max(lengths)


def test_unknown_section() -> None:
    done = warm.run(ROOT / "benchmarks/bench.py", "trian")
    assert done.returncode == 2
    assert "unknown section trian; expected train, decode, scaling, wer" in done.stderr
