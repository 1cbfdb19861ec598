"""Decode a batch with a different adapter for each clip, on one base in memory."""

import torch
from torch import Tensor

from mothertongue import strategies
from mothertongue.config import members
from mothertongue.errors import ConfigError
from mothertongue.model.adapters import AdapterAssignment
from mothertongue.strategies.adapter import AdapterStrategy
from mothertongue.strategies.base import Whisper


def add(base: Whisper, name: str, tuned: Whisper, rows: AdapterAssignment) -> None:
    """Add the adapter of a model tuned from this base to it, in place, under a new name.

    `rows`: the same for all adapters of a base; it is set before each batch to the adapter of
    each clip. The tuned model may be dropped. Raises ConfigError for a name that is no word, and
    if the tuned model has changes that no strategy can attach: it would be served without them.
    Nothing is added then.
    """
    if not name.isidentifier():
        raise ConfigError(f"adapter {name!r}: expected a word of letters, digits and _")
    kinds = members(AdapterStrategy, strategies)  # type: ignore[type-abstract]
    _refuse_other_changes(base, tuned, [p for kind in kinds for p in kind.adapter_tensors(tuned)])
    for kind in kinds:
        kind.attach(base, name, tuned, rows)


def _refuse_other_changes(base: Whisper, tuned: Whisper, prefixes: list[str]) -> None:
    """Raise ConfigError unless the models differ by adapters that can be added, and do differ."""
    ours = {name.replace("base_layer.", ""): value for name, value in base.named_parameters()}
    odd = [
        name
        for name, value in tuned.named_parameters()
        if not name.startswith(tuple(prefixes))
        and not _is_equal(ours.get(name.replace("base_layer.", "")), value)
    ]
    if odd or not prefixes:
        found = f"also differs in {', '.join(odd[:3])}" if odd else "has no adapter"
        raise ConfigError(
            f"cannot share a base with other models: it {found}; expected LoRA that leaves the "
            "base's weights alone, or bottleneck adapters; give --merge, or export the whole model "
            "(mothertongue export, --format hf, ctranslate2 or onnx) and serve the export"
        )


def _is_equal(ours: Tensor | None, theirs: Tensor) -> bool:
    """Return whether the base, perhaps in another precision, has the same values."""
    return ours is not None and torch.equal(ours, theirs.to(ours))
