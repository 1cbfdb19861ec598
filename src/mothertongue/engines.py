"""The transcriber that a MODEL argument names: a run's folder, a base, or a CTranslate2 folder."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Literal

from torch import nn

from mothertongue.batches import Context
from mothertongue.decoding.torch_engine import Advance, TorchTranscriber
from mothertongue.decoding.transcript import DecodeConfig, Transcriber
from mothertongue.devices import Precision, best_device, dtype_of
from mothertongue.errors import ConfigError
from mothertongue.experiment import load_run
from mothertongue.locate import locate
from mothertongue.model import Base, load_base
from mothertongue.records import is_run

Make = Callable[[Context, DecodeConfig, Advance], Transcriber]
Kind = Literal["base", "run", "ctranslate2"]


@dataclass(frozen=True, slots=True)
class Engine:
    """A model that is loaded. A run's own language is known; only a run may be cut to its clips."""

    kind: Kind
    make: Make
    settings: dict[str, str]
    """What a score depends on besides the model: engine, precision, device."""
    language: str | None = None
    switched_off: Callable[[], AbstractContextManager[None]] = nullcontext
    """Inside, what is made transcribes as the base. A run that is not removable raises
    NotRemovableError; a base is the base."""

    @property
    def contexts(self) -> tuple[Context, ...]:
        """The contexts to score at: a base breaks when cut, and CTranslate2 always pads."""
        return ("full", "bucket") if self.kind == "run" else ("full",)


def open_engine(
    model: str,
    *,
    precision: Precision = "auto",
    weights: str = "best",
    compute_type: str = "default",
    borrow: Mapping[str, str] | None = None,
) -> Engine:
    """Load MODEL. `compute_type` is CTranslate2's and has no effect, so is refused, elsewhere.

    `borrow` lends a base's tokens to languages without one; a run's experiment has its own.
    """
    path = Path(model).expanduser()
    is_folder_of_ctranslate2 = (
        path.is_dir() and not is_run(path) and locate(model).layout == "ctranslate2"
    )
    if is_folder_of_ctranslate2:
        return _ctranslate2(path, compute_type)
    if compute_type != "default":
        raise ConfigError(
            f"--compute-type {compute_type} is for CTranslate2 folders, and {model} is none; "
            "use --precision"
        )
    if is_run(path):
        tuned = load_run(path, weights)
        engine = _torch("run", tuned.base, precision, tuned.experiment.language)
        off = partial(tuned.experiment.strategy.switched_off, tuned.base.model)
        return replace(engine, switched_off=off)
    base = load_base(model)
    lent = replace(base, tokens=base.tokens.borrowing(borrow or {}))
    return _torch("base", lent, precision, None)


def _torch(kind: Kind, base: Base, precision: Precision, language: str | None) -> Engine:
    device = best_device()
    nn.Module.to(base.model, device)
    dtype = dtype_of(precision, device)

    def make(context: Context, config: DecodeConfig, advance: Advance) -> Transcriber:
        return TorchTranscriber(
            base.model, base.tokens, context=context, config=config, dtype=dtype, advance=advance
        )

    settings = {"engine": "torch", "precision": str(dtype)[6:], "device": device.type}
    return Engine(kind, make, settings, language)


def _ctranslate2(folder: Path, compute_type: str) -> Engine:
    from mothertongue.decoding.ctranslate2_engine import CTranslate2Transcriber

    def make(context: Context, config: DecodeConfig, advance: Advance) -> Transcriber:
        assert context == "full", "CTranslate2's Whisper always decodes at 30 s"
        return CTranslate2Transcriber(
            folder, config=config, compute_type=compute_type, advance=advance
        )

    settings = {"engine": "ctranslate2", "compute_type": compute_type, "device": "cpu"}
    return Engine("ctranslate2", make, settings)
