"""Bottleneck adapters: small named modules after Whisper's layers; many can share a base.

Houlsby et al. 2019, sec. 2.1, with one adapter a layer: y = x + Up(GELU(Down(LN(x)))).
B batch, T frames or tokens, D the model's width, d the adapter's.
"""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import groupby
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from transformers import WhisperConfig
from transformers import WhisperForConditionalGeneration as Whisper

from mothertongue.errors import ConfigError, DataError, refusing
from mothertongue.system.files import folder_atomically, write_json

CONFIG, TENSORS = "adapter_config.json", "adapter_model.safetensors"
PEFT_TYPE = "BOTTLENECK"
DEFAULT = "default"


class Bottleneck(nn.Module):
    """A bottleneck adapter, y = x + Up(GELU(Down(LN(x)))); as `up` starts at zero, y starts at x.

    2 D d + 3 D + d parameters.
    """

    def __init__(self, width: int, dim: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.down = nn.Linear(width, dim)
        self.up = nn.Linear(dim, width)
        nn.init.zeros_(self.up.weight)
        nn.init.zeros_(self.up.bias)

    def forward(self, x_BTD: Tensor) -> Tensor:
        """Return y_BTD, with the shape of x_BTD."""
        return x_BTD + self.up(nn.functional.gelu(self.down(self.norm(x_BTD))))


class AdapterAssignment:
    """The adapter of each clip of a batch, shared by all layers of one model."""

    def __init__(self) -> None:
        self.adapters: list[str | None] = []
        self._runs: dict[int, list[tuple[str, slice]]] = {}

    def put(self, adapters: Sequence[str | None]) -> None:
        """Set the adapter of each clip; None is the base. Clips of one adapter stand together."""
        self.adapters = list(adapters)
        self._runs = {}

    def keep(self, clips: Sequence[int]) -> None:
        """Keep only these clips."""
        self.put([self.adapters[clip] for clip in clips])

    def runs(self, rows: int) -> list[tuple[str, slice]]:
        """Return each adapter with its rows, in a tensor with equally many rows for every clip."""
        if rows not in self._runs:
            self._runs[rows] = self._found(rows // len(self.adapters))
        return self._runs[rows]

    def _found(self, rows_each: int) -> list[tuple[str, slice]]:
        found, first = [], 0
        for name, clips in groupby(self.adapters):
            end = first + rows_each * len(list(clips))
            if name is not None:
                found.append((name, slice(first, end)))
            first = end
        return found


class AdaptedLayer(nn.Module):
    """A Whisper layer followed by its active adapters, one after the other."""

    def __init__(self, base_layer: nn.Module) -> None:
        super().__init__()
        self.base_layer = base_layer
        self.adapters = nn.ModuleDict()
        self.active: tuple[str, ...] = ()
        self.rows: AdapterAssignment | None = None
        """The assignment that gives each row its own adapter; None: all take the active ones."""

    def forward(self, hidden_BTD: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        """Return the layer's output after its adapters; other arguments go to the layer."""
        return self.adapt(self.base_layer(hidden_BTD, *args, **kwargs))

    def adapt(self, hidden_BTD: Tensor) -> Tensor:
        """Return the layer's output after its active adapters."""
        if self.rows is not None:
            return self._adapt_rows(hidden_BTD, self.rows)
        for name in self.active:
            if name in self.adapters:
                hidden_BTD = self.adapters[name](hidden_BTD)
        return hidden_BTD

    def _adapt_rows(self, hidden_BTD: Tensor, rows: AdapterAssignment) -> Tensor:
        adapted_BTD = hidden_BTD.clone()
        for name, part in rows.runs(len(hidden_BTD)):
            if name in self.adapters:
                adapted_BTD[part] = self.adapters[name](hidden_BTD[part])
        return adapted_BTD


def add(
    model: Whisper,
    name: str,
    dim: int,
    encoder_layers: Sequence[int],
    decoder_layers: Sequence[int],
) -> None:
    """Add an adapter of this name to these layers (0 is the bottom) and activate it.

    Its weights are drawn from torch's generator. Active adapters stay active, below it.
    Raises ConfigError where the name is taken or is no name for a module.
    """
    if name in names(model) or not name.isidentifier():
        raise ConfigError(f"adapter {name!r}: taken, or not a word; choose another name")
    active = _active(model)
    for half, places in (
        (model.model.encoder, encoder_layers),
        (model.model.decoder, decoder_layers),
    ):
        for place in places:
            if not isinstance(half.layers[place], AdaptedLayer):
                half.layers[place] = AdaptedLayer(half.layers[place])
            half.layers[place].adapters[name] = Bottleneck(model.config.d_model, dim).to(
                model.device, model.dtype
            )
    activate(model, [*active, name])


def activate(model: Whisper, chosen: Sequence[str]) -> None:
    """Enable exactly these adapters, the first next to the layer; without any, it is the base.

    Raises ConfigError naming the ones that are there.
    """
    if unknown := set(chosen) - names(model):
        there = ", ".join(sorted(names(model))) or "none"
        raise ConfigError(f"no adapter {', '.join(sorted(unknown))}; this model has: {there}")
    for layer in adapted_layers(model):
        layer.active = tuple(chosen)


@contextmanager
def only(model: Whisper, chosen: Sequence[str]) -> Iterator[None]:
    """Enable exactly these adapters inside the block."""
    before = _active(model)
    activate(model, chosen)
    try:
        yield
    finally:
        activate(model, before)


def names(model: Whisper) -> set[str]:
    """Return the names of the model's adapters, enabled or disabled."""
    return {name for layer in adapted_layers(model) for name in layer.adapters}


def adapted_layers(model: Whisper) -> list[AdaptedLayer]:
    """Return the layers with adapters, from the encoder's bottom to the decoder's top."""
    return [module for module in model.modules() if isinstance(module, AdaptedLayer)]


def parameters(model: Whisper, name: str) -> dict[str, Tensor]:
    """Return the parameters of one adapter, by names such as "encoder.layers.5.down.weight"."""
    return {
        f"{half}.layers.{place}.{key}": value
        for half, places in _places(model, name).items()
        for place in places
        for key, value in _layers(model, half)[place].adapters[name].named_parameters()
    }


def save(model: Whisper, name: str, folder: Path, base: str | None = None) -> None:
    """Write one adapter in PEFT's form: adapter_config.json, adapter_model.safetensors.

    `base` is the name of the base that it was made on; by default the one that the model knows.
    """
    tensors = {key: value.detach().cpu() for key, value in parameters(model, name).items()}
    places = _places(model, name)
    dim = next(len(value) for key, value in tensors.items() if key.endswith("down.bias"))
    with folder_atomically(folder) as fresh:
        save_file(tensors, fresh / TENSORS)
        write_json(
            fresh / CONFIG,
            {
                "peft_type": PEFT_TYPE,
                "format_version": 1,
                "base_model_name_or_path": base or model.config.name_or_path,
                "width": model.config.d_model,
                "dim": dim,
                "encoder_layers": places["encoder"],
                "decoder_layers": places["decoder"],
            },
        )


def load(model: Whisper, folder: Path, name: str = DEFAULT) -> None:
    """Add the adapter in a folder to a model under a name of your own, and activate it.

    Raises DataError when it is no bottleneck adapter, is damaged or does not fit this model.
    """
    config, tensors = _read(folder)
    with refusing(folder / CONFIG, "a bottleneck adapter's"):
        _check_fit(folder, config, model.config)
        _check_tensors(folder, config, tensors)
    add(model, name, config["dim"], config["encoder_layers"], config["decoder_layers"])
    with torch.no_grad():
        for key, parameter in parameters(model, name).items():
            parameter.copy_(tensors[key])


def shared_layer(base: Whisper, path: str, rows: AdapterAssignment) -> AdaptedLayer:
    """Return the layer at a path of a plain Whisper, ready for adapters that `rows` selects."""
    parent, name = plain_parent(base, path)
    layers: Any = parent
    if not isinstance(layers[int(name)], AdaptedLayer):
        layers[int(name)] = AdaptedLayer(layers[int(name)])
        layers[int(name)].rows = rows
    adapted: AdaptedLayer = layers[int(name)]
    return adapted


def plain_parent(base: Whisper, path: str) -> tuple[nn.Module, str]:
    """Return the parent of the module at a path of a plain Whisper, and its name there.

    `base` may have got adapters since.
    """
    *steps, name = path.split(".")
    module: Any = base
    for step in steps:
        module = module.base_layer if isinstance(module, AdaptedLayer) else module
        module = getattr(module, step)
    return (module.base_layer if isinstance(module, AdaptedLayer) else module), name


def adapter_config(folder: Path) -> dict[str, Any]:
    """Return the content of adapter_config.json. Raises DataError if it is no JSON object."""
    with refusing(folder / CONFIG, "a readable adapter's"):
        config = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
    if not isinstance(config, dict):
        raise DataError(f"{folder / CONFIG}: got {type(config).__name__}, expected a JSON object")
    return config


def _read(folder: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    config = adapter_config(folder)
    if config.get("peft_type") != PEFT_TYPE:
        raise DataError(f"{folder / CONFIG}: expected peft_type {PEFT_TYPE}; is it LoRA's?")
    with refusing(folder / TENSORS, "a readable adapter's"):
        return config, load_file(folder / TENSORS)


def _check_fit(folder: Path, config: dict[str, Any], model: WhisperConfig) -> None:
    layers = {"encoder_layers": model.encoder_layers, "decoder_layers": model.decoder_layers}
    for key in layers:
        if not all(type(place) is int and place >= 0 for place in config[key]):
            raise DataError(f"{folder / CONFIG}: {key} {str(config[key])[:40]}, expected numbers")
    too_high = [key for key, count in layers.items() if max(config[key], default=-1) >= count]
    if config["width"] != model.d_model or too_high:
        raise DataError(
            f"{folder}: made for width {config['width']}, this Whisper has {model.d_model}, "
            f"{model.encoder_layers} encoder and {model.decoder_layers} decoder layers; load it "
            "with the base it was trained on"
        )


def _check_tensors(folder: Path, config: dict[str, Any], tensors: dict[str, Tensor]) -> None:
    """Raise DataError where names or shapes differ: a copy would broadcast a smaller tensor."""
    with torch.device("meta"):
        one = dict(Bottleneck(config["width"], config["dim"]).named_parameters())
    expected = {
        f"{half}.layers.{place}.{key}": value.shape
        for half in ("encoder", "decoder")
        for place in config[f"{half}_layers"]
        for key, value in one.items()
    }
    odd = {key for key, value in tensors.items() if expected.pop(key, None) != value.shape}
    odd |= expected.keys()
    if odd:
        raise DataError(
            f"{folder / TENSORS}: {len(odd)} tensors missing, unknown or of another shape: "
            f"{sorted(odd)[:3]}"
        )


def _places(model: Whisper, name: str) -> dict[str, list[int]]:
    return {
        half: [
            place
            for place, layer in enumerate(_layers(model, half))
            if isinstance(layer, AdaptedLayer) and name in layer.adapters
        ]
        for half in ("encoder", "decoder")
    }


def _layers(model: Whisper, half: str) -> Any:
    return model.model.encoder.layers if half == "encoder" else model.model.decoder.layers


def _active(model: Whisper) -> tuple[str, ...]:
    layers = adapted_layers(model)
    return layers[0].active if layers else ()
