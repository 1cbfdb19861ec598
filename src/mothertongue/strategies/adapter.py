"""The common part of adapters: choosing layers, and saving and attaching new modules."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import NonNegativeInt, model_validator
from transformers import WhisperConfig

from mothertongue.errors import ConfigError
from mothertongue.model.adapters import AdapterAssignment
from mothertongue.strategies.base import Strategy, Whisper
from mothertongue.strategies.learning_rates import Tuned

Top = NonNegativeInt | Literal["all"]
Layers = tuple[NonNegativeInt, ...]


class AdapterStrategy(Strategy, ABC):
    """Trains new modules in chosen layers; the base is frozen."""

    tuned: ClassVar[Tuned] = "bottleneck"

    encoder_top: Top = "all"
    """The number of encoder layers with new modules, counted from the top; 0 for none."""
    encoder_layers: Layers | None = None
    """Instead: the encoder layers with new modules, counted from 0 at the bottom."""
    decoder: bool = True
    """Whether the decoder has new modules at all."""
    decoder_top: Top = "all"
    """The number of decoder layers with new modules, counted from the top."""
    decoder_layers: Layers | None = None
    """Instead: the decoder layers with new modules, counted from 0 at the bottom."""

    @model_validator(mode="after")
    def _every_setting_has_effect(self) -> "AdapterStrategy":
        for half, top, layers in (
            ("encoder", self.encoder_top, self.encoder_layers),
            ("decoder", self.decoder_top, self.decoder_layers),
        ):
            if top != "all" and layers is not None:
                raise ValueError(f"{half}_top has no effect beside {half}_layers; remove one")
        if not self.decoder and (self.decoder_top != "all" or self.decoder_layers is not None):
            raise ValueError("decoder_top and decoder_layers have no effect with decoder=false")
        return self

    @abstractmethod
    def save_adapter(self, model: Whisper, base: str, folder: Path) -> None:
        """Write the new modules alone as `folder`, in PEFT's form; `base` is the base's name."""

    @classmethod
    @abstractmethod
    def reads_adapter(cls, config: Mapping[str, Any]) -> bool:
        """Return whether an adapter_config.json is of this kind."""

    @classmethod
    @abstractmethod
    def load_adapter(cls, model: Whisper, folder: Path) -> None:
        """Put the adapter in a folder on its base, in place. Raises DataError for a damaged one."""

    @classmethod
    @abstractmethod
    def adapter_tensors(cls, model: Whisper) -> list[str]:
        """Return the prefixes of the tensors' names that `attach` takes from a tuned model."""

    @classmethod
    @abstractmethod
    def attach(cls, base: Whisper, name: str, tuned: Whisper, rows: AdapterAssignment) -> None:
        """Put the adapter of a tuned model beside others on the base that they share, in place.

        `rows` says before each batch which clip takes which adapter. A model without adapters of
        this kind changes nothing.
        """

    def check(self, config: WhisperConfig) -> None:
        """Raise ConfigError unless there is at least one layer and all layers exist."""
        encoder, decoder = self.encoder_places(config), self.decoder_places(config)
        if not encoder and not decoder:
            raise ConfigError("strategy: no layer is chosen, so nothing would train; choose one")

    def encoder_places(self, config: WhisperConfig) -> list[int]:
        """Return the encoder layers with new modules, from 0 at the bottom."""
        return _places("encoder", self.encoder_top, self.encoder_layers, config.encoder_layers)

    def decoder_places(self, config: WhisperConfig) -> list[int]:
        """Return the decoder layers with new modules, from 0 at the bottom."""
        if not self.decoder:
            return []
        return _places("decoder", self.decoder_top, self.decoder_layers, config.decoder_layers)

    def frozen_prefix(self, model: Whisper) -> int:
        """Return the number of layers below the lowest one with new modules."""
        return min(self.encoder_places(model.config), default=model.config.encoder_layers)


def _places(half: str, top: Top, layers: Sequence[int] | None, count: int) -> list[int]:
    if layers is not None:
        if len(set(layers)) < len(layers) or max(layers, default=-1) >= count:
            raise ConfigError(
                f"strategy.{half}_layers: {list(layers)}; expected each at most once, 0 to "
                f"{count - 1}: this Whisper has {count} {half} layers"
            )
        return sorted(layers)
    chosen = count if top == "all" else top
    if chosen > count:
        raise ConfigError(
            f"strategy.{half}_top: {chosen}, but this Whisper has {count} {half} layers; give 0 "
            f"to {count}, or all"
        )
    return list(range(count - chosen, count))
