"""Open a MODEL argument (base, run or export folder) as an engine."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from mothertongue.decoding.torch_transcriber import Advance
from mothertongue.decoding.transcript import (
    DecodeConfig,
)
from mothertongue.errors import ConfigError, DataError
from mothertongue.export.base import Exporter, ExportTranscriber, exporters
from mothertongue.export.formats.adapter import put_adapter_on
from mothertongue.inference.engine import Engine, EngineName, open_engine, torch_engine
from mothertongue.model.adapters import CONFIG as ADAPTER_CONFIG
from mothertongue.model.context import Context
from mothertongue.model.devices import Precision
from mothertongue.model.load import load_base
from mothertongue.model.locate import BaseFiles
from mothertongue.model.tokenizer import load_tokens
from mothertongue.system.json_files import read_json


def open_model(
    model: str,
    *,
    engine: EngineName = "auto",
    precision: Precision = "auto",
    weights: str = "best",
    compute_type: str = "default",
    borrow: Mapping[str, str] | None = None,
) -> Engine:
    """Load MODEL: a base, a run's folder, or an export in any format.

    Raises ConfigError where the format leaves no choice of engine, precision or compute type.
    """
    folder = Path(model).expanduser()
    writer = export_format(folder)
    if writer is None:
        return open_engine(
            model,
            engine=engine,
            precision=precision,
            weights=weights,
            compute_type=compute_type,
            borrow=borrow,
        )
    if writer.needs_base:
        return _adapter(folder, precision, borrow or {})
    if (engine, precision, compute_type) != ("auto", "auto", "default"):
        raise ConfigError(
            f"{model}: {writer.format} has its own engine and type; leave out --engine, "
            "--precision and --compute-type"
        )
    return _other(folder, writer, borrow or {})


def export_format(folder: Path) -> Exporter | None:
    """Return the exporter whose format a folder has; None if it is a run or opens as a base."""
    return next((each for each in exporters().values() if each.recognizes(folder)), None)


def adapter_base(folder: Path) -> str:
    """Return the base that an adapter was made on. Raises DataError if its folder names none."""
    path = folder / ADAPTER_CONFIG
    base = read_json(path, remedy="export the adapter again").get("base_model_name_or_path")
    if not base:
        raise DataError(f"{path}: no base_model_name_or_path; add the base's")
    return str(base)


def _adapter(folder: Path, precision: Precision, borrow: Mapping[str, str]) -> Engine:
    base = load_base(adapter_base(folder))
    put_adapter_on(base.model, folder)
    lent = replace(base, tokens=base.tokens.borrowing(borrow))
    return torch_engine("export", lent, precision, None)


def _other(folder: Path, writer: Exporter, borrow: Mapping[str, str]) -> Engine:
    tokens = load_tokens(BaseFiles(str(folder), "transformers", folder)).borrowing(borrow)
    opened = writer.open(folder, tokens, None)
    assert isinstance(opened, ExportTranscriber)

    def make(context: Context, config: DecodeConfig, advance: Advance) -> ExportTranscriber:
        if config.beam_size > 1:
            raise ConfigError(f"{folder}: {writer.format} decodes greedily; leave out --beam-size")
        if config.lm:
            raise ConfigError(f"{folder}: {writer.format} takes no language model; leave out --lm")
        if config.hotwords:
            raise ConfigError(f"{folder}: {writer.format} takes no hot words; leave out --hotwords")
        return opened.telling(advance)

    settings = {"engine": writer.engine, "format": writer.format}
    return Engine("export", make, settings, tokens, is_limited=True)
