"""The verbs train, plan and demo."""

from pathlib import Path
from typing import Annotated

import typer

from mothertongue.cli.app import app
from mothertongue.cli.options import Json, Overrides, Recipe
from mothertongue.cli.support import counting, show, write_chart, write_page


@app.command()
def init(
    data: Annotated[Path, typer.Argument(help="A manifest, or its folder.")],
    base: Annotated[
        str | None, typer.Option(help="The base; default the best that memory and time allow.")
    ] = None,
    hours_to_spend: Annotated[
        float, typer.Option(help="Hours that the training may take on this machine.")
    ] = 8.0,
    borrow: Annotated[
        str | None, typer.Option(help="Whose token a language without one takes, such as yo.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="The experiment; default <folder of DATA>.yaml.")
    ] = None,
    json_file: Json = None,
) -> None:
    """Write an experiment that fits this corpus and this machine, and say why."""
    from mothertongue.config import parse
    from mothertongue.report.tables.plan_tables import proposal_table
    from mothertongue.training.proposal import InitOptions, propose, run_name
    from mothertongue.training.proposal_file import refuse_existing, write_proposal

    path = out or Path(f"{run_name(data)}.yaml")
    refuse_existing(path)
    given = {"name": run_name(path), "data": data, "base": base}
    given |= {"hours_to_spend": hours_to_spend, "borrow": borrow}
    options = parse(InitOptions, given, "init")
    with counting("measuring a few steps"):
        proposal = propose(options)
    result = write_proposal(path, proposal)
    show(result, proposal_table(result), json_file)


@app.command()
def train(
    experiment: Annotated[Path, typer.Argument(help="The experiment, a YAML file.")],
    overrides: Overrides = None,
    recipe: Recipe = None,
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
        _launch(devices, experiment, overrides, recipe, out, json_file)
        return
    from mothertongue.experiment.config import load_experiment
    from mothertongue.experiment.run_dir import RunDir
    from mothertongue.report.tables.verb_tables import run_table
    from mothertongue.system.console import is_main_process
    from mothertongue.system.json_files import to_json
    from mothertongue.training.progress import training_progress
    from mothertongue.training.run import run

    loaded = load_experiment(experiment, overrides or [], recipe)
    folder = out or Path("runs") / loaded.name
    with training_progress() as watcher:
        record = run(loaded, RunDir(folder), watcher)
    if not is_main_process():
        return
    result = {"run": str(folder), **to_json(record)}
    show(result, run_table(record, str(folder)), json_file)
    write_page(folder)


@app.command()
def average(
    runs: Annotated[list[Path], typer.Argument(help="Finished runs of one base, data, strategy.")],
    out: Annotated[Path, typer.Option(help="The folder of the new run.")],
    with_base: Annotated[
        str | None,
        typer.Option(
            metavar="ALPHA|sweep",
            help="Interpolate with the base: 0 is the base, 1 the runs; sweep chooses it.",
        ),
    ] = None,
    retention: Annotated[
        list[Path] | None,
        typer.Option(
            help="With sweep: a manifest in another language, test split; may be repeated. "
            "Default: the retention sets of the comparison that the runs belong to."
        ),
    ] = None,
    json_file: Json = None,
) -> None:
    """Average the weights of runs (model soup), or interpolate them with their base (WiSE-FT)."""
    from mothertongue.comparison.average import average as average_runs
    from mothertongue.comparison.average import parse_alpha, retention_sets
    from mothertongue.report.tables.average_table import average_table
    from mothertongue.system.json_files import to_json

    alpha = parse_alpha(with_base) if with_base is not None else None
    record = average_runs(runs, out, alpha, retention_sets(runs, retention or (), alpha))
    result = {"run": str(out), **to_json(record)}
    show(result, average_table(record, str(out)), json_file)
    if alpha == "sweep":
        write_chart(record, out)
    write_page(out)


@app.command()
def plan(
    experiment: Annotated[Path, typer.Argument(help="The experiment, a YAML file.")],
    overrides: Overrides = None,
    recipe: Recipe = None,
    json_file: Json = None,
) -> None:
    """Measure a few steps and show the cost of a run: parameters, memory, time, disk."""
    from mothertongue.experiment.config import load_experiment
    from mothertongue.report.tables.plan_tables import plan_table
    from mothertongue.training.plan_probe import plan as plan_run

    loaded = load_experiment(experiment, overrides or [], recipe)
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
    recipe: str | None,
    out: Path | None,
    json_file: Path | None,
) -> None:
    from mothertongue.training.launch import launch

    verb = ["train", str(experiment), *(overrides or [])]
    verb += ["--recipe", recipe] if recipe else []
    verb += ["--out", str(out)] if out else []
    verb += ["--json", str(json_file)] if json_file else []
    launch(devices, verb)
