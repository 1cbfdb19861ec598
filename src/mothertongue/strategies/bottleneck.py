"""Bottleneck adapters after the layers; Whisper itself is frozen."""

from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from mothertongue.model import adapters
from mothertongue.strategies.adapter import AdapterStrategy
from mothertongue.strategies.base import CannotMergeError, Whisper, drawn_from


class BottleneckAdapters(AdapterStrategy):
    """Trains a bottleneck of width d after each chosen layer (Liu et al. 2024, BAFT, BAFT-T).

    y = x + Up(GELU(Down(LN(x)))), `up` starting at zero: training begins at the base's outputs.
    """

    examples = (
        {"dim": 4},
        {"dim": 4, "encoder_top": 1},
        {"dim": 4, "encoder_layers": [0], "decoder": False},
        {"dim": 4, "encoder_top": 0, "decoder_top": 1},
    )

    why_not_merged = (
        "bottleneck adapters cannot become part of a plain Whisper: a GELU stands between their "
        "two matrices"
    )

    kind: Literal["bottleneck"] = "bottleneck"
    dim: int = Field(default=64, gt=0, le=10_000)
    """d: the bottleneck's width; the paper found 64 best of 32, 64, 128 and 256."""

    def apply(self, model: Whisper, seed: int) -> Whisper:
        """Return the same model with an adapter, named "default", in each chosen layer."""
        self.check(model.config)
        model.requires_grad_(False)
        places = self.encoder_places(model.config), self.decoder_places(model.config)
        with drawn_from(seed):
            adapters.add(model, adapters.DEFAULT, self.dim, *places)
        return model

    @property
    def draws_at_random(self) -> bool:
        """Return True: the adapters are drawn."""
        return True

    def merge(self, model: Whisper) -> Whisper:
        """Raise CannotMergeError: the adapters are not linear."""
        raise CannotMergeError(f"{self.why_not_merged}; export the adapter itself, or ONNX")

    @property
    def is_adapter(self) -> bool:
        """Return True: the adapters can be disabled."""
        return True

    def adapters_disabled(self, model: Whisper) -> AbstractContextManager[None]:
        """Skip the adapters inside the block."""
        return adapters.only(model, [])

    def save_adapter(self, model: Whisper, base: str, folder: Path) -> None:
        """Write the adapter named "default"."""
        adapters.save(model, adapters.DEFAULT, folder, base)

    @classmethod
    def reads_adapter(cls, config: Mapping[str, Any]) -> bool:
        """Return whether the file has our own peft_type."""
        return bool(config.get("peft_type") == adapters.PEFT_TYPE)

    @classmethod
    def load_adapter(cls, model: Whisper, folder: Path) -> None:
        """Add the adapter under the name "default"."""
        adapters.load(model, folder)

    @classmethod
    def adapter_tensors(cls, model: Whisper) -> list[str]:
        """Return the prefixes of all tensors of the bottlenecks."""
        return [
            f"{path}.adapters."
            for path, module in model.named_modules()
            if isinstance(module, adapters.AdaptedLayer)
        ]

    @classmethod
    def attach(
        cls, base: Whisper, name: str, tuned: Whisper, rows: adapters.AdapterAssignment
    ) -> None:
        """Move each bottleneck to the same layer of the base."""
        for path, module in list(tuned.named_modules()):
            if isinstance(module, adapters.AdaptedLayer):
                (bottleneck,) = module.adapters.values()
                layer = adapters.shared_layer(base, path.replace("base_layer.", ""), rows)
                layer.adapters[name] = bottleneck.to(base.device, base.dtype)
