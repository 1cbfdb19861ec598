"""Bottleneck adapters after the layers; Whisper itself is frozen.

D the model's width, d the adapter's.
"""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Literal

import torch
from pydantic import Field
from torch import Tensor
from transformers import WhisperConfig

from mothertongue.config import parse
from mothertongue.model import adapters
from mothertongue.strategies.adapter import AdapterStrategy
from mothertongue.strategies.averaging import Trained, mean
from mothertongue.strategies.base import CannotMergeError, Strategy, Whisper, drawn_from


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

    def check_mean(self, seeds: Sequence[int], config: WhisperConfig) -> None:
        """Raise ConfigError if all adapters together are wider than an adapter may be."""
        self._of_runs(len(seeds))

    def average(
        self, base: Whisper, runs: Sequence[Trained], alpha: float
    ) -> tuple[Strategy, dict[str, Tensor]]:
        """Return one adapter, as wide as all together, that adds the mean of their outputs.

        The runs may have drawn their adapters from any seeds: no hidden unit of one is mixed with
        one of another. `alpha` scales the output; at 0 the model is the base.
        """
        wide = self._of_runs(len(runs))
        stem = f".adapters.{adapters.DEFAULT}."
        layers = {name.partition(stem)[0] for name in runs[0].tensors}
        tensors = {
            f"{layer}{stem}{name}": value.float()
            for layer in sorted(layers)
            for name, value in _mean_adapter(
                [_of_layer(each.tensors, f"{layer}{stem}") for each in runs], alpha
            ).items()
        }
        return wide, tensors

    def _of_runs(self, count: int) -> "BottleneckAdapters":
        """Return the settings of the mean of `count` runs."""
        return parse(
            BottleneckAdapters, self.model_dump() | {"dim": count * self.dim}, "the average"
        )

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


def _of_layer(tensors: Mapping[str, Tensor], stem: str) -> dict[str, Tensor]:
    return {
        n.removeprefix(stem): each.double() for n, each in tensors.items() if n.startswith(stem)
    }


def _mean_adapter(each: Sequence[dict[str, Tensor]], alpha: float) -> dict[str, Tensor]:
    """Return the adapter that adds alpha times the mean of these; of one, only `up` changes.

    The norms' weights and biases move into `down`: Down(w n(x) + b) = (Down diag(w)) n(x) + Down b.
    """
    share = alpha / len(each)
    up_Dd = torch.cat([share * one["up.weight"] for one in each], dim=1)
    up_D = alpha * mean([one["up.bias"] for one in each])
    if len(each) == 1:
        return each[0] | {"up.weight": up_Dd, "up.bias": up_D}
    downs = [(one["down.weight"], one["norm.weight"], one["norm.bias"]) for one in each]
    bias_d = [
        one["down.bias"] + down_dD @ shift_D
        for one, (down_dD, _, shift_D) in zip(each, downs, strict=True)
    ]
    return {
        "norm.weight": torch.ones_like(up_D),
        "norm.bias": torch.zeros_like(up_D),
        "down.weight": torch.cat([down_dD * scale_D for down_dD, scale_D, _ in downs]),
        "down.bias": torch.cat(bias_d),
        "up.weight": up_Dd,
        "up.bias": up_D,
    }
