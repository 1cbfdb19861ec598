"""Re-initialize the top of the encoder."""

from typing import Literal

from pydantic import PositiveInt
from torch import nn
from transformers import WhisperConfig

from mothertongue.errors import ConfigError
from mothertongue.strategies.base import Whisper, drawn_from
from mothertongue.strategies.base_weight import BaseWeightStrategy
from mothertongue.strategies.freeze import freeze_bottom


class Reinit(BaseWeightStrategy):
    """Re-initializes the m top encoder layers, freezes those below (Liu et al. 2024, RIFT).

    Weights are Xavier normal (Glorot and Bengio 2010, eq. 16 with a normal draw), biases 0,
    LayerNorms 1 and 0. The encoder's last LayerNorm keeps what it learned, and trains. To see what
    re-initializing does by itself, compare with {kind: freeze, encoder_layers: L - m}.
    """

    examples = ({"encoder_layers": 1}, {"encoder_layers": 2}, {"encoder_layers": 1, "stem": False})

    kind: Literal["reinit"] = "reinit"
    encoder_layers: PositiveInt
    """m: how many encoder layers are re-initialized, counted from the top."""
    stem: bool = True
    """Whether the convolutions below the first layer freeze too; the paper leaves this open."""

    @property
    def draws_at_random(self) -> bool:
        """Return True: the new layers are drawn."""
        return True

    def check(self, config: WhisperConfig) -> None:
        """Raise ConfigError if m exceeds the number of layers."""
        if self.encoder_layers > config.encoder_layers:
            raise ConfigError(
                f"strategy.encoder_layers: {self.encoder_layers} to re-initialize, but this "
                f"Whisper has {config.encoder_layers} encoder layers; give 1 to "
                f"{config.encoder_layers}"
            )

    def apply(self, model: Whisper, seed: int) -> Whisper:
        """Return the same model with new weights at the top of its encoder."""
        layers = model.model.encoder.layers
        kept = len(layers) - self.encoder_layers
        with drawn_from(seed):
            for module in layers[kept:].modules():
                _restart(module)
        return freeze_bottom(model, kept, self.stem)

    def frozen_prefix(self, model: Whisper) -> int:
        """Return L - m, or 0 if the stem below still trains."""
        return len(model.model.encoder.layers) - self.encoder_layers if self.stem else 0


def _restart(module: nn.Module) -> None:
    if isinstance(module, nn.Linear):
        nn.init.xavier_normal_(module.weight)
        if module.bias is not None:  # keys have none in Whisper
            nn.init.zeros_(module.bias)
    elif isinstance(module, nn.LayerNorm):
        nn.init.ones_(module.weight)
        nn.init.zeros_(module.bias)
