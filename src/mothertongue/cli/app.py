"""The typer application, to which the verbs are added."""

from typing import Annotated

import typer

from mothertongue import __version__

app = typer.Typer(
    help="Teach Whisper your mother tongue: fine-tune it on a few hours of speech, with evidence.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)


@app.callback(invoke_without_command=True)
def version(
    show: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    if show:
        print(__version__)
        raise typer.Exit
