"""The engine of any MODEL: what `engines` opens, and every format that `export` writes."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from mothertongue.decoding.torch_transcriber import Advance
from mothertongue.decoding.transcript import (
    Clip,
    DecodeConfig,
    Samples,
    Transcript,
    make_transcript,
    token_limit,
)
from mothertongue.errors import ConfigError, DataError
from mothertongue.export.adapter import put_on
from mothertongue.export.base import Heard, exporter
from mothertongue.export.ggml import FILE as GGML_FILE
from mothertongue.export.onnx import DECODER as ONNX_FILE
from mothertongue.files.json_files import read_json
from mothertongue.inference.engine import Engine, EngineName, open_engine, torch_engine
from mothertongue.model.adapters import CONFIG as ADAPTER_CONFIG
from mothertongue.model.context import Context
from mothertongue.model.devices import Precision
from mothertongue.model.load import load_base
from mothertongue.model.locate import BaseFiles
from mothertongue.model.tokenizer import Tokens, load_tokens

FORMATS = {ADAPTER_CONFIG: "adapter", ONNX_FILE: "onnx", GGML_FILE: "ggml"}
"""By the file that a folder of each has; hf and ctranslate2 are models like any other."""


def open_model(
    model: str,
    *,
    engine: EngineName = "auto",
    precision: Precision = "auto",
    weights: str = "best",
    compute_type: str = "default",
    borrow: Mapping[str, str] | None = None,
) -> Engine:
    """Load MODEL: a base, a run's folder, or an artefact in any format.

    Raises ConfigError where the format leaves no choice of engine, precision or compute type.
    """
    format_ = artefact_format(Path(model).expanduser())
    if format_ is None:
        return open_engine(
            model,
            engine=engine,
            precision=precision,
            weights=weights,
            compute_type=compute_type,
            borrow=borrow,
        )
    if format_ == "adapter":
        return _adapter(Path(model).expanduser(), precision, borrow or {})
    if (engine, precision, compute_type) != ("auto", "auto", "default"):
        raise ConfigError(
            f"{model}: {format_} has an engine and a type of its own; leave out --engine, "
            "--precision and --compute-type"
        )
    return _other(Path(model).expanduser(), format_, borrow or {})


def artefact_format(folder: Path) -> str | None:
    """What `export` wrote there, of what is no model for `engines`; None for all else."""
    return next((name for file, name in FORMATS.items() if (folder / file).is_file()), None)


def adapter_base(folder: Path) -> str:
    """The base that an adapter was made on. Raises DataError where its folder does not say."""
    path = folder / ADAPTER_CONFIG
    base = read_json(path, remedy="export the adapter again").get("base_model_name_or_path")
    if not base:
        raise DataError(f"{path}: no base_model_name_or_path; add the base's")
    return str(base)


class HeardTranscriber:
    """An exported model's own engine, clip by clip; it decodes greedily, at 30 s."""

    def __init__(self, heard: Heard, tokens: Tokens, max_tokens: int, advance: Advance) -> None:
        """`max_tokens`: the most text tokens that the engine writes for one clip."""
        self.heard, self.tokens, self.max_tokens = heard, tokens, max_tokens
        self.advance = advance

    def __call__(self, audio: Sequence[Samples], language: str | None) -> list[Transcript]:
        """One transcript a clip."""
        return self.decode([Clip(samples_N, language) for samples_N in audio])

    def decode(self, clips: Sequence[Clip]) -> list[Transcript]:
        """One transcript a clip, without word times."""
        return [self._decoded(clip) for clip in clips]

    def _decoded(self, clip: Clip) -> Transcript:
        language = clip.language or self.heard.detect(clip.samples_N)
        spoken = self.tokens.borrowed.get(language, language)
        written = self.heard.transcribe(clip.samples_N, spoken)
        text = [token for token in written if token < self.tokens.end]
        self.advance(1)
        return make_transcript(
            self.tokens,
            language,
            text,
            min(self.max_tokens, token_limit(clip.duration_s)),
            average=None,
            detected=None if clip.language else language,
        )


def _adapter(folder: Path, precision: Precision, borrow: Mapping[str, str]) -> Engine:
    base = load_base(adapter_base(folder))
    put_on(base.model, folder)
    lent = replace(base, tokens=base.tokens.borrowing(borrow))
    return torch_engine("export", lent, precision, None)


def _other(folder: Path, format_: str, borrow: Mapping[str, str]) -> Engine:
    writer = exporter(format_)
    heard = writer.open(folder, "", None)
    tokens = load_tokens(BaseFiles(str(folder), "transformers", folder)).borrowing(borrow)

    def make(context: Context, config: DecodeConfig, advance: Advance) -> HeardTranscriber:
        if config.beam_size > 1:
            raise ConfigError(f"{folder}: {format_} decodes greedily; leave out --beam-size")
        if config.lm:
            raise ConfigError(f"{folder}: {format_} takes no language model; leave out --lm")
        return HeardTranscriber(heard, tokens, writer.max_tokens, advance)

    settings = {"engine": writer.engine, "format": format_}
    return Engine("export", make, settings, tokens, is_limited=True)
