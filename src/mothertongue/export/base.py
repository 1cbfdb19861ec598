"""The contract of exporters: write a tuned Whisper for another engine, and transcribe with it.

A clip is float32 (N,) at 16 kHz, at most 30 s.
"""

import copy
import importlib
import pkgutil
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Self

from mothertongue.data.audio.load import SAMPLE_RATE_HZ
from mothertongue.decoding.loops import cut_at_loop
from mothertongue.decoding.transcript import (
    Clip,
    ClipTranscriber,
    Samples,
    Transcript,
    make_transcript,
    token_limit,
)
from mothertongue.errors import ConfigError
from mothertongue.evaluation.records import SplitScores
from mothertongue.experiment.load import Tuned
from mothertongue.experiment.records import RunRecord
from mothertongue.export import formats
from mothertongue.export.records import TokenLimit
from mothertongue.model.load import Base
from mothertongue.model.tokenizer import MAX_LABEL_TOKENS, PREFIX_TOKENS, Tokens
from mothertongue.strategies.base import Whisper

DECODER_TOKENS = MAX_LABEL_TOKENS - PREFIX_TOKENS
"""The text tokens for which Whisper's decoder has positions: 444."""


@dataclass(frozen=True, slots=True)
class Exported:
    """A finished run to export, with its tuned model and the facts for its model card."""

    tuned: Tuned
    run: Path
    record: RunRecord
    scores: SplitScores | None
    """The scores of `evaluate` on its test split; None where it was not scored."""
    token_limit: TokenLimit
    """The corpus' labels against the engine's limit, by `count_labels`."""
    languages: tuple[str, ...]
    """The languages that it was trained on; that of the experiment is the first."""

    @property
    def tokens(self) -> Tokens:
        return self.tuned.base.tokens

    @property
    def language(self) -> str:
        """Return the language whose token the model was tuned with, perhaps a borrowed one."""
        code = self.tuned.experiment.language
        return self.tokens.borrowed.get(code, code)

    def plain(self) -> Whisper:
        """Return a plain Whisper with the same outputs. Raises CannotMergeError without one."""
        return self.tuned.experiment.strategy.merge(copy.deepcopy(self.tuned.base.model))


class ExportTranscriber(ABC):
    """An export, loaded by its own engine. It decodes greedily, at 30 s, clip by clip.

    Final subclasses give three methods. `language` is Whisper's code.
    """

    def __init__(self, tokens: Tokens, max_tokens: int) -> None:
        """`max_tokens`: the most text tokens that the engine writes for one clip."""
        self.tokens, self.max_tokens = tokens, max_tokens
        self.advance: Callable[[int], None] = lambda _: None

    @abstractmethod
    def generate(self, samples_N: Samples, language: str) -> list[int]:
        """Return the engine's text tokens of one clip, without timestamps."""

    @abstractmethod
    def detect(self, samples_N: Samples) -> str:
        """Return the code of the most likely language."""

    @abstractmethod
    def timestamps(self, samples_N: Samples, language: str) -> list[tuple[float, float]]:
        """Return start and end in seconds of each segment that the engine finds."""

    def telling(self, advance: Callable[[int], None]) -> Self:
        """Return a copy that calls `advance` with the number of newly decoded clips."""
        found = copy.copy(self)
        found.advance = advance
        return found

    def __call__(self, audio: Sequence[Samples], language: str | None) -> list[Transcript]:
        """Return one transcript for each clip."""
        return self.decode([Clip(samples_N, language) for samples_N in audio])

    def decode(self, clips: Sequence[Clip]) -> list[Transcript]:
        """Return one transcript for each clip, without word times."""
        return [self._decoded(clip) for clip in clips]

    def _decoded(self, clip: Clip) -> Transcript:
        language = clip.language or self.detect(clip.samples_N)
        spoken = self.tokens.borrowed.get(language, language)
        written = self.generate(clip.samples_N, spoken)
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


class Exporter(ABC):
    """An export format. Final subclasses give the class variables and the three methods."""

    format: ClassVar[str]
    """Its name on the command line."""
    types: ClassVar[tuple[str, ...]]
    """The types of weights that it can have; the first is full precision."""
    engine: ClassVar[str]
    """The package that runs what is written."""
    max_tokens: ClassVar[int]
    """The most text tokens that this engine writes for one window of at most 30 s."""
    max_tokens_source: ClassVar[str]
    """The upstream file that sets the limit, and how."""
    shorter_windows: ClassVar[str]
    """How its user gets windows of at most {} seconds."""

    @abstractmethod
    def check(self, exported: Exported) -> None:
        """Raise ConfigError if this format cannot express the tuned model."""

    @abstractmethod
    def write(self, exported: Exported, folder: Path, type_: str) -> None:
        """Write the export as `folder`, which must not exist, whole or not at all."""

    @abstractmethod
    def open(self, folder: Path, tokens: Tokens, base: Base | None) -> ClipTranscriber:
        """Load an export with its own engine. `base` is given if `needs_base` is true."""

    @classmethod
    def recognizes(cls, folder: Path) -> bool:
        """Return whether a folder has this format, and not one that opens as a base."""
        return False

    library: ClassVar[str | None] = None
    """The Hub's name of the library that loads it, where it has one."""
    needs_base: ClassVar[bool] = False
    """Whether the export is only a part of a model."""
    is_exact: ClassVar[bool] = True
    """Whether its engine computes, at full precision, what torch computes."""


def exporters() -> dict[str, Exporter]:
    """Return every format by its name."""
    for module in pkgutil.iter_modules(formats.__path__):
        importlib.import_module(f"{formats.__name__}.{module.name}")
    return {each.format: each() for each in Exporter.__subclasses__()}


def exporter(format_: str) -> Exporter:
    """Return the exporter of a format. Raises ConfigError listing all formats."""
    found = exporters()
    if format_ not in found:
        raise ConfigError(f"--format {format_}: expected one of {', '.join(sorted(found))}")
    return found[format_]


def require_merged(exported: Exported, format_: str) -> None:
    """Raise ConfigError if no plain Whisper gives the same outputs."""
    if reason := exported.tuned.experiment.strategy.why_not_merged:
        raise ConfigError(
            f"{exported.run}: {reason}, so it cannot go into {format_}; export it as "
            "--format adapter or --format onnx"
        )


def comparable(
    tokens: Sequence[int], tokenizer: Tokens, duration_s: float, max_tokens: int
) -> list[int]:
    """Return text tokens cut at an engine's limit and at loops, as our own decoding does."""
    text = [token for token in tokens if token < tokenizer.end]
    limit = min(max_tokens, token_limit(duration_s))
    return cut_at_loop(text[:limit], limit)[0]


def seconds(clip: Samples) -> float:
    """Return the length of a clip in seconds."""
    return len(clip) / SAMPLE_RATE_HZ


def require(package: str, format_: str) -> Any:
    """Import an engine. Raises ConfigError saying how to install it."""
    try:
        return importlib.import_module(package)
    except ImportError:
        raise ConfigError(
            f"--format {format_} needs {package}, which is not installed; "
            "pip install 'mothertongue[export]'"
        ) from None
