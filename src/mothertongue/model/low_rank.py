"""Apply low-rank changes of many adapters to one matrix; each row of a batch has its own.

The matrix is multiplied once for the whole batch; each adapter sees its own rows only.
N rows of a batch, L frames or tokens, D width of a matrix's input, E of its output, R rank."""

from typing import Any

from torch import Tensor, nn
from transformers import WhisperForConditionalGeneration as Whisper

from mothertongue.model.adapters import AdapterAssignment, plain_parent


class LowRank(nn.Module):
    """LoRA's change of one matrix's output, and DoRA's factor on that output."""

    down_RD: Tensor
    up_ER: Tensor
    stretch_E: Tensor | None

    def __init__(self, down_RD: Tensor, up_ER: Tensor, stretch_E: Tensor | None) -> None:
        super().__init__()
        self.register_buffer("down_RD", down_RD)
        self.register_buffer("up_ER", up_ER)
        self.register_buffer("stretch_E", stretch_E)

    def change(self, x_NLD: Tensor, y_NLE: Tensor, bias_E: Tensor | None) -> Tensor:
        """Return the change of y_NLE = W x + bias, with DoRA's part (Liu et al. 2024c)."""
        added_NLE = (x_NLD @ self.down_RD.T) @ self.up_ER.T
        if self.stretch_E is None:
            return added_NLE
        product_NLE = y_NLE if bias_E is None else y_NLE - bias_E
        return added_NLE + (self.stretch_E - 1) * product_NLE


class MixedLinear(nn.Module):
    """A matrix of the base with the low-rank changes of its adapters."""

    def __init__(self, base_layer: nn.Linear, rows: AdapterAssignment) -> None:
        super().__init__()
        self.base_layer, self.rows = base_layer, rows
        self.changes = nn.ModuleDict()

    def forward(self, x_NLD: Tensor) -> Tensor:
        """Return y_NLE; each row is what its own adapter gives."""
        y_NLE: Tensor = self.base_layer(x_NLD)
        bias_E = self.base_layer.bias
        for name, part in self.rows.runs(len(x_NLD)):
            if name in self.changes:
                change: Any = self.changes[name]
                y_NLE[part] += change.change(x_NLD[part], y_NLE[part], bias_E)
        return y_NLE


def mixed_linear(base: Whisper, path: str, rows: AdapterAssignment) -> MixedLinear:
    """Return the matrix at a path of a plain Whisper, ready for changes that `rows` selects."""
    parent, name = plain_parent(base, path)
    if not isinstance(getattr(parent, name), MixedLinear):
        setattr(parent, name, MixedLinear(getattr(parent, name), rows))
    mixed: MixedLinear = getattr(parent, name)
    return mixed
