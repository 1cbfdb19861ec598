"""The verb label."""

from pathlib import Path
from typing import Annotated, Any

import typer

from mothertongue.cli.app import app
from mothertongue.cli.options import (
    BatchSize,
    Beam,
    ComputeType,
    EngineOption,
    Json,
    Language,
    Lm,
    LmWeight,
    Model,
    PrecisionOption,
    VadOption,
    Weights,
)
from mothertongue.cli.support import decoding, show


@app.command()
def label(
    model: Model,
    audio: Annotated[
        list[Path], typer.Argument(help="Recordings without text, folders or patterns.")
    ],
    out: Annotated[Path, typer.Option(help="Folder for the manifest and what is left out.")],
    language: Language = None,
    keep: Annotated[
        float, typer.Option(min=0, max=1, help="Share of the pieces to keep, the most probable.")
    ] = 0.7,
    min_speed: Annotated[float, typer.Option(min=0, help="Least characters a second.")] = 5.0,
    max_speed: Annotated[float, typer.Option(min=0, help="Most characters a second.")] = 25.0,
    agree_with: Annotated[
        str | None, typer.Option(help="A second model, which has to recognize nearly the same.")
    ] = None,
    least_agreement: Annotated[
        float | None,
        typer.Option(min=0, max=1, help="Least agreement of both texts; default 0.8."),
    ] = None,
    vad: VadOption = "auto",
    weights: Weights = "best",
    beam_size: Beam = 1,
    batch_size: BatchSize = 16,
    lm: Lm = None,
    lm_weight: LmWeight = None,
    engine: EngineOption = "auto",
    precision: PrecisionOption = "auto",
    compute_type: ComputeType = "default",
    json_file: Json = None,
) -> None:
    """Make training data of recordings without text: a model's most certain transcripts."""
    from mothertongue.data.data_report import label_table
    from mothertongue.inference.labelling.filters import label_options
    from mothertongue.inference.labelling.label import label as label_audio
    from mothertongue.inference.labelling.label import refuse_nothing_kept
    from mothertongue.inference.labelling.teacher import teachers
    from mothertongue.inference.output_files import find_sources
    from mothertongue.inference.transcribe_files import detector
    from mothertongue.system.json_files import to_json

    filters = {"keep": keep, "min_speed": min_speed, "max_speed": max_speed}
    options = label_options(filters | {"least_agreement": least_agreement}, agree_with)
    chosen: dict[str, Any] = {"engine": engine, "precision": precision, "weights": weights}
    chosen["compute_type"] = compute_type
    config = decoding(beam_size, batch_size, lm, lm_weight)
    sources, find = find_sources(audio), detector(vad)
    asked = teachers(model, agree_with, language, config, find, chosen)
    report = label_audio(asked, sources, out, options)
    show(to_json(report) | {"out": str(out)}, label_table(report, str(out)), json_file)
    refuse_nothing_kept(report, out)
