"""Open a MODEL argument (base, run or export folder) as an engine."""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from mothertongue.decoding.torch_transcriber import Advance
from mothertongue.decoding.transcript import DecodeConfig
from mothertongue.errors import ConfigError, DataError
from mothertongue.experiment.load import load_run
from mothertongue.experiment.run_dir import is_run
from mothertongue.export.base import Exporter, ExportTranscriber, exporters
from mothertongue.export.formats.adapter import put_adapter_on
from mothertongue.inference.engine import (
    Engine,
    converted_engine,
    ctranslate2_engine,
    torch_engine,
)
from mothertongue.model.adapters import CONFIG as ADAPTER_CONFIG
from mothertongue.model.context import Context
from mothertongue.model.devices import keep_freed_memory
from mothertongue.model.load import load_base
from mothertongue.model.locate import BaseFiles, locate
from mothertongue.model.tokenizer import load_tokens
from mothertongue.strategies.base import CannotMergeError
from mothertongue.system.arguments import EngineName, Precision
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

    An `engine` of auto is CTranslate2 for its folders, a format's own for other exports, and torch
    for all else. `precision` is torch's and `compute_type` CTranslate2's. `borrow` lends tokens to
    languages without one; a run's experiment has its own. Raises ConfigError for a setting that has
    no effect on this model, and where CTranslate2 is asked to run what no plain Whisper expresses.
    """
    path = Path(model).expanduser()
    writer = export_format(path)
    if writer is not None and writer.needs_base:
        if engine == "ctranslate2":
            raise ConfigError(
                f"{model}: an adapter is decoded by torch on its base; leave out --engine, or "
                "export the run with --format ctranslate2"
            )
        _check_settings(model, True, precision, compute_type)
        return _adapter(path, precision, borrow or {})
    if writer is not None:
        if (engine, precision, compute_type) != ("auto", "auto", "default"):
            raise ConfigError(
                f"{model}: {writer.format} has its own engine and type; leave out --engine, "
                "--precision and --compute-type"
            )
        return _other(path, writer, borrow or {})
    keep_freed_memory()
    is_export = path.is_dir() and not is_run(path) and locate(model).layout == "ctranslate2"
    is_torch = engine == "torch" or (engine == "auto" and not is_export)
    _check_settings(model, is_torch, precision, compute_type)
    if is_export and not is_torch:
        return ctranslate2_engine("ctranslate2", path, compute_type)
    if is_run(path):
        return _run(path, is_torch, precision, weights, compute_type)
    base = load_base(model)
    lent = replace(base, tokens=base.tokens.borrowing(borrow or {}))
    if not is_torch:
        return converted_engine("base", lent, compute_type, None)
    return torch_engine("base", lent, precision, None)


def export_format(folder: Path) -> Exporter | None:
    """Return the exporter whose format a folder has; None if it is a run or opens as a base."""
    return next((each for each in exporters().values() if each.recognizes(folder)), None)


def adapter_base(folder: Path) -> str:
    """Return the base that an adapter was made on. Raises DataError if its folder names none."""
    path = folder / ADAPTER_CONFIG
    config = read_json(path, dict[str, Any], "export the adapter again")
    base = config.get("base_model_name_or_path")
    if not base:
        raise DataError(f"{path}: no base_model_name_or_path; add the base's")
    return str(base)


def _check_settings(model: str, is_torch: bool, precision: str, compute_type: str) -> None:
    if is_torch and compute_type != "default":
        raise ConfigError(
            f"--compute-type {compute_type} is CTranslate2's, and torch decodes {model}; use "
            "--precision, or --engine ctranslate2"
        )
    if not is_torch and precision != "auto":
        raise ConfigError(
            f"--precision {precision} is torch's, and CTranslate2 decodes {model}; use "
            "--compute-type, or --engine torch"
        )


def _run(
    path: Path, is_torch: bool, precision: Precision, weights: str, compute_type: str
) -> Engine:
    tuned = load_run(path, weights)
    strategy, language = tuned.experiment.strategy, tuned.experiment.language
    if is_torch:
        off = partial(strategy.adapters_disabled, tuned.base.model)
        found = replace(torch_engine("run", tuned.base, precision, language), adapters_disabled=off)
    else:
        try:
            merged = replace(tuned.base, model=strategy.merge(tuned.base.model))
        except CannotMergeError as error:
            raise ConfigError(f"{path}: {error}; decode it with --engine torch") from None
        found = converted_engine("run", merged, compute_type, language)
    settings = found.settings | {"weights": weights}
    return replace(found, settings=settings, trained_context=tuned.experiment.train.context)


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
