"""Freeze the bottom of the encoder."""

from typing import Literal

from pydantic import PositiveInt
from transformers import WhisperConfig

from mothertongue.errors import ConfigError
from mothertongue.strategies.base import Whisper
from mothertongue.strategies.base_weight import BaseWeightStrategy
from mothertongue.strategies.full import Full


class Freeze(BaseWeightStrategy):
    """Freezes the n bottom encoder layers and trains the rest (Liu et al. 2024, FFT).

    With n = all layers the encoder's last LayerNorm freezes as well: only the decoder trains.
    """

    examples = ({"encoder_layers": 1}, {"encoder_layers": 2}, {"encoder_layers": 1, "stem": False})

    kind: Literal["freeze"] = "freeze"
    encoder_layers: PositiveInt
    """n: how many encoder layers freeze, counted from the bottom."""
    stem: bool = True
    """Whether the convolutions below the first layer freeze too; the paper leaves this open."""

    def check(self, config: WhisperConfig) -> None:
        """Raise ConfigError if n exceeds the number of layers."""
        if self.encoder_layers > config.encoder_layers:
            raise ConfigError(
                f"strategy.encoder_layers: {self.encoder_layers} to freeze, but this Whisper has "
                f"{config.encoder_layers} encoder layers; give 1 to {config.encoder_layers}"
            )

    def apply(self, model: Whisper, seed: int) -> Whisper:
        """Return the same model with the bottom of its encoder frozen."""
        return freeze_bottom(model, self.encoder_layers, self.stem)

    def frozen_prefix(self, model: Whisper) -> int:
        """Return n, or 0 if the stem below still trains."""
        return self.encoder_layers if self.stem else 0


def freeze_bottom(model: Whisper, num_layers: int, stem: bool) -> Whisper:
    """Freeze the encoder's bottom layers, and its stem if asked; the rest of the model trains.

    With all layers its last LayerNorm freezes as well.
    """
    encoder = Full().apply(model, seed=0).model.encoder
    frozen = [*encoder.layers[:num_layers]]
    if stem:
        frozen += [encoder.conv1, encoder.conv2]
    if num_layers == len(encoder.layers):
        frozen.append(encoder.layer_norm)
    for module in frozen:
        module.requires_grad_(False)
    return model
