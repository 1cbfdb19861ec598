"""Load a run's folder, a base or a CTranslate2 folder as a transcriber."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal, NoReturn

from torch import nn

from mothertongue.decoding.torch_transcriber import Advance, TorchTranscriber
from mothertongue.decoding.transcript import ClipTranscriber, DecodeConfig
from mothertongue.errors import ConfigError
from mothertongue.experiment.config import Experiment
from mothertongue.experiment.load import load_run
from mothertongue.experiment.run_dir import is_run
from mothertongue.model.context import Context
from mothertongue.model.devices import Precision, best_device, dtype_of, keep_freed_memory
from mothertongue.model.load import Base, load_base
from mothertongue.model.locate import locate
from mothertongue.model.tokenizer import Tokens
from mothertongue.strategies.base import CannotMergeError, NotAdapterError

Make = Callable[[Context, DecodeConfig, Advance], ClipTranscriber]
Kind = Literal["base", "run", "ctranslate2", "export"]
EngineName = Literal["auto", "torch", "ctranslate2"]


@dataclass(frozen=True, slots=True)
class Engine:
    """A loaded model. Only a run has a language and may decode at the clips' own length."""

    kind: Kind
    make: Make
    settings: dict[str, str]
    """The settings that a score depends on besides the model: engine, precision, device."""
    tokens: Tokens
    language: str | None = None
    trained_context: Context = "full"
    """The context to transcribe at: cut clips break a model that was not trained on such."""
    is_limited: bool = False
    """Whether it only transcribes, greedily, without a prompt and without word times."""
    adapters_disabled: Callable[[], AbstractContextManager[None]] = nullcontext
    """A function that opens a context in which the base decodes. It raises NotAdapterError for a
    run that cannot switch its adapters off, and does nothing for a base."""

    @property
    def contexts(self) -> tuple[Context, ...]:
        """Return the contexts to score at: only a run may decode at the clips' own length."""
        return ("full", "bucket") if self.kind == "run" else ("full",)


def open_engine(
    model: str,
    *,
    engine: EngineName = "auto",
    precision: Precision = "auto",
    weights: str = "best",
    compute_type: str = "default",
    borrow: Mapping[str, str] | None = None,
) -> Engine:
    """Load MODEL into an engine; `auto` is CTranslate2 for its folders and torch for all else.

    `precision` is torch's and `compute_type` CTranslate2's: each is refused with the other.
    `borrow` lends a base's tokens to languages without one; a run's experiment has its own.
    Raises ConfigError where CTranslate2 is asked to run what no plain Whisper expresses.
    """
    keep_freed_memory()
    path = Path(model).expanduser()
    is_export = path.is_dir() and not is_run(path) and locate(model).layout == "ctranslate2"
    is_torch = engine == "torch" or (engine == "auto" and not is_export)
    _check_settings(model, is_torch, precision, compute_type)
    if is_export and not is_torch:
        return _ctranslate2("ctranslate2", path, compute_type)
    if is_run(path):
        tuned = load_run(path, weights)
        strategy, language = tuned.experiment.strategy, tuned.experiment.language
        if not is_torch:
            try:
                folded = replace(tuned.base, model=strategy.merge(tuned.base.model))
            except CannotMergeError as error:
                raise ConfigError(f"{model}: {error}; decode it with --engine torch") from None
            found = _converted("run", folded, compute_type, language)
            return _of_run(found, tuned.experiment, weights)
        off = partial(strategy.adapters_disabled, tuned.base.model)
        found = replace(torch_engine("run", tuned.base, precision, language), adapters_disabled=off)
        return _of_run(found, tuned.experiment, weights)
    base = load_base(model)
    lent = replace(base, tokens=base.tokens.borrowing(borrow or {}))
    if not is_torch:
        return _converted("base", lent, compute_type, None)
    return torch_engine("base", lent, precision, None)


def _of_run(engine: Engine, experiment: Experiment, weights: str) -> Engine:
    settings = engine.settings | {"weights": weights}
    return replace(engine, settings=settings, trained_context=experiment.train.context)


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


def torch_engine(kind: Kind, base: Base, precision: Precision, language: str | None) -> Engine:
    """Return an engine for a Whisper, with or without adapters, on the best device."""
    device = best_device()
    nn.Module.to(base.model, device)
    dtype = dtype_of(precision, device)

    def make(context: Context, config: DecodeConfig, advance: Advance) -> ClipTranscriber:
        return TorchTranscriber(
            base.model, base.tokens, context=context, config=config, dtype=dtype, advance=advance
        )

    settings = {"engine": "torch", "precision": str(dtype)[6:], "device": device.type}
    return Engine(kind, make, settings, base.tokens, language)


def _converted(kind: Kind, base: Base, compute_type: str, language: str | None) -> Engine:
    """Convert a plain Whisper from torch to CTranslate2."""
    from mothertongue.model.ctranslate2_writer import write_ctranslate2

    with TemporaryDirectory(prefix="mothertongue-") as home:
        folder = Path(home) / "model"
        write_ctranslate2(base.model, base.tokens, folder)
        found = _ctranslate2(kind, folder, compute_type, base.tokens)
    off = nullcontext if kind == "base" else _cannot_switch_off
    return replace(found, language=language, adapters_disabled=off)


def _cannot_switch_off() -> NoReturn:
    raise NotAdapterError("CTranslate2 runs merged weights; --engine torch can disable adapters")


def _ctranslate2(
    kind: Kind, folder: Path, compute_type: str, tokens: Tokens | None = None
) -> Engine:
    from mothertongue.decoding.ctranslate2_transcriber import (
        CTranslate2Model,
        CTranslate2Transcriber,
    )

    model = CTranslate2Model(folder, compute_type, tokens)

    def make(context: Context, config: DecodeConfig, advance: Advance) -> ClipTranscriber:
        return CTranslate2Transcriber(model, config=config, context=context, advance=advance)

    settings = {"engine": "ctranslate2", "compute_type": compute_type, "device": "cpu"}
    return Engine(kind, make, settings, model.tokens)
