"""Low-rank adaptation, by PEFT; Whisper itself is frozen.

D width of a matrix's input, E of its output, R rank.
"""

import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import torch
from pydantic import Field, PositiveInt
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn
from transformers import WhisperConfig

from mothertongue.errors import ConfigError, DataError, refusing
from mothertongue.model.adapters import CONFIG, TENSORS, AdapterAssignment, adapter_config
from mothertongue.model.low_rank import LowRank, mixed_linear
from mothertongue.strategies.adapter import AdapterStrategy
from mothertongue.strategies.averaging import Trained
from mothertongue.strategies.base import (
    NotAdapterError,
    Strategy,
    Whisper,
    drawn_from,
    trained_parameters,
)
from mothertongue.strategies.low_rank_mean import ADAPTER, LoraFormula, Variant, mean_change
from mothertongue.system.files import folder_atomically

if TYPE_CHECKING:  # PEFT takes seconds to import: only a model that gets LoRA pays for it
    from peft import LoraConfig
    from peft.tuners.lora import LoraLayer

Preset = Literal["paper", "peft", "all-linear"]

QUERIES_AND_VALUES = ("q_proj", "v_proj")
ATTENTION = ("q_proj", "k_proj", "v_proj", "out_proj")
FEED_FORWARD = ("fc1", "fc2")
SAVED_PREFIX = "base_model.model."


class Lora(AdapterStrategy):
    """W + (alpha / rank) B A: the low-rank A and B of chosen matrices train (Hu et al. 2021).

    Liu et al. 2024's LoRAFT is preset paper, rank 32, alpha 64; it used full tuning's learning
    rate, 1e-5, which is far too low for LoRA.
    """

    examples = (
        {"rank": 2, "alpha": 4},
        {"rank": 2, "preset": "peft", "encoder_top": 1},
        {"rank": 2, "preset": "all-linear", "encoder_top": 0},
        {"rank": 2, "variant": "dora"},
        {"rank": 2, "variant": "rslora", "decoder": False},
        {"rank": 2, "variant": "pissa"},
    )

    tuned = "lora"

    kind: Literal["lora"] = "lora"
    preset: Preset = "paper"
    """paper: q and v of self-attention; peft: of cross-attention too; all-linear: every matrix."""
    rank: PositiveInt = 32
    """The rank of the change."""
    alpha: PositiveInt = 64
    """The change is scaled by alpha / rank, in rslora by alpha / sqrt(rank)."""
    dropout: float = Field(default=0.0, ge=0, lt=1)
    """The dropout on A's input."""
    variant: Variant = "plain"
    """dora: magnitude and direction apart; rslora: another scale; pissa: starts at W's main part
    (Liu et al. 2024b; Kalajdzievski 2023; Meng et al. 2024)."""

    def check(self, config: WhisperConfig) -> None:
        """Raise ConfigError also where the rank is more than a matrix of this Whisper has."""
        super().check(config)
        if self.rank > config.d_model:
            raise ConfigError(
                f"strategy.rank: {self.rank}, but a matrix of this Whisper has at most rank "
                f"{config.d_model}; give at most {config.d_model}"
            )

    def apply(self, model: Whisper, seed: int) -> Whisper:
        """Return the same model with PEFT's layers in place of the chosen matrices."""
        from peft import inject_adapter_in_model

        self.check(model.config)
        model.requires_grad_(False)
        with drawn_from(seed):
            inject_adapter_in_model(self.peft_config(model), model)
        return model

    def peft_config(self, model: Whisper) -> "LoraConfig":
        """Return PEFT's settings. `task_type` is unset: SEQ_2_SEQ_LM breaks Whisper's forward."""
        from peft import LoraConfig

        return LoraConfig(
            r=self.rank,
            lora_alpha=self.alpha,
            lora_dropout=self.dropout,
            target_modules=self.targets(model),
            use_dora=self.variant == "dora",
            use_rslora=self.variant == "rslora",
            init_lora_weights="pissa" if self.variant == "pissa" else True,
        )

    def targets(self, model: Whisper) -> list[str]:
        """Return the full names of the matrices that get a change."""
        attention = ATTENTION if self.preset == "all-linear" else QUERIES_AND_VALUES
        inside = [f"self_attn.{name}" for name in attention]
        across = [f"encoder_attn.{name}" for name in attention] if self.preset != "paper" else []
        feed_forward = list(FEED_FORWARD) if self.preset == "all-linear" else []
        halves = (
            ("encoder", self.encoder_places(model.config), inside + feed_forward),
            ("decoder", self.decoder_places(model.config), inside + across + feed_forward),
        )
        return [
            f"model.{half}.layers.{place}.{name}"
            for half, places, names in halves
            for place in places
            for name in names
        ]

    @property
    def moves_base(self) -> bool:
        """Return True for PiSSA: A and B begin as W's singular vectors, and W loses their product.

        Where singular values are close, another CPU's decomposition gives other vectors.
        """
        return self.variant == "pissa"

    def take_start(self, model: Whisper, start: Mapping[str, Tensor]) -> None:
        """Add to each W the product that it lost here, and subtract the product of `start`."""
        for name, layer in _lora_layers(model):
            first_RD, first_ER = (start[f"{name}.lora_{ab}.{ADAPTER}.weight"] for ab in "AB")
            _begin_with(layer, first_RD, first_ER)

    def merge(self, model: Whisper) -> Whisper:
        """Return the same model with the changes added to its matrices."""
        for name, layer in _lora_layers(model):
            layer.merge(safe_merge=True)
            parent, _, attribute = name.rpartition(".")
            setattr(model.get_submodule(parent), attribute, layer.get_base_layer())
        return model

    @property
    def draws_at_random(self) -> bool:
        """Return True, except for PiSSA, which starts from W's own singular vectors."""
        return self.variant != "pissa"

    def check_mean(self, seeds: Sequence[int], config: WhisperConfig) -> None:
        """Raise ConfigError if the sum of the ranks is more than the rank of a matrix."""
        self._of_runs(len(seeds), config)

    def average(
        self, base: Whisper, runs: Sequence[Trained], alpha: float
    ) -> tuple[Strategy, dict[str, Tensor]]:
        """Return the exact mean of the changes B A, as one LoRA of the sum of their ranks.

        PiSSA's change is what training added to the product that it began with: the result is
        plain LoRA of twice the rank, which can be disabled. Raises ConfigError if the sum is
        more than the rank of a matrix.
        """
        wide = self._of_runs(len(runs), base.config)
        tensors: dict[str, Tensor] = {}
        for name in self.targets(base):
            weight_ED = base.get_parameter(f"{name}.weight").detach()
            changes = [self._formula.change(name, weight_ED, each) for each in runs]
            tensors |= wide._formula.tensors(name, weight_ED, mean_change(changes, alpha))
        return wide, tensors

    def _of_runs(self, count: int, config: WhisperConfig) -> "Lora":
        """Return the settings of the mean of `count` runs; alpha / rank stays."""
        times = 2 * count if self.variant == "pissa" else count
        if times * self.rank > config.d_model:
            raise ConfigError(
                f"the mean of {count} runs of strategy {self!r} has rank {times * self.rank}, but "
                f"a matrix of this Whisper has at most rank {config.d_model}; average fewer runs, "
                "or runs of a lower rank"
            )
        variant = "plain" if self.variant == "pissa" else self.variant
        settings = {"rank": times * self.rank, "alpha": times * self.alpha, "variant": variant}
        return self.model_copy(update=settings)

    @property
    def _formula(self) -> LoraFormula:
        return LoraFormula(self.rank, self.alpha, self.variant)

    @property
    def is_adapter(self) -> bool:
        """Return True, except for PiSSA, which takes the main part of W away."""
        return self.variant != "pissa"

    def adapters_disabled(self, model: Whisper) -> AbstractContextManager[None]:
        """Skip the changes inside the block."""
        if not self.is_adapter:
            raise NotAdapterError(
                "pissa moved a part of the base's weights into the adapter; load the base"
            )
        return _disabled(model)

    def save_adapter(self, model: Whisper, base: str, folder: Path) -> None:
        """Write the adapter as PEFT does."""
        config = self.peft_config(model)
        config.base_model_name_or_path = base
        config.inference_mode = True
        with folder_atomically(folder) as fresh:
            config.save_pretrained(str(fresh))
            save_file(_saved_tensors(model), fresh / TENSORS)

    @classmethod
    def reads_adapter(cls, config: Mapping[str, Any]) -> bool:
        """Return whether the file has PEFT's peft_type for LoRA."""
        return bool(config.get("peft_type") == "LORA")

    @classmethod
    def load_adapter(cls, model: Whisper, folder: Path) -> None:
        """Load the adapter with PEFT, which puts its layers into the base in place."""
        from peft import PeftModel

        with refusing(folder, "an adapter that fits its base"):
            _check_ranks(folder)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", FutureWarning)  # PEFT's own, of transformers' names
                PeftModel.from_pretrained(model, str(folder)).eval()

    @classmethod
    def adapter_tensors(cls, model: Whisper) -> list[str]:
        """Return the prefixes of A, B and DoRA's magnitudes of each linear layer."""
        return [
            f"{path}.lora_"
            for path, layer in _lora_layers(model)
            if isinstance(layer.get_base_layer(), nn.Linear)
        ]

    @classmethod
    def attach(cls, base: Whisper, name: str, tuned: Whisper, rows: AdapterAssignment) -> None:
        """Add each low-rank change to the same matrix of the base."""
        for path, layer in _lora_layers(tuned):
            mixed = mixed_linear(base, path.replace("base_layer.", ""), rows)
            mixed.changes[name] = _low_rank(layer, base)


def _low_rank(layer: Any, like: Whisper) -> LowRank:
    (name,) = layer.active_adapters
    down_RD = layer.lora_A[name].weight.detach()
    up_ER = layer.lora_B[name].weight.detach() * layer.scaling[name]
    stretch_E = None
    if layer.use_dora[name]:
        weight_ED = layer.get_base_layer().weight.detach()
        norm_E = torch.linalg.norm(weight_ED + up_ER @ down_RD, dim=1)
        stretch_E = layer.lora_magnitude_vector[name].weight.detach() / norm_E
        up_ER = stretch_E[:, None] * up_ER
    return LowRank(down_RD, up_ER, stretch_E).to(like.device, like.dtype)


def _saved_tensors(model: Whisper) -> dict[str, Tensor]:
    """Return the trained tensors by the names in PEFT's files: without the adapter's name."""
    return {
        SAVED_PREFIX + name.replace(f".{ADAPTER}", ""): value.detach().cpu().contiguous()
        for name, value in trained_parameters(model).items()
    }


def _check_ranks(folder: Path) -> None:
    """Raise DataError if PEFT would ask the Hub for tensors, or build modules without tensors."""
    if not (folder / TENSORS).is_file():
        raise DataError(f"{folder}: no {TENSORS}; copy it there from where it was made")
    with safe_open(folder / TENSORS, "pt") as file:
        keys = file.keys()
        largest = max(size for key in keys for size in file.get_slice(key).get_shape())
    config = adapter_config(folder)
    for rank in (config.get("r", 1), *(config.get("rank_pattern") or {}).values()):
        if type(rank) is not int or not 1 <= rank <= largest:
            raise DataError(
                f"{folder / CONFIG}: rank {str(rank)[:40]}, expected a whole number from "
                f"1 to {largest:,}, the largest size of its tensors; export it again"
            )


@torch.no_grad()
def _begin_with(layer: Any, first_RD: Tensor, first_ER: Tensor) -> None:
    """Set a layer's A and B and change W, so that W plus their scaled product stays the same."""
    down_RD, up_ER = layer.lora_A[ADAPTER].weight, layer.lora_B[ADAPTER].weight
    if torch.equal(down_RD.cpu(), first_RD) and torch.equal(up_ER.cpu(), first_ER):
        return  # decomposed alike: no rounding changes a bit of W
    weight_ED = layer.get_base_layer().weight
    lost_ED = _product(down_RD, up_ER) - _product(first_RD, first_ER)
    weight_ED.copy_(weight_ED.cpu().double() + layer.scaling[ADAPTER] * lost_ED)
    down_RD.copy_(first_RD)
    up_ER.copy_(first_ER)


def _product(down_RD: Tensor, up_ER: Tensor) -> Tensor:
    """Return B A in double precision, on the CPU."""
    return up_ER.cpu().double() @ down_RD.cpu().double()


def _lora_layers(model: Whisper) -> list[tuple[str, "LoraLayer"]]:
    from peft.tuners.lora import LoraLayer

    return [(name, each) for name, each in model.named_modules() if isinstance(each, LoraLayer)]


@contextmanager
def _disabled(model: Whisper) -> Iterator[None]:
    enabled = [layer for _, layer in _lora_layers(model) if not layer.disable_adapters]
    for layer in enabled:
        layer.enable_adapters(False)
    try:
        yield
    finally:
        for layer in enabled:
            layer.enable_adapters(True)
