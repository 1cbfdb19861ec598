"""The options that several verbs share."""

from pathlib import Path
from typing import Annotated, Literal

import typer

Json = Annotated[
    Path | None, typer.Option("--json", help="Write the result as JSON here; - is standard output.")
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
Beam = Annotated[int, typer.Option(min=1, max=100, help="Beams; 1 is greedy.")]
OwnBeam = Annotated[
    int | None, typer.Option(min=1, max=100, help="Beams; default a run's own, else 1: greedy.")
]
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
SourceLayout = Annotated[
    str | None, typer.Option("--source", help="The layout, where its looks mislead, such as table.")
]
Validated = Annotated[
    bool,
    typer.Option(
        "--validated",
        help="Of Common Voice: all validated clips but those of test and dev speakers.",
    ),
]
TokenizerOf = Annotated[str, typer.Option(help="The base whose tokenizer counts label tokens.")]
TextField = Annotated[
    Literal["transcription", "raw_transcription"] | None,
    typer.Option(help="Of FLEURS: normalized, which is the default, or as written."),
]
Tiers = Annotated[
    list[str] | None,
    typer.Option("--tier", help="Of ELAN, Praat, FLEx: a tier or type; may be repeated."),
]
Join = Annotated[
    float | None,
    typer.Option("--join", min=0, max=30, help="Join neighbouring segments up to these seconds."),
]
MaxGap = Annotated[
    float | None, typer.Option(min=0, help="Seconds between segments to --join; default 0.5.")
]
Encoding = Annotated[
    str | None, typer.Option(help="Of subtitles, TextGrids, labels: such as cp1252.")
]
TextLeaks = Annotated[
    Literal["reject", "warn"], typer.Option(help="Rows whose sentence a held-out split also has.")
]
SpeakerLeaks = Annotated[
    Literal["reject", "warn"], typer.Option(help="Rows whose speaker a held-out split also has.")
]
Lm = Annotated[
    Path | None, typer.Option("--lm", help="A language model: a folder that `lm` wrote.")
]
LmWeight = Annotated[
    float | None,
    typer.Option(min=0, max=2, help="Of the language model; default as chosen on validation."),
]
