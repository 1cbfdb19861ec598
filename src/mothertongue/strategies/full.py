"""Vanilla fine-tuning: every weight trains."""

from typing import Literal

from transformers import WhisperConfig

from mothertongue.strategies.base import Whisper
from mothertongue.strategies.base_weight import BaseWeightStrategy


class Full(BaseWeightStrategy):
    """All of Whisper trains but the encoder's sinusoidal positions, which are constants."""

    examples = ({},)

    kind: Literal["full"] = "full"

    def check(self, config: WhisperConfig) -> None:
        """Fits every Whisper."""

    def apply(self, model: Whisper, seed: int) -> Whisper:
        """The same model, all of it trainable."""
        model.requires_grad_(True)
        model.model.encoder.embed_positions.requires_grad_(False)
        return model

    def frozen_prefix(self, model: Whisper) -> int:
        """0: nothing stays as it was."""
        return 0
