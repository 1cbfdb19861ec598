"""The verb lm."""

from pathlib import Path
from typing import Annotated

import typer

from mothertongue.cli.app import app
from mothertongue.cli.options import Json, TokenizerOf
from mothertongue.cli.support import counting, show


@app.command()
def lm(
    texts: Annotated[
        list[Path],
        typer.Argument(
            help="Files with one sentence a line, or prepared data (its training text)."
        ),
    ],
    out: Annotated[Path, typer.Option(help="Folder for lm.arpa and lm.json.")],
    order: Annotated[
        int, typer.Option(min=1, max=8, help="Number of tokens of the longest n-gram.")
    ] = 5,
    held_out: Annotated[
        list[Path] | None,
        typer.Option(help="Data whose validation and test sentences are removed from the texts."),
    ] = None,
    base: TokenizerOf = "openai/whisper-base",
    json_file: Json = None,
) -> None:
    """Make an n-gram language model from texts, for --lm of evaluate, transcribe and serve."""
    from mothertongue.decoding.lm.folder import build
    from mothertongue.model.locate import locate
    from mothertongue.model.tokenizer import load_tokens
    from mothertongue.report.tables.verb_tables import lm_table
    from mothertongue.system.json_files import to_json

    with counting("reading") as advance:
        record = build(texts, held_out or [], load_tokens(locate(base)), order, out, advance)
    show(to_json(record) | {"out": str(out)}, lm_table(record, str(out)), json_file)
