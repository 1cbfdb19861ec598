"""The options that several verbs share."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from mothertongue.system import arguments
from mothertongue.system.files import require_writable

STANDARD_OUTPUT = ("-", "/dev/stdout")


def _writable(path: Path | None) -> Path | None:
    """Return the path. Raises MothertongueError before the work if it cannot be written."""
    if path is not None and str(path) not in STANDARD_OUTPUT:
        require_writable(path, "give --json another file")
    return path


Json = Annotated[
    Path | None,
    typer.Option(
        "--json",
        help="Write the result as JSON to this file; - is standard output.",
        callback=_writable,
    ),
]
Overrides = Annotated[
    list[str] | None, typer.Argument(help="Settings to change, such as train.epochs=3.")
]
Recipe = Annotated[
    str | None,
    typer.Option(help="Settings below the file's: quality, or plain as in most guides."),
]
Model = Annotated[str, typer.Argument(help="A base, a run's folder or an export's.")]
Language = Annotated[str | None, typer.Option(help="Language code, such as sw.")]
Beam = Annotated[int, typer.Option(min=1, max=100, help="Number of beams; 1 is greedy.")]
OwnBeam = Annotated[
    int | None,
    typer.Option(min=1, max=100, help="Number of beams. Default: the run's own, else 1: greedy."),
]
Graphs = Annotated[
    Literal["auto", "off"],
    typer.Option(help="auto: on a GPU, replay the step of a token as a CUDA graph."),
]
OwnGraphs = Annotated[
    Literal["auto", "off"] | None,
    typer.Option(help="auto: replay the step of a token on a GPU. Default: the run's, else off."),
]
BatchSize = Annotated[int, typer.Option(min=1, help="How many clips are decoded together.")]
PrecisionOption = Annotated[
    arguments.Precision, typer.Option(help="Precision of torch's activations.")
]
ComputeType = Annotated[str, typer.Option(help="CTranslate2's type: default, float32, int8, ...")]
EngineOption = Annotated[
    arguments.EngineName,
    typer.Option(help="Engine; auto is CTranslate2 for its folders, else torch."),
]
Weights = Annotated[arguments.Weights, typer.Option(help="The weights of a run to use.")]
VadOption = Annotated[
    arguments.Vad,
    typer.Option(help="Speech detector; auto is Silero's if it is installed."),
]
SplitOption = Annotated[
    Literal["train", "validation", "test"], typer.Option(help="The split to score.")
]
MaxReject = Annotated[
    float, typer.Option(min=0, max=1, help="Fail if a larger share of the rows is rejected.")
]
AudioColumn = Annotated[str | None, typer.Option(help="The column of audio paths in a table.")]
TextColumn = Annotated[str | None, typer.Option(help="The column of transcripts in a table.")]
AudioRoot = Annotated[
    Path | None, typer.Option(help="The folder in which the audio paths of a table start.")
]
SourceLayout = Annotated[
    str | None,
    typer.Option("--source", help="The layout, if recognition takes a wrong one."),
]
Validated = Annotated[
    bool,
    typer.Option(
        "--validated",
        help="Common Voice only: all validated clips but those of test and dev speakers.",
    ),
]
TokenizerOf = Annotated[str, typer.Option(help="The base whose tokenizer counts label tokens.")]
TextField = Annotated[
    Literal["transcription", "raw_transcription"] | None,
    typer.Option(help="FLEURS only: normalized text (default) or text as written."),
]
Tiers = Annotated[
    list[str] | None,
    typer.Option("--tier", help="ELAN, Praat, FLEx: a tier or type to take; may be repeated."),
]
Join = Annotated[
    float | None,
    typer.Option("--join", min=0, max=30, help="Join neighbouring segments up to these seconds."),
]
MaxGap = Annotated[
    float | None, typer.Option(min=0, help="Seconds between segments to --join; default 0.5.")
]
Encoding = Annotated[
    str | None, typer.Option(help="Encoding of subtitles, TextGrids and labels, such as cp1252.")
]
AlignWith = Annotated[
    str | None,
    typer.Option("--align-with", help="A base or run that cuts long recordings with their text."),
]
AlignLeast = Annotated[
    float | None,
    typer.Option(min=0, max=1, help="Least agreement of an aligned clip; default 0.5."),
]
AlignLength = Annotated[
    float | None,
    typer.Option(min=1, max=30, help="Longest aligned clip in seconds; default 30."),
]
TextLeaks = Annotated[
    Literal["reject", "warn"], typer.Option(help="Rows whose sentence is also in a held-out split.")
]
SpeakerLeaks = Annotated[
    Literal["reject", "warn"], typer.Option(help="Rows whose speaker is also in a held-out split.")
]
Lm = Annotated[
    Path | None, typer.Option("--lm", help="A language model: a folder that `lm` wrote.")
]
LmWeight = Annotated[
    float | None,
    typer.Option(min=0, max=2, help="Weight of the language model. Default: as evaluate chose."),
]
HotWords = Annotated[
    Path | None,
    typer.Option("--hotwords", help="A file of words to favor, such as names: one a line."),
]
HotWordsWeight = Annotated[
    float | None,
    typer.Option(
        "--hotwords-weight", min=0.01, max=20, help="Nats for each token of them; default 1.5."
    ),
]
