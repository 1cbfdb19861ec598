"""Vanilla fine-tuning: every weight trains."""

from typing import Literal

from mothertongue.strategies.base import Whisper
from mothertongue.strategies.base_weight import BaseWeightStrategy


class Full(BaseWeightStrategy):
    """Trains all of Whisper except the encoder's sinusoidal positions, which are constants."""

    examples = ({},)

    kind: Literal["full"] = "full"

    def apply(self, model: Whisper, seed: int) -> Whisper:
        """Return the same model, with all of it trainable."""
        model.requires_grad_(True)
        model.model.encoder.embed_positions.requires_grad_(False)
        return model

    def frozen_prefix(self, model: Whisper) -> int:
        """Return 0: no layer keeps its output."""
        return 0
