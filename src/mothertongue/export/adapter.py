"""The adapter alone: LoRA as PEFT saves it, bottleneck adapters in a folder of the same form."""

import warnings
from pathlib import Path
from typing import ClassVar

import torch
from safetensors import safe_open
from safetensors.torch import save_file

from mothertongue.decoding.torch_transcriber import TorchTranscriber
from mothertongue.decoding.transcript import DecodeConfig, Samples
from mothertongue.errors import ConfigError, DataError, refusing
from mothertongue.export.base import DECODER_TOKENS, Exported, Exporter, Heard
from mothertongue.files.atomic import folder_atomically
from mothertongue.model import adapters
from mothertongue.model.load import Base
from mothertongue.strategies.base import Whisper
from mothertongue.strategies.bottleneck import BottleneckAdapters
from mothertongue.strategies.lora import Lora

PREFIX = "base_model.model."


class AdapterExporter(Exporter):
    """adapter_config.json and adapter_model.safetensors; the base is not in it."""

    format: ClassVar[str] = "adapter"
    types: ClassVar[tuple[str, ...]] = ("float32",)
    engine: ClassVar[str] = "peft"
    max_tokens: ClassVar[int] = DECODER_TOKENS
    max_tokens_source: ClassVar[str] = "Whisper's decoder: 448 positions less the prefix"
    shorter_windows: ClassVar[str] = "cut recordings into pieces of at most {} s first"
    needs_base: ClassVar[bool] = True

    def check(self, exported: Exported) -> None:
        _adapter_strategy(exported)

    def write(self, exported: Exported, folder: Path, type_: str) -> None:
        strategy, model = _adapter_strategy(exported), exported.tuned.base.model
        if isinstance(strategy, BottleneckAdapters):
            model.config.name_or_path = exported.tuned.experiment.base
            adapters.save(model, adapters.DEFAULT, folder)
            return
        config = strategy.peft_config(model)
        config.base_model_name_or_path = exported.tuned.experiment.base
        config.inference_mode = True
        with folder_atomically(folder) as fresh:
            config.save_pretrained(str(fresh))
            save_file(lora_tensors(model), fresh / "adapter_model.safetensors")

    def open(self, folder: Path, type_: str, base: Base | None) -> Heard:
        assert base is not None
        put_on(base.model, folder)
        return TorchHeard(base)


def _adapter_strategy(exported: Exported) -> BottleneckAdapters | Lora:
    """The run's strategy. Raises ConfigError where it leaves no adapter, or one of another kind."""
    strategy = exported.tuned.experiment.strategy
    if not strategy.is_adapter:
        raise ConfigError(
            f"{exported.run}: its training changed the base's own weights, so there is no "
            "adapter to take out; export the whole model: --format hf, ctranslate2, ggml, onnx"
        )
    if not isinstance(strategy, BottleneckAdapters | Lora):
        raise ConfigError(
            f"{exported.run}: {strategy!r} has no file format for its adapter; expected strategy "
            "bottleneck or lora; export the whole model: --format hf, ctranslate2, ggml, onnx"
        )
    return strategy


def put_on(model: Whisper, folder: Path) -> None:
    """Put the adapter in a folder on its base, in place.

    Raises DataError where it is no adapter, or one of another base.
    """
    if adapters.is_bottleneck(folder):
        adapters.load(model, folder)
        return
    from peft import PeftModel

    with refusing(folder, "an adapter that fits its base"):
        _check_ranks(folder)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # PEFT's own, of transformers' names
            # Its layers are put into the base itself, which is what is decoded with.
            PeftModel.from_pretrained(model, str(folder)).eval()


def _check_ranks(folder: Path) -> None:
    """Raise DataError where PEFT would ask the Hub for tensors, or build what no tensor fills."""
    if not (folder / adapters.TENSORS).is_file():
        raise DataError(f"{folder}: no {adapters.TENSORS}; copy it there from where it was made")
    with safe_open(folder / adapters.TENSORS, "pt") as file:
        keys = file.keys()
        largest = max(size for key in keys for size in file.get_slice(key).get_shape())
    config = adapters.adapter_config(folder)
    for rank in (config.get("r", 1), *(config.get("rank_pattern") or {}).values()):
        if type(rank) is not int or not 1 <= rank <= largest:
            raise DataError(
                f"{folder / adapters.CONFIG}: rank {str(rank)[:40]}, expected a whole number from "
                f"1 to {largest:,}, the largest size of its tensors; export it again"
            )


class TorchHeard(Heard):
    """Our own decoder; timestamps it does not write."""

    def __init__(self, base: Base) -> None:
        config = DecodeConfig(batch_size=1)
        self.engine = TorchTranscriber(base.model, base.tokens, context="full", config=config)

    def transcribe(self, clip: Samples, language: str) -> list[int]:
        return list(self.engine([clip], language)[0].tokens)

    def detect(self, clip: Samples) -> str:
        return self.engine([clip], None)[0].language

    def timestamps(self, clip: Samples, language: str) -> list[tuple[float, float]]:
        return []


def lora_tensors(model: torch.nn.Module) -> dict[str, torch.Tensor]:
    """The trained tensors under the names of PEFT's own files: without the adapter's name."""
    return {
        PREFIX + name.replace(".default", ""): value.detach().cpu().contiguous()
        for name, value in model.named_parameters()
        if value.requires_grad
    }
