"""The verbs train, plan and demo."""

from pathlib import Path
from typing import Annotated

import typer

from mothertongue.cli.app import app
from mothertongue.cli.options import Json, Overrides
from mothertongue.cli.support import counting, show, write_page


@app.command()
def train(
    experiment: Annotated[Path, typer.Argument(help="The experiment, a YAML file.")],
    overrides: Overrides = None,
    out: Annotated[
        Path | None, typer.Option(help="The run's folder. Default: runs/<name>.")
    ] = None,
    devices: Annotated[
        int, typer.Option(min=1, help="GPUs of this machine, or processes on its CPU, for one run.")
    ] = 1,
    json_file: Json = None,
) -> None:
    """Fine-tune; the same command continues a run that was stopped."""
    if devices > 1:
        _launch(devices, experiment, overrides, out, json_file)
        return
    from mothertongue.experiment.config import load_experiment
    from mothertongue.experiment.run_dir import RunDir
    from mothertongue.report.tables.verb_tables import run_table
    from mothertongue.system.console import is_main_process
    from mothertongue.training.progress import training_progress
    from mothertongue.training.run import run

    loaded = load_experiment(experiment, overrides or [])
    folder = out or Path("runs") / loaded.name
    with training_progress() as watcher:
        record = run(loaded, RunDir(folder), watcher)
    if not is_main_process():
        return
    result = {"run": str(folder), **record}
    show(result, run_table(result), json_file)
    write_page(folder)


@app.command()
def plan(
    experiment: Annotated[Path, typer.Argument(help="The experiment, a YAML file.")],
    overrides: Overrides = None,
    json_file: Json = None,
) -> None:
    """Measure a few steps and show the cost of a run: parameters, memory, time, disk."""
    from mothertongue.experiment.config import load_experiment
    from mothertongue.report.tables.plan_table import plan_table
    from mothertongue.training.plan import plan as plan_run

    loaded = load_experiment(experiment, overrides or [])
    with counting("measuring a few steps"):
        result = plan_run(loaded)
    show(result, plan_table(result), json_file)


@app.command()
def demo(
    overrides: Overrides = None,
    out: Annotated[Path, typer.Option(help="The run's folder.")] = Path("runs/demo"),
    json_file: Json = None,
) -> None:
    """Fine-tune whisper-base on a small synthetic Swahili set and show what it gained."""
    from mothertongue.cli.demo import demo as run_demo
    from mothertongue.report.tables.verb_tables import demo_tables

    result = run_demo(out, overrides or [])
    show(result, demo_tables(result), json_file)
    write_page(out)


def _launch(
    devices: int,
    experiment: Path,
    overrides: list[str] | None,
    out: Path | None,
    json_file: Path | None,
) -> None:
    from mothertongue.training.launch import launch

    verb = ["train", str(experiment), *(overrides or [])]
    verb += ["--out", str(out)] if out else []
    verb += ["--json", str(json_file)] if json_file else []
    launch(devices, verb)
