"""Bottleneck adapters after the layers; Whisper itself is frozen."""

from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Literal

from pydantic import Field
from torch import Tensor

from mothertongue.model import adapters
from mothertongue.strategies.base import CannotMergeError, Whisper, drawn_from
from mothertongue.strategies.placement import AdapterStrategy


class BottleneckAdapters(AdapterStrategy):
    """A bottleneck of width d after each chosen layer trains (Liu et al. 2024, BAFT, BAFT-T).

    y = x + Up(GELU(Down(LN(x)))), `up` starting at zero: training begins at the base's outputs.
    """

    examples = (
        {"dim": 4},
        {"dim": 4, "encoder_top": 1},
        {"dim": 4, "encoder_layers": [0], "decoder": False},
        {"dim": 4, "encoder_top": 0, "decoder_top": 1},
    )

    kind: Literal["bottleneck"] = "bottleneck"
    dim: int = Field(default=64, gt=0, le=10_000)
    """d: the bottleneck's width; the paper found 64 best of 32, 64, 128 and 256."""

    def apply(self, model: Whisper, seed: int) -> Whisper:
        """The same model with an adapter, named "default", in each chosen layer."""
        self.check(model.config)
        model.requires_grad_(False)
        places = self.encoder_places(model.config), self.decoder_places(model.config)
        with drawn_from(seed):
            adapters.add(model, adapters.DEFAULT, self.dim, *places)
        return model

    @property
    def moves_base(self) -> bool:
        """No."""
        return False

    def take_start(self, model: Whisper, start: Mapping[str, Tensor]) -> None:
        """Never: `apply` gives the same weights everywhere."""
        raise AssertionError("no start is kept")

    def merge(self, model: Whisper) -> Whisper:
        """Never: the adapters are not linear."""
        raise CannotMergeError(
            "bottleneck adapters cannot become part of a plain Whisper: a GELU stands between "
            "their two matrices; export the adapter itself, or ONNX"
        )

    @property
    def can_merge(self) -> bool:
        """No."""
        return False

    @property
    def is_adapter(self) -> bool:
        """Yes."""
        return True

    def adapters_disabled(self, model: Whisper) -> AbstractContextManager[None]:
        """The adapters are skipped."""
        return adapters.only(model, [])
