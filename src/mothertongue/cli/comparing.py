"""The verbs compare, analyze and report."""

from contextlib import AbstractContextManager, nullcontext
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from typer.core import TyperCommand

from mothertongue.cli.app import app
from mothertongue.cli.options import Json, Overrides, SplitOption
from mothertongue.cli.support import counting, lacks_page, show, write_page

if TYPE_CHECKING:
    from mothertongue.comparison.grid import Grid
    from mothertongue.comparison.jobs.task import Runner


class _RayAlone(TyperCommand):
    """Accepts `--ray` without an address as `--ray local`: a typer option has a value or none."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        following = dict(zip(args, [*args[1:], ""], strict=True)).get("--ray", "local")
        if following not in ("auto", "local") and (":" not in following or "=" in following):
            args.insert(args.index("--ray") + 1, "local")
        return super().parse_args(ctx, args)


@app.command(cls=_RayAlone)
def compare(
    grid: Annotated[
        str, typer.Argument(help="A grid (YAML file) or a recipe: paper, paper-base, ...")
    ],
    overrides: Overrides = None,
    out: Annotated[
        Path | None, typer.Option(help="The comparison's folder. Default: runs/<name>.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only list the runs and what they would cost.")
    ] = False,
    jobs: Annotated[
        int | None,
        typer.Option(min=1, help="Runs at once. Default: as many as the GPUs allow, or one."),
    ] = None,
    devices_per_run: Annotated[
        int, typer.Option(min=1, help="GPUs, or processes on a CPU, for each run.")
    ] = 1,
    ray: Annotated[
        str | None,
        typer.Option(
            metavar="[ADDRESS]",
            help="Run on Ray: auto, HOST:PORT or ray://...; without one, start it here.",
        ),
    ] = None,
    cpus_per_run: Annotated[
        float | None,
        typer.Option(min=0.01, help="With --ray. Default: a whole node, or 1 if it has a GPU."),
    ] = None,
    gpus_per_run: Annotated[
        float | None, typer.Option(min=0, help="With --ray, such as 0.5; default 1 if there are.")
    ] = None,
    storage: Annotated[
        str | None,
        typer.Option(help="With --ray, where nodes share no folder: s3://..., any fsspec URL."),
    ] = None,
    json_file: Json = None,
) -> None:
    """Compare strategies, hyper-parameters and seeds: which is best, how sure, at what cost."""
    from mothertongue.comparison.grid import load_grid
    from mothertongue.recipes import recipe_path

    loaded = load_grid(recipe_path(grid), overrides or [])
    if dry_run:
        _dry_run(loaded, json_file)
        return
    from mothertongue.comparison.compare import compare as run_grid
    from mothertongue.comparison.progress import task_progress
    from mothertongue.report.tables.terminal import comparison_tables, write_tables
    from mothertongue.system.locks import locked

    folder = out or Path("runs") / loaded.name
    share = (cpus_per_run, gpus_per_run, devices_per_run)
    with _runner(jobs, ray, share, folder, storage) as runner, task_progress() as watcher:
        result = run_grid(loaded, folder, runner, watcher, devices_per_run)
    with locked(folder / "tables" / ".lock"):
        write_tables(result, folder / "tables")
    show(result, comparison_tables(result), json_file)
    write_page(folder)
    # `train` writes a run's page before there are scores, and does not begin a finished run again.
    done = [record.parent for record in sorted(folder.glob("runs/*/record.json"))]
    for run in filter(lacks_page, done):
        write_page(run)


@app.command()
def analyze(
    runs: Annotated[
        list[Path],
        typer.Argument(help="Folders of runs; runs that differ only in seed form one group."),
    ],
    data: Annotated[
        Path | None, typer.Option(help="A manifest or its folder. Default: each run's own.")
    ] = None,
    split: SplitOption = "validation",
    n: Annotated[
        int, typer.Option("--utterances", min=2, help="How many utterances to draw.")
    ] = 100,
    seed: Annotated[int, typer.Option(min=0, help="The seed of the draw.")] = 0,
    context: Annotated[
        Literal["full", "bucket"], typer.Option(help="Audio context: 30 s, or each clip's length.")
    ] = "full",
    decoder: Annotated[bool, typer.Option("--decoder", help="Also compare the decoder.")] = False,
    threshold: Annotated[float, typer.Option(help="Freeze layers at or above this CKA.")] = 0.95,
    figures: Annotated[
        Path | None, typer.Option(help="Folder for layers.csv and heatmap.csv.")
    ] = None,
    json_file: Json = None,
) -> None:
    """Compare every layer before and after tuning: CKA, SVCCA, PWCCA, and what to freeze."""
    from mothertongue.analysis.drift import analyze_runs
    from mothertongue.report.tables.layer_tables import analysis_tables, write_figures
    from mothertongue.system.locks import locked

    with counting("analyzing", n * len(runs)) as advance:
        result = analyze_runs(
            runs,
            data=data,
            split=split,
            n=n,
            seed=seed,
            context=context,
            decoder=decoder,
            threshold=threshold,
            advance=advance,
        )
    if figures is not None:
        with locked(figures / ".lock"):
            write_figures(result, figures)
    show(result, analysis_tables(result), json_file)


@app.command()
def report(
    paths: Annotated[list[Path], typer.Argument(help="Folders of comparisons or runs.")],
    out: Annotated[
        Path | None, typer.Option(help="The page. Default: report.html in the first folder.")
    ] = None,
    audio: Annotated[
        Literal["embed", "beside", "none"],
        typer.Option(help="Sound in the page, in a folder next to it, or no sound."),
    ] = "embed",
    audio_mb: Annotated[
        float,
        typer.Option(
            "--audio-mb", min=0, max=1e4, help="At most this many megabytes of sound are embedded."
        ),
    ] = 16.0,
    figures: Annotated[
        Path | None, typer.Option(help="Folder for SVG, PDF, LaTeX and CSV, for papers.")
    ] = None,
    analysis: Annotated[
        list[Path] | None, typer.Option(help="A file that mothertongue analyze --json wrote.")
    ] = None,
    json_file: Json = None,
) -> None:
    """Write one page: which strategy is best, how sure, at what cost, and how it sounds."""
    from mothertongue.report.tables.verb_tables import report_line
    from mothertongue.report.write import ReportOptions, write_report

    options = ReportOptions(audio, audio_mb, figures, tuple(analysis or ()))
    with counting("reading audio") as advance:
        result = write_report(paths, out, options, advance)
    show(result, report_line(result), json_file)


def _runner(
    jobs: int | None,
    ray: str | None,
    share: tuple[float | None, float | None, int],
    folder: Path,
    storage: str | None,
) -> "AbstractContextManager[Runner]":
    from mothertongue.errors import ConfigError

    if ray is None:
        from mothertongue.comparison.jobs.local import on_this_machine

        *parts, devices = share
        if any(each is not None for each in (*parts, storage)):
            raise ConfigError(
                "--cpus-per-run, --gpus-per-run and --storage have no effect without --ray"
            )
        return nullcontext(on_this_machine(jobs, devices))
    if jobs is not None:
        raise ConfigError("--jobs has no effect with --ray; give --cpus-per-run or --gpus-per-run")
    if find_spec("ray") is None:
        raise ConfigError("--ray needs Ray; pip install 'mothertongue[cluster]'")
    from mothertongue.comparison.jobs.object_store import Storage
    from mothertongue.comparison.jobs.ray_cluster import Share, on_ray

    return on_ray(ray, Share(*share), folder, Storage(storage) if storage else None)


def _dry_run(grid: "Grid", json_file: Path | None) -> None:
    from mothertongue.comparison.dry_run import dry_run
    from mothertongue.comparison.grid import expand
    from mothertongue.report.tables.plan_tables import grid_table
    from mothertongue.system.console import note

    with counting("measuring", len(expand(grid))) as advance:
        plan = dry_run(grid, advance, note)
    show(plan, grid_table(plan), json_file)
