"""Train only the biases."""

from typing import Literal

from mothertongue.strategies.base import Whisper
from mothertongue.strategies.base_weight import BaseWeightStrategy


class BitFit(BaseWeightStrategy):
    """Trains every bias and nothing else (Ben Zaken et al. 2022, BitFit).

    In Whisper: those of the convolutions, of queries, values and outputs (keys have none), of the
    feed-forward layers and of LayerNorms, about 0.1 % of the weights. It takes a higher learning
    rate than full tuning: the paper tried 1e-4 to 1e-3.
    """

    examples = ({},)
    tuned = "bottleneck"

    kind: Literal["bitfit"] = "bitfit"

    def apply(self, model: Whisper, seed: int) -> Whisper:
        """Return the same model with requires_grad on its biases."""
        for name, parameter in model.named_parameters():
            parameter.requires_grad_(name.endswith(".bias"))
        return model

    def frozen_prefix(self, model: Whisper) -> int:
        """Return 0: the biases of the convolutions train."""
        return 0
