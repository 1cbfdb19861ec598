"""A loaded model, and the two engines that decode any Whisper: torch and CTranslate2."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal, NoReturn

from torch import nn

from mothertongue.decoding.speed import decoding_precision
from mothertongue.decoding.torch_transcriber import Advance, TorchTranscriber
from mothertongue.decoding.transcript import ClipTranscriber, DecodeConfig
from mothertongue.model.context import Context
from mothertongue.model.devices import best_device
from mothertongue.model.load import Base
from mothertongue.model.tokenizer import Tokens
from mothertongue.strategies.base import NotAdapterError
from mothertongue.system.arguments import Precision

Make = Callable[[Context, DecodeConfig, Advance], ClipTranscriber]
Kind = Literal["base", "run", "ctranslate2", "export"]


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
    base_digest: str | None = None
    """The digest of the base's weights; None for exports with an engine of their own."""
    precision_s: dict[str, float] | None = None
    """The seconds by which the precision was chosen; None where they were not measured."""
    adapters_disabled: Callable[[], AbstractContextManager[None]] = nullcontext
    """A function that opens a context in which the base decodes. It raises NotAdapterError for a
    run that cannot switch its adapters off, and does nothing for a base."""

    @property
    def contexts(self) -> tuple[Context, ...]:
        """Return the contexts to score at: only a run may decode at the clips' own length."""
        return ("full", "bucket") if self.kind == "run" else ("full",)

    def language_of(self, code: str) -> str | None:
        """Return the language to decode in; None, to detect it, if the model has no token."""
        return code if self.tokens.borrowed.get(code, code) in self.tokens.languages else None


def torch_engine(kind: Kind, base: Base, precision: Precision, language: str | None) -> Engine:
    """Return an engine for a Whisper, with or without adapters, on the best device."""
    device = best_device()
    nn.Module.to(base.model, device)
    choice = decoding_precision(precision, base.model.config, device)
    dtype = choice.dtype

    def make(context: Context, config: DecodeConfig, advance: Advance) -> ClipTranscriber:
        return TorchTranscriber(
            base.model, base.tokens, context=context, config=config, dtype=dtype, advance=advance
        )

    settings = {"engine": "torch", "precision": str(dtype)[6:], "device": device.type}
    found = Engine(kind, make, settings, base.tokens, language)
    return replace(found, base_digest=base.digest, precision_s=choice.facts())


def converted_engine(kind: Kind, base: Base, compute_type: str, language: str | None) -> Engine:
    """Convert a plain Whisper from torch to CTranslate2, and return its engine."""
    from mothertongue.model.ctranslate2_writer import write_ctranslate2

    with TemporaryDirectory(prefix="mothertongue-") as home:
        folder = Path(home) / "model"
        write_ctranslate2(base.model, base.tokens, folder)
        found = ctranslate2_engine(kind, folder, compute_type, base.tokens)
    off = nullcontext if kind == "base" else _cannot_switch_off
    return replace(found, language=language, adapters_disabled=off, base_digest=base.digest)


def ctranslate2_engine(
    kind: Kind, folder: Path, compute_type: str, tokens: Tokens | None = None
) -> Engine:
    """Return an engine for a CTranslate2 folder, with its own tokens or the given ones."""
    from mothertongue.decoding.ctranslate2_transcriber import (
        CTranslate2Model,
        CTranslate2Transcriber,
    )

    model = CTranslate2Model(folder, compute_type, tokens)

    def make(context: Context, config: DecodeConfig, advance: Advance) -> ClipTranscriber:
        return CTranslate2Transcriber(model, config=config, context=context, advance=advance)

    settings = {"engine": "ctranslate2", "compute_type": compute_type, "device": "cpu"}
    return Engine(kind, make, settings, model.tokens)


def _cannot_switch_off() -> NoReturn:
    raise NotAdapterError("CTranslate2 runs merged weights; --engine torch can disable adapters")
