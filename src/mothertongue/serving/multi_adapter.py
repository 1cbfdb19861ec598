"""One base in memory, the adapters of many runs on it: each clip of a batch takes its own.

LoRA of any kind that leaves the base's weights alone, and bottleneck adapters. The matrices of the
base are multiplied once for the whole batch; each adapter sees its own rows only.
N rows of a batch, L frames or tokens, D width of a matrix's input, E of its output, R rank.
"""

from typing import Any

import torch
from torch import Tensor, nn

from mothertongue.errors import ConfigError
from mothertongue.model.adapters import AdaptedLayer, AdapterAssignment
from mothertongue.strategies.base import Whisper


class LowRank(nn.Module):
    """What LoRA adds to one matrix's output, and by how much DoRA stretches that output."""

    down_RD: Tensor
    up_ER: Tensor
    stretch_E: Tensor | None

    def __init__(self, down_RD: Tensor, up_ER: Tensor, stretch_E: Tensor | None) -> None:
        super().__init__()
        self.register_buffer("down_RD", down_RD)
        self.register_buffer("up_ER", up_ER)
        self.register_buffer("stretch_E", stretch_E)

    def change(self, x_NLD: Tensor, y_NLE: Tensor, bias_E: Tensor | None) -> Tensor:
        """The change of y_NLE = W x + bias: with DoRA (m / norm - 1) W x too (Liu et al. 2024c)."""
        added_NLE = (x_NLD @ self.down_RD.T) @ self.up_ER.T
        if self.stretch_E is None:
            return added_NLE
        product_NLE = y_NLE if bias_E is None else y_NLE - bias_E
        return added_NLE + (self.stretch_E - 1) * product_NLE


class MixedLinear(nn.Module):
    """A matrix of the base, and the low-rank changes of the adapters that have one here."""

    def __init__(self, base_layer: nn.Linear, rows: AdapterAssignment) -> None:
        super().__init__()
        self.base_layer, self.rows = base_layer, rows
        self.changes = nn.ModuleDict()

    def forward(self, x_NLD: Tensor) -> Tensor:
        """y_NLE: each row as its own adapter would give it."""
        y_NLE: Tensor = self.base_layer(x_NLD)
        bias_E = self.base_layer.bias
        for name, part in self.rows.runs(len(x_NLD)):
            if name in self.changes:
                change: Any = self.changes[name]
                y_NLE[part] += change.change(x_NLD[part], y_NLE[part], bias_E)
        return y_NLE


def add(base: Whisper, name: str, tuned: Whisper, rows: AdapterAssignment) -> None:
    """Put the adapter of a model tuned from this base onto it, in place, under a name of its own.

    `rows`: the same for all adapters of a base; say there, before each batch, which clip takes
    which. The tuned model may be dropped. Raises ConfigError for a name that is no word, and where
    the tuned model differs from the base by anything but adapters of the kinds named above: it
    would be served without that part. Nothing is added then.
    """
    if not name.isidentifier():
        raise ConfigError(f"adapter {name!r}: expected a word of letters, digits and _")
    _refuse_other_changes(base, tuned)
    from peft.tuners.lora import LoraLayer

    for path, module in list(tuned.named_modules()):
        plain_path = path.replace("base_layer.", "")
        if isinstance(module, LoraLayer):
            _mixed_linear(base, plain_path, rows).changes[name] = _low_rank(module, base)
        elif isinstance(module, AdaptedLayer):
            (bottleneck,) = module.adapters.values()
            _adapted_layer(base, plain_path, rows).adapters[name] = bottleneck.to(
                base.device, base.dtype
            )


def _refuse_other_changes(base: Whisper, tuned: Whisper) -> None:
    """Raise ConfigError unless the models differ by adapters that can be added, and do differ."""
    adapters = _adapter_tensors(tuned)
    ours = {name.replace("base_layer.", ""): value for name, value in base.named_parameters()}
    odd = [
        name
        for name, value in tuned.named_parameters()
        if not name.startswith(adapters)
        and not _is_equal(ours.get(name.replace("base_layer.", "")), value)
    ]
    if odd or not adapters:
        found = f"also differs in {', '.join(odd[:3])}" if odd else "has no adapter"
        raise ConfigError(
            f"cannot share a base with other models: it {found}; expected LoRA that leaves the "
            "base's weights alone, or bottleneck adapters; give --merge, or export the whole model "
            "(mothertongue export, --format hf, ctranslate2 or onnx) and serve the export"
        )


def _adapter_tensors(tuned: Whisper) -> tuple[str, ...]:
    """How the names of the tensors begin that `add` takes from a tuned model."""
    from peft.tuners.lora import LoraLayer

    found = []
    for path, module in tuned.named_modules():
        if isinstance(module, LoraLayer) and isinstance(module.get_base_layer(), nn.Linear):
            found.append(f"{path}.lora_")
        elif isinstance(module, AdaptedLayer):
            found.append(f"{path}.adapters.")
    return tuple(found)


def _is_equal(ours: Tensor | None, theirs: Tensor) -> bool:
    """Whether the base, maybe in another precision, has the same values."""
    return ours is not None and torch.equal(ours, theirs.to(ours))


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


def _mixed_linear(base: Whisper, path: str, rows: AdapterAssignment) -> MixedLinear:
    """The matrix at a path of a plain Whisper, which may by now be under adapters."""
    parent, name = _parent(base, path)
    found = getattr(parent, name)
    if not isinstance(found, MixedLinear):
        setattr(parent, name, MixedLinear(found, rows))
    mixed: MixedLinear = getattr(parent, name)
    return mixed


def _adapted_layer(base: Whisper, path: str, rows: AdapterAssignment) -> AdaptedLayer:
    parent, name = _parent(base, path)
    layers: Any = parent
    found = layers[int(name)]
    if not isinstance(found, AdaptedLayer):
        layers[int(name)] = AdaptedLayer(found)
        layers[int(name)].rows = rows
    adapted: AdaptedLayer = layers[int(name)]
    return adapted


def _parent(base: Whisper, path: str) -> tuple[nn.Module, str]:
    """The module that holds the one at a path, and its name there."""
    *steps, name = path.split(".")
    module: Any = base
    for step in steps:
        module = module.base_layer if isinstance(module, AdaptedLayer) else module
        module = getattr(module, step)
    return (module.base_layer if isinstance(module, AdaptedLayer) else module), name
