"""The verbs prepare and check."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from mothertongue.cli.app import app
from mothertongue.cli.options import (
    AudioColumn,
    Json,
    MaxReject,
    SpeakerLeaks,
    TextColumn,
    TextField,
    TextLeaks,
    TokenizerOf,
)
from mothertongue.cli.support import counting, show

AllowOutside = Annotated[
    bool, typer.Option(help="Accept audio paths that leave the source's folder.")
]


@app.command()
def prepare(
    source: Annotated[
        Path, typer.Argument(help="A table, a folder of a known layout, or a manifest.")
    ],
    language: Annotated[str, typer.Option(help="Language of rows without one, such as sw.")],
    out: Annotated[Path, typer.Option(help="Folder for manifest.jsonl and rejected.jsonl.")],
    max_reject_fraction: MaxReject = 0.05,
    audio_column: AudioColumn = None,
    text_column: TextColumn = None,
    text_field: TextField = None,
    text_leaks: TextLeaks = "reject",
    speaker_leaks: SpeakerLeaks = "warn",
    allow_outside: AllowOutside = False,
    trust_durations: Annotated[
        bool, typer.Option(help="Do not decode clips with a stated duration.")
    ] = False,
    base: TokenizerOf = "openai/whisper-base",
    json_file: Json = None,
) -> None:
    """Write a clean manifest of a corpus, and show what is wrong with it."""
    from mothertongue.data.data_report import report_table
    from mothertongue.data.prepare import PrepareOptions, prepare
    from mothertongue.data.sources.detect import detect

    options = PrepareOptions(
        language=language,
        max_reject_fraction=max_reject_fraction,
        text_leaks=text_leaks,
        speaker_leaks=speaker_leaks,
        allow_outside=allow_outside,
        trust_durations=trust_durations,
    )
    given = {"--audio-column": audio_column, "--text-column": text_column}
    found = detect(source, given | {"--text-field": text_field})
    with counting("checking") as progress:
        report = prepare(found, out, options, _label_counter(base), progress)
    show(report.to_dict(), report_table(report), json_file)
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
    show(report.to_dict(), report_table(report), json_file)
    report.require_ok()


def _label_counter(base: str) -> Callable[[str, str], int]:
    from mothertongue.model.locate import locate
    from mothertongue.model.tokenizer import load_tokens

    return load_tokens(locate(base)).count_label
