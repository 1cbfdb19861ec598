"""The verbs prepare and check."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mothertongue.cli.app import app
from mothertongue.cli.options import (
    AlignLeast,
    AlignLength,
    AlignWith,
    AudioColumn,
    AudioRoot,
    BatchSize,
    ComputeType,
    Encoding,
    EngineOption,
    Join,
    Json,
    MaxGap,
    MaxReject,
    PrecisionOption,
    SourceLayout,
    SpeakerLeaks,
    TextColumn,
    TextField,
    TextLeaks,
    Tiers,
    TokenizerOf,
    Validated,
)
from mothertongue.cli.support import counting, show
from mothertongue.errors import ConfigError

if TYPE_CHECKING:
    from mothertongue.data.clip_checks import Limits
    from mothertongue.inference.alignment.aligner import Aligner

AllowOutside = Annotated[
    bool, typer.Option(help="Accept audio paths that leave the source's folder.")
]


@app.command()
def prepare(
    source: Annotated[
        Path, typer.Argument(help="A table, a folder, a manifest, or hub:OWNER/NAME.")
    ],
    language: Annotated[str, typer.Option(help="Language of rows without one, such as sw.")],
    out: Annotated[Path, typer.Option(help="Folder for the manifest and what is left out.")],
    source_layout: SourceLayout = None,
    max_reject_fraction: MaxReject = 0.05,
    audio_column: AudioColumn = None,
    text_column: TextColumn = None,
    text_field: TextField = None,
    audio_root: AudioRoot = None,
    validated: Validated = False,
    tier: Tiers = None,
    join: Join = None,
    max_gap: MaxGap = None,
    encoding: Encoding = None,
    text_leaks: TextLeaks = "reject",
    speaker_leaks: SpeakerLeaks = "warn",
    allow_outside: AllowOutside = False,
    trust_durations: Annotated[
        bool, typer.Option(help="Do not decode clips with a stated duration.")
    ] = False,
    decisions: Annotated[
        Path | None,
        typer.Option(help="A decisions.jsonl of doctor: clips to drop, texts to correct."),
    ] = None,
    align_with: AlignWith = None,
    align_least: AlignLeast = None,
    align_length: AlignLength = None,
    base: TokenizerOf = "openai/whisper-base",
    json_file: Json = None,
) -> None:
    """Write a clean manifest of a corpus, and show what is wrong with it."""
    from mothertongue.data.data_report import report_table
    from mothertongue.data.prepare import ALIGN_CACHE, PrepareOptions, prepare
    from mothertongue.data.sources.detect import ReadingOptions, detect
    from mothertongue.system.json_files import to_json

    options = PrepareOptions(
        language=language,
        max_reject_fraction=max_reject_fraction,
        text_leaks=text_leaks,
        speaker_leaks=speaker_leaks,
        allow_outside=allow_outside,
        trust_durations=trust_durations,
        decisions=decisions,
    )
    reading = ReadingOptions(
        layout=source_layout,
        audio_column=audio_column,
        text_column=text_column,
        text_field=text_field,
        audio_root=audio_root,
        validated=validated,
        tier=tuple(tier or ()),
        join=join,
        max_gap=max_gap,
        encoding=encoding,
    )
    found = detect(source, reading)
    count = _label_counter(base)
    settings = {"--align-least": align_least, "--align-length": align_length}
    with _aligning(align_with, settings, count, options, out / ALIGN_CACHE) as (progress, align):
        report = prepare(found, out, options, count, progress, align)
    show(to_json(report) | {"out": str(out)}, report_table(report), json_file)
    report.require_ok()


@app.command()
def check(
    manifest: Annotated[Path, typer.Argument(help="A manifest, or its folder.")],
    max_reject_fraction: MaxReject = 0.05,
    text_leaks: TextLeaks = "reject",
    speaker_leaks: SpeakerLeaks = "warn",
    allow_outside: AllowOutside = False,
    base: TokenizerOf = "openai/whisper-base",
    json_file: Json = None,
) -> None:
    """Run the same checks again on a manifest; writes nothing."""
    from mothertongue.data.data_report import report_table
    from mothertongue.data.prepare import PrepareOptions
    from mothertongue.data.prepare import check as check_manifest

    options = PrepareOptions(
        max_reject_fraction=max_reject_fraction,
        text_leaks=text_leaks,
        speaker_leaks=speaker_leaks,
        allow_outside=allow_outside,
    )
    with counting("checking") as progress:
        report = check_manifest(manifest, options, _label_counter(base), progress)
    show(report, report_table(report), json_file)
    report.require_ok(listed_in="the report")


@app.command()
def doctor(
    context: typer.Context,
    data: Annotated[Path, typer.Argument(help="A manifest, or its folder, as prepare wrote it.")],
    model: Annotated[
        list[str] | None,
        typer.Option(
            help="What listens: a base (default openai/whisper-base), a run's folder or an "
            "export's. Repeat it: the first that did not train on a clip recognizes it."
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Its folder; default doctor, beside the manifest.")
    ] = None,
    folds: Annotated[
        int | None,
        typer.Option(min=2, help="Only write so many manifests to train runs for --model on."),
    ] = None,
    audio_mb: Annotated[
        float,
        typer.Option("--audio-mb", min=0, max=1e4, help="Most megabytes of sound on the page."),
    ] = 16.0,
    batch_size: BatchSize = 16,
    engine: EngineOption = "auto",
    precision: PrecisionOption = "auto",
    compute_type: ComputeType = "default",
    json_file: Json = None,
) -> None:
    """Listen to prepared data and rank what looks wrong, worst first; removes nothing."""
    from mothertongue import api
    from mothertongue.diagnosis.records import DoctorResult
    from mothertongue.report.tables.doctor_table import doctor_table, fold_lines
    from mothertongue.system.console import note
    from mothertongue.system.json_files import built

    if folds:
        _refuse_with_folds(context)
        from mothertongue.data.manifest import manifest_path
        from mothertongue.diagnosis.folds import write_folds

        found = list(write_folds(data, out or manifest_path(data).parent / "doctor", folds))
        show({"folds": [str(each) for each in found]}, fold_lines(data, found), json_file)
        return
    record = api.doctor(
        data,
        out,
        model=model or "openai/whisper-base",
        batch_size=batch_size,
        audio_mb=audio_mb,
        engine=engine,
        precision=precision,
        compute_type=compute_type,
    )
    show(record, doctor_table(built(record, "the result of doctor", DoctorResult)), json_file)
    if page := record.get("page"):
        note(f"listen and decide: {page}")
    else:
        note("no page: pip install 'mothertongue[report]', and call doctor again")


def _refuse_with_folds(context: typer.Context) -> None:
    """Raise ConfigError for an option that is given and has no effect with --folds."""
    sources = {name: context.get_parameter_source(name) for name in context.params}
    given = {name for name, source in sources.items() if source and source.name == "COMMANDLINE"}
    if idle := sorted(given - {"data", "out", "folds", "json_file"}):
        raise ConfigError(
            f"--{idle[0].replace('_', '-')} has no effect with --folds, which writes manifests and "
            "listens to nothing; leave it out"
        )


@contextmanager
def _aligning(
    model: str | None,
    given: dict[str, float | None],
    count: Callable[[str, str], int],
    limits: "Limits",
    cache: Path,
) -> Iterator[tuple[Callable[[int], None], "Aligner | None"]]:
    """Show a progress bar; yield the function that advances it, and the aligner that was asked for.

    Raises ConfigError for an option of the alignment without a model.
    """
    if model is None:
        if useless := [name for name, value in given.items() if value is not None]:
            raise ConfigError(f"{useless[0]} has no effect without --align-with MODEL")
        with counting("checking") as progress:
            yield progress, None
        return
    from mothertongue.inference.alignment.aligner import open_aligner
    from mothertongue.inference.progress import align_progress

    with align_progress() as watcher:
        options = {"least": given["--align-least"], "max_s": given["--align-length"]}
        callbacks = (watcher.recording, watcher.pieces)
        yield watcher.rows, open_aligner(model, options, count, limits, cache, *callbacks)


def _label_counter(base: str) -> Callable[[str, str], int]:
    from mothertongue.model.locate import locate
    from mothertongue.model.tokenizer import load_tokens

    return load_tokens(locate(base)).count_label
