"""The verbs that run a model."""

from pathlib import Path
from typing import Annotated

import typer

from mothertongue.cli.app import app
from mothertongue.cli.options import (
    BatchSize,
    Beam,
    ComputeType,
    EngineOption,
    Json,
    Language,
    Model,
    PrecisionOption,
    SplitOption,
    Weights,
)
from mothertongue.cli.support import counting, show, write_page


@app.command()
def evaluate(
    model: Model,
    data: Annotated[
        Path | None, typer.Option(help="The manifest, or its folder; a run knows its own.")
    ] = None,
    split: SplitOption = "test",
    with_base: Annotated[
        bool, typer.Option("--with-base", help="Score a run's untouched base too.")
    ] = False,
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
    from functools import partial

    from mothertongue.decoding.transcript import DecodeConfig
    from mothertongue.engines import open_engine
    from mothertongue.languages import language_code
    from mothertongue.records import is_run
    from mothertongue.run_scores import evaluate_any
    from mothertongue.tables import score_tables

    code = language_code(language) if language else None
    opened = partial(
        open_engine, engine=engine, precision=precision, weights=weights, compute_type=compute_type
    )
    config = DecodeConfig(beam_size=beam_size, batch_size=batch_size)
    result = evaluate_any(model, data, split, code, config, opened, with_base)
    show(result, score_tables(result), json_file)
    if is_run(Path(model)):
        write_page(Path(model))


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
    show({"model": model, "files": found}, transcript_lines(found), json_file)


@app.command()
def export(
    run: Annotated[Path, typer.Argument(help="A finished run's folder.")],
    format_: Annotated[
        str, typer.Option("--format", help="hf, adapter, ctranslate2, ggml or onnx.")
    ],
    out: Annotated[
        Path | None, typer.Option(help="The artefact's folder; default RUN/export/FORMAT-TYPE.")
    ] = None,
    type_: Annotated[
        str | None, typer.Option("--type", help="Of the weights; default full precision.")
    ] = None,
    split: SplitOption = "validation",
    clips: Annotated[int, typer.Option(min=1, help="Clips to verify it with at most.")] = 32,
    max_wer_loss: Annotated[
        float, typer.Option(min=0, help="Of rounded weights: WER may rise by this at most.")
    ] = 0.01,
    json_file: Json = None,
) -> None:
    """Write a run for another engine, and verify with that engine that it says the same."""
    from mothertongue.exporting import default_folder
    from mothertongue.exporting import export as export_run
    from mothertongue.tables import verification_table

    folder = out or default_folder(run, format_, type_)
    with counting(f"exporting and verifying {folder}"):
        result = export_run(run, format_, type_, folder, split, clips, max_wer_loss)
    show({"out": str(folder), **result}, verification_table(str(folder), result), json_file)
