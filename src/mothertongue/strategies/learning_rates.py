"""Choose learning rates by what trains and by the width of the base.

full: whisper-base at 1e-5 and 1e-4 had 34.0 and 26.9 % WER in Czech (see `train.learning_rate`),
32.6 and 24.6 % in Swahili, 70.7 and 49.8 % in Yoruba (docs/results.md); 1e-5 is usual for large
(Liu et al. 2024).
lora: whisper-base in Swahili 52.4 % at 1e-4 and 29.1 % at 1e-3 (docs/results.md, validation): about
ten times full's, as for language models (Schulman et al. 2025, "LoRA Without Regret").
bottleneck: base at 1e-3 (docs/results.md), large-v2 at 3e-4 (recipes/paper.yaml).
small and medium are interpolated, tiny has the rate of base. BitFit has the rates of bottleneck:
its paper has 1e-4 to 1e-3 for BERT, and no rate is known for Whisper.
"""

import math
from dataclasses import dataclass
from typing import Literal

Tuned = Literal["full", "lora", "bottleneck"]
"""The kind of trained weights: Whisper's own matrices, low-rank changes of them, or few others."""


@dataclass(frozen=True, slots=True)
class Rates:
    """The learning rates of bases up to a width, with OpenAI's names of such bases."""

    sizes: str
    width: float
    full: float
    lora: float
    bottleneck: float


RATES = (
    Rates("tiny, base", 512, full=1e-4, lora=1e-3, bottleneck=1e-3),
    Rates("small", 768, full=5e-5, lora=5e-4, bottleneck=5e-4),
    Rates("medium", 1024, full=2e-5, lora=3e-4, bottleneck=3e-4),
    Rates("large, turbo", math.inf, full=1e-5, lora=2e-4, bottleneck=3e-4),
)


def usual_rate(tuned: Tuned, width: int) -> float:
    """Return the learning rate for a base whose layers have this width."""
    rate: float = getattr(next(row for row in RATES if width <= row.width), tuned)
    return rate
