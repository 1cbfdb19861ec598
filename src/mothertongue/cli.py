"""The verbs. Results go to standard output, logs and progress to standard error.

Nothing heavy is imported before a verb runs: --help answers at once.
"""

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from rich.console import Console, RenderableType

from mothertongue import __version__
from mothertongue.errors import MothertongueError

if TYPE_CHECKING:
    from mothertongue.comparison.grid import Grid

app = typer.Typer(
    help="Teach Whisper your mother tongue: fine-tune it on a few hours of speech, with evidence.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)

Json = Annotated[
    Path | None, typer.Option("--json", help="Write the result as JSON here; - is standard output.")
]
Overrides = Annotated[
    list[str] | None, typer.Argument(help="Settings to change, such as train.epochs=3.")
]
Model = Annotated[str, typer.Argument(help="A base, a run's folder or a CTranslate2 folder.")]
Language = Annotated[str | None, typer.Option(help="Language code, such as sw.")]
Beam = Annotated[int, typer.Option(min=1, help="Beams; 1 is greedy.")]
BatchSize = Annotated[int, typer.Option(min=1, help="Clips decoded together.")]
PrecisionOption = Annotated[
    Literal["auto", "bf16", "fp32"], typer.Option(help="Of the activations, in torch.")
]
ComputeType = Annotated[str, typer.Option(help="CTranslate2's: default, float32, int8, ...")]
EngineOption = Annotated[
    Literal["auto", "torch", "ctranslate2"],
    typer.Option(help="What decodes; auto is CTranslate2 for its folders, torch for all else."),
]
Weights = Annotated[Literal["best", "final"], typer.Option(help="Which weights of a run.")]
SplitOption = Annotated[
    Literal["train", "validation", "test"], typer.Option(help="The split to score.")
]
MaxReject = Annotated[
    float, typer.Option(min=0, max=1, help="Share of rejected rows above which to fail.")
]
AudioColumn = Annotated[str | None, typer.Option(help="The column of audio paths in a table.")]
TextColumn = Annotated[str | None, typer.Option(help="The column of transcripts in a table.")]
TokenizerOf = Annotated[str, typer.Option(help="The base whose tokenizer counts label tokens.")]
TextField = Annotated[
    Literal["transcription", "raw_transcription"] | None,
    typer.Option(help="Of FLEURS: normalized, which is the default, or as written."),
]
TextLeaks = Annotated[
    Literal["reject", "warn"], typer.Option(help="Rows whose sentence a held-out split also has.")
]
SpeakerLeaks = Annotated[
    Literal["reject", "warn"], typer.Option(help="Rows whose speaker a held-out split also has.")
]


def main() -> None:
    """The console script: one message and an exit code for whatever a user can cause."""
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    try:
        app()
    except MothertongueError as error:
        sys.exit(_fail(str(error), error.exit_code))
    except KeyboardInterrupt:
        sys.exit(_fail("interrupted", 130))
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except OSError as error:
        sys.exit(_fail(f"{error.filename or 'input/output'}: {error.strerror or error}", 1))


@app.callback(invoke_without_command=True)
def version(
    show: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    if show:
        print(__version__)
        raise typer.Exit


@app.command()
def prepare(
    source: Annotated[
        Path, typer.Argument(help="A table, a folder of a known layout, a manifest.")
    ],
    language: Annotated[str, typer.Option(help="Language of rows that state none, such as sw.")],
    out: Annotated[Path, typer.Option(help="Folder for manifest.jsonl and rejected.jsonl.")],
    max_reject_fraction: MaxReject = 0.05,
    audio_column: AudioColumn = None,
    text_column: TextColumn = None,
    text_field: TextField = None,
    text_leaks: TextLeaks = "reject",
    speaker_leaks: SpeakerLeaks = "warn",
    allow_outside: Annotated[
        bool, typer.Option(help="Accept audio paths that leave the source's folder.")
    ] = False,
    trust_durations: Annotated[
        bool, typer.Option(help="Do not decode clips whose duration is stated.")
    ] = False,
    base: TokenizerOf = "openai/whisper-base",
    json_file: Json = None,
) -> None:
    """Bring a corpus to a clean manifest, and be told what is wrong with it."""
    from mothertongue.corpus.prepare import PrepareOptions, prepare
    from mothertongue.corpus.report import report_table
    from mothertongue.sources.detect import detect

    options = PrepareOptions(
        language=language,
        max_reject_fraction=max_reject_fraction,
        text_leaks=text_leaks,
        speaker_leaks=speaker_leaks,
        allow_outside=allow_outside,
        trust_durations=trust_durations,
    )
    found = detect(source, audio_column, text_column, text_field)
    with _counting("checking") as progress:
        report = prepare(found, out, options, _label_counter(base), progress)
    _show(report.to_dict(), report_table(report), json_file)
    report.require_ok()


@app.command()
def check(
    manifest: Annotated[Path, typer.Argument(help="A manifest, or its folder.")],
    max_reject_fraction: MaxReject = 0.05,
    text_leaks: TextLeaks = "reject",
    speaker_leaks: SpeakerLeaks = "warn",
    base: TokenizerOf = "openai/whisper-base",
    json_file: Json = None,
) -> None:
    """Run the same checks again on a manifest; writes nothing."""
    from mothertongue.corpus.prepare import PrepareOptions
    from mothertongue.corpus.prepare import check as check_manifest
    from mothertongue.corpus.report import report_table

    options = PrepareOptions(
        max_reject_fraction=max_reject_fraction,
        text_leaks=text_leaks,
        speaker_leaks=speaker_leaks,
    )
    with _counting("checking") as progress:
        report = check_manifest(manifest, options, _label_counter(base), progress)
    _show(report.to_dict(), report_table(report), json_file)
    report.require_ok()


@app.command()
def train(
    experiment: Annotated[Path, typer.Argument(help="The experiment, a YAML file.")],
    overrides: Overrides = None,
    out: Annotated[Path | None, typer.Option(help="The run's folder; default runs/<name>.")] = None,
    json_file: Json = None,
) -> None:
    """Fine-tune; the same command continues a run that was stopped."""
    from mothertongue.experiment import load_experiment, run
    from mothertongue.progress import training_progress
    from mothertongue.records import RunDir
    from mothertongue.tables import run_table

    loaded = load_experiment(experiment, overrides or [])
    folder = out or Path("runs") / loaded.name
    with training_progress() as watcher:
        record = run(loaded, RunDir(folder), watcher)
    result = {"run": str(folder), **record}
    _show(result, run_table(result), json_file)


@app.command()
def plan(
    experiment: Annotated[Path, typer.Argument(help="The experiment, a YAML file.")],
    overrides: Overrides = None,
    json_file: Json = None,
) -> None:
    """Measure a few steps and say what a run will take: parameters, memory, time, disk."""
    from mothertongue.experiment import load_experiment
    from mothertongue.planning.plan import plan as plan_run
    from mothertongue.planning.table import plan_table

    loaded = load_experiment(experiment, overrides or [])
    with _counting("measuring a few steps"):
        result = plan_run(loaded)
    _show(result, plan_table(result), json_file)


@app.command()
def evaluate(
    model: Model,
    data: Annotated[Path, typer.Option(help="The manifest, or its folder.")],
    split: SplitOption = "test",
    language: Language = None,
    weights: Weights = "best",
    beam_size: Beam = 1,
    batch_size: BatchSize = 16,
    engine: EngineOption = "auto",
    precision: PrecisionOption = "auto",
    compute_type: ComputeType = "default",
    json_file: Json = None,
) -> None:
    """Score a model on a split: WER and CER with 95 % intervals under three normalizers."""
    from mothertongue.decoding.transcript import DecodeConfig
    from mothertongue.engines import open_engine
    from mothertongue.languages import language_code
    from mothertongue.scoring import evaluate_model
    from mothertongue.tables import score_table

    code = language_code(language) if language else None
    opened = open_engine(
        model, engine=engine, precision=precision, weights=weights, compute_type=compute_type
    )
    config = DecodeConfig(beam_size=beam_size, batch_size=batch_size)
    result = evaluate_model(model, opened, data, split, config, code)
    _show(result, score_table(result), json_file)


@app.command()
def transcribe(
    model: Model,
    audio: Annotated[list[Path], typer.Argument(help="Audio files of any length.")],
    language: Language = None,
    weights: Weights = "best",
    beam_size: Beam = 1,
    batch_size: BatchSize = 16,
    engine: EngineOption = "auto",
    precision: PrecisionOption = "auto",
    compute_type: ComputeType = "default",
    json_file: Json = None,
) -> None:
    """Turn audio files into text; the language is the run's, the one given, or detected."""
    from mothertongue.decoding.transcript import DecodeConfig
    from mothertongue.engines import open_engine
    from mothertongue.languages import language_code
    from mothertongue.scoring import transcribe_files
    from mothertongue.tables import transcript_lines

    code = language_code(language) if language else None
    opened = open_engine(
        model, engine=engine, precision=precision, weights=weights, compute_type=compute_type
    )
    config = DecodeConfig(beam_size=beam_size, batch_size=batch_size)
    found = transcribe_files(opened, audio, config, code)
    _show({"model": model, "files": found}, transcript_lines(found), json_file)


@app.command()
def compare(
    grid: Annotated[
        str, typer.Argument(help="A grid, a YAML file; or a recipe: paper, paper-base, ...")
    ],
    overrides: Overrides = None,
    out: Annotated[Path | None, typer.Option(help="Its folder; default runs/<name>.")] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="List the runs, their parameters and hours; run none.")
    ] = False,
    jobs: Annotated[
        int | None, typer.Option(min=1, help="Runs at once; default one a GPU, or one.")
    ] = None,
    json_file: Json = None,
) -> None:
    """Compare strategies, hyper-parameters and seeds: which one, how sure, at what price."""
    from mothertongue.comparison.grid import load_grid
    from mothertongue.recipes import recipe_path

    loaded = load_grid(recipe_path(grid), overrides or [])
    if dry_run:
        _dry_run(loaded, json_file)
        return
    from mothertongue.comparison.compare import compare as run_grid
    from mothertongue.comparison.render import comparison_tables, write_tables
    from mothertongue.progress import task_progress

    folder = out or Path("runs") / loaded.name
    with task_progress() as watcher:
        result = run_grid(loaded, folder, jobs, watcher)
    write_tables(result, folder / "tables")
    _show(result, comparison_tables(result), json_file)


@app.command()
def analyze(
    runs: Annotated[list[Path], typer.Argument(help="Folders of runs; seeds become one band.")],
    data: Annotated[
        Path | None, typer.Option(help="The manifest, or its folder; default each run's own.")
    ] = None,
    split: SplitOption = "validation",
    n: Annotated[int, typer.Option("--utterances", min=2, help="Drawn from the split.")] = 100,
    seed: Annotated[int, typer.Option(min=0, help="Of the draw.")] = 0,
    context: Annotated[
        Literal["full", "bucket"], typer.Option(help="30 s, or each clip's own seconds.")
    ] = "full",
    decoder: Annotated[bool, typer.Option("--decoder", help="The decoder's states too.")] = False,
    threshold: Annotated[float, typer.Option(help="Of CKA, for what to freeze.")] = 0.95,
    figures: Annotated[
        Path | None, typer.Option(help="Folder for layers.csv and heatmap.csv.")
    ] = None,
    json_file: Json = None,
) -> None:
    """Compare every layer before and after tuning: CKA, SVCCA, PWCCA, and what to freeze."""
    from mothertongue.analysis.drift import analyze_runs
    from mothertongue.analysis.tables import analysis_tables, write_figures

    with _counting("analyzing", n * len(runs)) as advance:
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
        write_figures(result, figures)
    _show(result, analysis_tables(result), json_file)


@app.command()
def demo(
    overrides: Overrides = None,
    out: Annotated[Path, typer.Option(help="The run's folder.")] = Path("runs/demo"),
    json_file: Json = None,
) -> None:
    """Fine-tune whisper-base on a small synthetic Swahili set and show what it gained."""
    from mothertongue.demo import demo as run_demo
    from mothertongue.tables import demo_tables

    result = run_demo(out, overrides or [])
    _show(result, demo_tables(result), json_file)


def _dry_run(grid: "Grid", json_file: Path | None) -> None:
    from mothertongue.comparison.cost import dry_run
    from mothertongue.comparison.grid import expand
    from mothertongue.comparison.plan_table import plan_table

    with _counting("counting", len(expand(grid))) as advance:
        plan = dry_run(grid, advance)
    _show(plan, plan_table(plan), json_file)


def _label_counter(base: str) -> Callable[[str, str], int]:
    from mothertongue.locate import locate
    from mothertongue.tokens import load_tokens

    return load_tokens(locate(base)).count_label


def _counting(description: str, total: int | None = None) -> Any:
    from mothertongue.progress import counting

    return counting(description, total)


def _show(result: dict[str, Any], table: RenderableType, json_file: Path | None) -> None:
    """The table to standard output, unless that is where the JSON goes."""
    from mothertongue.files import write_json

    if json_file is None or str(json_file) != "-":
        Console().print(table)
        if json_file is not None:
            write_json(json_file, result)
        return
    json.dump(result, sys.stdout, ensure_ascii=False, indent=2, allow_nan=False)
    print()


def _fail(message: str, code: int) -> int:
    print(f"error: {message}", file=sys.stderr)
    return code
