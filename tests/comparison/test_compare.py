"""From a grid to its table: reuse, choice on validation, one look at the test split."""

import json
import shutil
import time
from collections.abc import Sequence
from pathlib import Path

import psutil
import pytest
import warm
from grids import MakeGrid, Quiet, in_process
from held import Held
from runs import PATIENCE_S, Silent
from typer.testing import CliRunner

from mothertongue.cli import app
from mothertongue.comparison.compare import compare
from mothertongue.comparison.jobs.task import IsCut, Task, TaskWatcher, never
from mothertongue.comparison.schema import SwitchedOff
from mothertongue.errors import ConfigError
from mothertongue.report.tables.terminal import write_tables
from mothertongue.report.write import write_report


def test_a_grid_becomes_runs_and_a_table(make_grid: MakeGrid, tmp_path: Path) -> None:
    watcher = Quiet()
    result = compare(make_grid(seeds=[0, 1]), tmp_path / "out", in_process, watcher)
    trained = [name for name in watcher.done if not name.startswith("scoring")]
    assert len(trained) == 3 * 2
    rows = {row.strategy: row for row in result.languages["sw"].strategies}
    assert list(rows) == ["full", "freeze"]
    curve = [each for each in result.curves if each.strategy == "freeze"]
    means = {
        n: sum(e.wer for e in curve if e.settings["strategy.encoder_layers"] == n) / 2
        for n in (1, 2)
    }
    chosen = rows["freeze"].settings["strategy.encoder_layers"]
    assert means[chosen] == min(means.values())
    assert rows["freeze"].chosen_at_wer == pytest.approx(means[chosen])
    assert rows["full"].vs_reference is None
    wers = {name: row.scores["strict"].wer for name, row in rows.items()}
    best = min(wers, key=lambda name: wers[name])
    assert [name for name, row in rows.items() if row.vs_best is None] == [best]
    assert rows["freeze"].vs_reference.p > 0
    assert rows["freeze"].trainable_parameters < rows["full"].trainable_parameters
    assert rows["full"].warm_share == 0
    assert 0 <= rows["freeze"].warm_share <= 1
    scores = rows["full"].scores["strict"]
    assert scores.wer == pytest.approx(sum(scores.by_seed) / 2)
    assert rows["full"].retention.sets["en"].n == 4
    assert rows["full"].retention.switched_off is None
    assert "also-other" in rows["full"].also
    assert result.languages["sw"].data["train"].clips == 12
    assert json.loads((tmp_path / "out/comparison.json").read_text())["name"] == "tiny"
    written = {path.name for path in write_tables(result, tmp_path / "tables")}
    assert written >= {"table.csv", "table.md", "table.tex", "curves.csv", "retention.csv"}
    sets = json.loads((tmp_path / "out/clips.json").read_text())
    assert [(each["name"], each["systems"]) for each in sets] == [
        ("test", ["base", "full", "freeze"]),
        ("also-other", ["base", "full", "freeze"]),
    ]
    page = write_report([tmp_path / "out"])
    assert page.clips == page.playable == 6


@pytest.mark.parametrize("kind", ["bottleneck", "lora"])
def test_adapters_that_are_switched_off_give_the_bases_transcripts(
    kind: str, make_grid: MakeGrid, tmp_path: Path
) -> None:
    adapted = {"strategy": {"kind": kind}, "train": {"learning_rate": 0.3, "epochs": 3}}
    grid = make_grid(strategies={"full": adapted})
    (row,) = compare(grid, tmp_path / "out", in_process, Quiet()).languages["sw"].strategies
    assert row.retention.switched_off == SwitchedOff("en", 4, [])
    on, off, base = (
        [
            (each["hypothesis"], each["average_log_probability"])
            for each in json.loads(path.read_text())["utterances"]
        ]
        for path in (
            tmp_path / "out/runs/sw-full-seed0/eval/retention-en.json",
            tmp_path / "out/runs/sw-full-seed0/eval/off-en.json",
            tmp_path / "out/base/eval/retention-en.json",
        )
    )
    assert off == base != on


def test_only_what_was_chosen_ever_sees_the_test_split(make_grid: MakeGrid, tmp_path: Path) -> None:
    result = compare(make_grid(), tmp_path / "out", in_process, Quiet())
    chosen = {name for row in result.languages["sw"].strategies for name in row.runs}
    tested = {path.parents[1].name for path in (tmp_path / "out/runs").glob("*/eval/test.json")}
    assert tested == chosen
    assert len(chosen) == 2


def test_what_is_done_is_not_done_again(make_grid: MakeGrid, tmp_path: Path) -> None:
    first, again = Quiet(), Quiet()
    before = compare(make_grid(), tmp_path / "out", in_process, first)
    assert compare(make_grid(), tmp_path / "out", in_process, again) == before
    assert again.done == []
    run = tmp_path / "out/runs/sw-full-seed0"
    shutil.rmtree(run)
    compare(make_grid(), tmp_path / "out", in_process, again)
    assert again.done == ["sw-full-seed0", "scoring sw-full-seed0"]


def test_a_second_choice_after_the_test_is_refused(make_grid: MakeGrid, tmp_path: Path) -> None:
    one = {"strategy": {"kind": "freeze"}, "sweep": {"strategy.encoder_layers": [2]}}
    strategies = {"full": {"strategy": {"kind": "full"}}, "freeze": one}
    compare(make_grid(strategies=strategies), tmp_path / "out", in_process, Quiet())
    other = one | {"sweep": {"strategy.encoder_layers": [1]}}
    compare(
        make_grid(strategies={"full": strategies["full"]}), tmp_path / "out", in_process, Quiet()
    )
    with pytest.raises(ConfigError, match="a choice made after seeing the test"):
        compare(
            make_grid(strategies=strategies | {"freeze": other}),
            tmp_path / "out",
            in_process,
            Quiet(),
        )


def test_the_papers_protocol_chooses_on_test_and_says_so(
    make_grid: MakeGrid, tmp_path: Path
) -> None:
    result = compare(make_grid(protocol="paper"), tmp_path / "out", in_process, Quiet())
    assert result.chosen_on == "test"
    assert {point.split for point in result.curves} == {"test"}


def test_missing_data_is_listed_before_anything_runs(make_grid: MakeGrid, tmp_path: Path) -> None:
    languages = {"sw": {"data": "nowhere", "also": {"other": {"data": "nor/here"}}}}
    with pytest.raises(ConfigError, match="2 manifests are not there") as raised:
        compare(make_grid(languages=languages), tmp_path / "out", in_process, Quiet())
    assert "languages.sw.also.other.data: nor/here" in str(raised.value)
    assert not (tmp_path / "out").exists()


def test_compare_writes_the_pages_of_runs_with_their_scores(
    make_grid: MakeGrid, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_grid(strategies={"full": {"strategy": {"kind": "full"}}}, retention={})
    pages: list[Path] = []

    def as_processes(tasks: Sequence[Task], watcher: TaskWatcher, is_cut: IsCut = never) -> None:
        in_process(tasks, watcher, is_cut)
        for run in (Path(task.command[-1]) for task in tasks if "train" in task.command):
            pages.append(run / "report.html")
            pages[-1].write_text("the page that train wrote")

    runner = "mothertongue.comparison.jobs.local.on_this_machine"
    monkeypatch.setattr(runner, lambda jobs, devices: as_processes)
    command = ["compare", str(tmp_path / "grid.yaml"), "--out", str(tmp_path / "out")]
    assert CliRunner().invoke(app, command).exit_code == 0
    (page,) = pages
    assert "the page that train wrote" not in page.read_text("utf-8")
    written = page.stat().st_mtime_ns
    assert CliRunner().invoke(app, command).exit_code == 0
    assert page.stat().st_mtime_ns == written  # it is whole now


@pytest.mark.slow
def test_from_the_command_line_in_processes_of_its_own(make_grid: MakeGrid, tmp_path: Path) -> None:
    one = {"sweep": {"strategy.encoder_layers": [1]}, "strategy": {"kind": "freeze"}}
    make_grid(strategies={"full": one}, retention={})
    command = ["mothertongue.cli", "compare", tmp_path / "grid.yaml", "--json", "-"]
    done = warm.run(*command, "--out", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert [row["strategy"] for row in result["languages"]["sw"]["strategies"]] == ["full"]
    assert "done    sw-full-encoder_layers1-seed0" in done.stderr
    assert (tmp_path / "out/tables/table.md").is_file()
    (page,) = (tmp_path / "out/runs").glob("*/report.html")
    left = [page.with_name(".report.html.lock"), page.with_name(f".tmp-{'0' * 32}")]
    for path in (page.replace(left[1]), left[0]):  # the run was killed while it wrote its page
        path.touch()
    again = warm.run(*command, "--out", tmp_path / "out")
    assert again.returncode == 0, again.stderr
    assert page.is_file() and not any(path.exists() for path in left)
    planned = warm.run(*command, "--dry-run")
    assert planned.returncode == 0, planned.stderr
    (run,) = json.loads(planned.stdout)["runs"]
    assert {"name", "language", "strategy", "trainable_parameters", "steps"} < set(run)
    assert run["is_measured"] and run["estimated_hours"] > 0


@pytest.mark.slow
def test_a_killed_comparison_leaves_nothing_running_and_goes_on(
    make_grid: MakeGrid, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train = {"epochs": 2, "batch_size": 2, "precision": "fp32", "learning_rate": 1e-3}
    train |= {"save_every_steps": 3, "workers": 1}
    grid = make_grid(strategies={"full": {"strategy": {"kind": "full"}}}, train=train, retention={})
    held, out = Held(tmp_path / "held", 6, monkeypatch), tmp_path / "out"
    with warm.begun("compare", tmp_path / "grid.yaml", "--out", out) as verb:
        while not held.waiting():
            assert verb.is_alive()
            time.sleep(0.05)
        children = psutil.Process(verb.pid).children(recursive=True)
    _, alive = psutil.wait_procs(children, timeout=PATIENCE_S)
    assert children and not alive
    began: list[int] = []
    monkeypatch.setattr(Silent, "begun", lambda self, step, total_steps: began.append(step))
    compare(grid, out, in_process, Quiet())
    assert began == [3]
