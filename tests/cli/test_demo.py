"""The demo's own path on a tiny random base: data in the package, scores, what to type next."""

import json
import sys
from pathlib import Path

import pytest
from runs import save_base

from mothertongue import cli

SCORE = {"wer", "cer", "interval95", "n", "substitutions", "deletions", "insertions"}
SCORE |= {"reference_words", "normalizer", "context"}


@pytest.mark.slow
def test_the_demo_scores_tunes_and_scores_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    base = save_base(tmp_path / "base")
    arguments = [
        "demo",
        f"base={base}",
        "train.full_context_share=0",
        "--out",
        str(tmp_path / "run"),
    ]
    monkeypatch.setattr(sys, "argv", ["mothertongue", *arguments, "--json", str(tmp_path / "j")])
    with pytest.raises(SystemExit) as stop:
        cli.main()
    assert stop.value.code == 0
    out = capsys.readouterr().out
    for expected in ("before", "after", "Three clips", "synthetic", "mothertongue prepare"):
        assert expected in out
    result = json.loads((tmp_path / "j").read_text())
    assert set(result) >= {"before", "after", "wall_s", "peak_memory_bytes", "run"}
    assert set(result["before"]) >= SCORE
    assert (result["after"]["n"], result["after"]["context"]) == (50, "full")
    assert result["train"]["steps"] == 120
    lines = (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()
    losses = [line["loss"] for line in map(json.loads, lines) if "loss" in line]
    assert sum(losses[-20:]) < sum(losses[:20])
    assert (tmp_path / "run" / "best" / "trained.safetensors").is_file()
    page = (tmp_path / "run" / "report.html").read_text("utf-8")
    assert "50 of them can be played" in page
