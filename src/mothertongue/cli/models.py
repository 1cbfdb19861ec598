"""The verbs evaluate, transcribe and export."""

from pathlib import Path
from typing import Annotated, Any

import typer

from mothertongue.cli.app import app
from mothertongue.cli.options import (
    STANDARD_OUTPUT,
    BatchSize,
    Beam,
    ComputeType,
    EngineOption,
    Graphs,
    HotWords,
    HotWordsWeight,
    Json,
    Language,
    Lm,
    LmWeight,
    Model,
    OwnBeam,
    OwnGraphs,
    PrecisionOption,
    SplitOption,
    VadOption,
    Weights,
)
from mothertongue.cli.support import counting, decoding, show, write_page
from mothertongue.system.arguments import Vad


@app.command()
def evaluate(
    model: Model,
    data: Annotated[
        Path | None, typer.Option(help="A manifest or its folder. Default: the run's own.")
    ] = None,
    split: SplitOption = "test",
    with_base: Annotated[
        bool, typer.Option("--with-base", help="Also score the base model of a run.")
    ] = False,
    language: Language = None,
    weights: Weights = "best",
    beam_size: OwnBeam = None,
    batch_size: BatchSize = 16,
    lm: Lm = None,
    lm_weight: LmWeight = None,
    hotwords: HotWords = None,
    hotwords_weight: HotWordsWeight = None,
    engine: EngineOption = "auto",
    precision: PrecisionOption = "auto",
    graphs: OwnGraphs = None,
    compute_type: ComputeType = "default",
    long_form: Annotated[
        bool,
        typer.Option(
            "--long-form",
            help="Score long recordings: clips of one voice joined, or recordings in --data, each "
            "with its text in a .txt beside it.",
        ),
    ] = False,
    minutes: Annotated[
        float | None,
        typer.Option(min=0.5, max=120, help="Length of joined recordings. Default: 5 minutes."),
    ] = None,
    vad: Annotated[
        Vad | None,
        typer.Option(help="Speech detector for --long-form; auto (default) is Silero's if there."),
    ] = None,
    json_file: Json = None,
) -> None:
    """Score a model on a split: WER and CER with 95 % intervals under three normalizers."""
    from functools import partial

    from mothertongue.data.languages import language_code
    from mothertongue.evaluation.records import LongScores
    from mothertongue.experiment.run_dir import RunDir, is_run
    from mothertongue.inference.evaluate_run import evaluate_any, own_decoding
    from mothertongue.inference.long_form import long_settings
    from mothertongue.inference.open_model import open_model
    from mothertongue.report.tables.long_form_table import long_tables
    from mothertongue.report.tables.verb_tables import score_tables

    code = language_code(language) if language else None
    opened = partial(
        open_model, engine=engine, precision=precision, weights=weights, compute_type=compute_type
    )
    long = long_settings(long_form, minutes, vad)
    own = own_decoding(model)
    beams, replays = beam_size or own.beam_size, graphs or own.graphs
    config = decoding(beams, batch_size, lm, lm_weight, hotwords, hotwords_weight, replays)
    result = evaluate_any(model, data, split, code, config, opened, with_base, long)
    table = long_tables(result) if isinstance(result, LongScores) else score_tables(result)
    show(result, table, json_file)
    if is_run(Path(model)) and RunDir(Path(model)).is_done:
        write_page(Path(model))


@app.command()
def transcribe(
    model: Model,
    audio: Annotated[
        list[Path], typer.Argument(help="Recordings of up to a day, folders or patterns.")
    ],
    out: Annotated[
        Path | None,
        typer.Option(help="Folder for one file for each recording; existing files stay."),
    ] = None,
    format_: Annotated[
        list[str] | None,
        typer.Option(
            "--format",
            help="txt, srt, vtt, json, eaf (ELAN), textgrid (Praat) or audacity; may be repeated.",
        ),
    ] = None,
    vad: VadOption = "auto",
    language: Language = None,
    weights: Weights = "best",
    beam_size: Beam = 1,
    batch_size: BatchSize = 16,
    lm: Lm = None,
    lm_weight: LmWeight = None,
    hotwords: HotWords = None,
    hotwords_weight: HotWordsWeight = None,
    engine: EngineOption = "auto",
    precision: PrecisionOption = "auto",
    graphs: Graphs = "off",
    compute_type: ComputeType = "default",
    json_file: Json = None,
) -> None:
    """Turn recordings into text and subtitles; the language is the run's, given or detected."""
    from contextlib import nullcontext
    from functools import partial

    from mothertongue.data.languages import language_code
    from mothertongue.errors import ConfigError
    from mothertongue.inference.lm_weights import with_known_weight
    from mothertongue.inference.open_model import open_model
    from mothertongue.inference.output_files import find_sources, opened_outputs
    from mothertongue.inference.transcribe_files import (
        check_formats,
        detector,
        on_screen,
        transcribe_sources,
    )
    from mothertongue.report.tables.verb_tables import transcript_lines

    if format_ and not out and str(json_file) in STANDARD_OUTPUT:
        raise ConfigError(
            f"--format {format_[0]} has no effect: --json {json_file} prints JSON alone; leave one "
            "out, or give --json another file, or --out FOLDER"
        )
    code = language_code(language) if language else None
    sources, formats = find_sources(audio), format_ or ["txt"]
    check_formats(formats, sources, out)
    for each in sources if json_file else ():
        str(each.path).encode()  # a name that JSON cannot have is refused before the work
    find, found_by = detector(vad)
    chosen: dict[str, Any] = {"engine": engine, "precision": precision, "weights": weights}
    chosen["compute_type"] = compute_type
    with_times = formats != ["txt"] or json_file is not None
    config = decoding(beam_size, batch_size, lm, lm_weight, hotwords, hotwords_weight, graphs)
    config = with_known_weight(config, model)
    settings: dict[str, Any] = {"model": model, "language": code, "vad": found_by}
    settings["beam_size"] = beam_size
    helped = ("lm", "hotwords")
    settings |= {name: x for name, x in config.facts().items() if name.startswith(helped)}
    opened = partial(open_model, model, **chosen)
    given = opened_outputs(out, formats, sources, settings | chosen) if out else nullcontext()
    with given as outputs:
        done = transcribe_sources(opened, sources, outputs, config, code, find, with_times)
    result = done.result(model)
    show(result, transcript_lines(result, out, on_screen(done, formats[0])), json_file)
    done.refuse_faults()


@app.command()
def export(
    run: Annotated[Path, typer.Argument(help="A finished run's folder.")],
    format_: Annotated[
        str, typer.Option("--format", help="hf, adapter, ctranslate2, ggml or onnx.")
    ],
    out: Annotated[
        Path | None, typer.Option(help="The export's folder. Default: RUN/export/FORMAT-TYPE.")
    ] = None,
    type_: Annotated[
        str | None, typer.Option("--type", help="Type of the weights. Default: full precision.")
    ] = None,
    split: SplitOption = "validation",
    clips: Annotated[
        int, typer.Option(min=1, help="At most this many clips verify the export.")
    ] = 32,
    max_wer_loss: Annotated[
        float, typer.Option(min=0, max=1, help="With rounded weights, the WER may rise by this.")
    ] = 0.01,
    json_file: Json = None,
) -> None:
    """Write a run for another engine, and verify that this engine gives the same transcripts."""
    from mothertongue.export.export import default_folder
    from mothertongue.export.export import export as export_run
    from mothertongue.report.tables.verb_tables import verification_table
    from mothertongue.system.json_files import to_json

    folder = out or default_folder(run, format_, type_)
    with counting(f"exporting and verifying {folder}"):
        result = export_run(run, format_, type_, folder, split, clips, max_wer_loss)
    printed = {"out": str(folder), **to_json(result)}
    show(printed, verification_table(str(folder), result), json_file)
