"""Export only the adapter: LoRA in PEFT's form, other adapters in a folder of the same form."""

from pathlib import Path
from typing import ClassVar

from mothertongue import strategies
from mothertongue.config import members
from mothertongue.decoding.torch_transcriber import TorchTranscriber
from mothertongue.decoding.transcript import ClipTranscriber, DecodeConfig
from mothertongue.errors import ConfigError, DataError
from mothertongue.export.base import DECODER_TOKENS, Exported, Exporter
from mothertongue.model.adapters import CONFIG, adapter_config
from mothertongue.model.load import Base
from mothertongue.model.tokenizer import Tokens
from mothertongue.strategies.adapter import AdapterStrategy
from mothertongue.strategies.base import Whisper


class AdapterExporter(Exporter):
    """Writes adapter_config.json and adapter_model.safetensors, without the base."""

    format: ClassVar[str] = "adapter"
    types: ClassVar[tuple[str, ...]] = ("float32",)
    engine: ClassVar[str] = "peft"
    max_tokens: ClassVar[int] = DECODER_TOKENS
    max_tokens_source: ClassVar[str] = "Whisper's decoder: 448 positions less the prefix"
    shorter_windows: ClassVar[str] = "cut recordings into pieces of at most {} s first"
    needs_base: ClassVar[bool] = True

    @classmethod
    def recognizes(cls, folder: Path) -> bool:
        """Return whether the folder has PEFT's adapter_config.json."""
        return (folder / CONFIG).is_file()

    def check(self, exported: Exported) -> None:
        _adapter_strategy(exported)

    def write(self, exported: Exported, folder: Path, type_: str) -> None:
        strategy, tuned = _adapter_strategy(exported), exported.tuned
        strategy.save_adapter(tuned.base.model, tuned.experiment.base, folder)

    def open(self, folder: Path, tokens: Tokens, base: Base | None) -> ClipTranscriber:
        assert base is not None
        put_adapter_on(base.model, folder)
        config = DecodeConfig(batch_size=1)
        return TorchTranscriber(base.model, tokens, context="full", config=config)


def _adapter_strategy(exported: Exported) -> AdapterStrategy:
    """Return the run's strategy. Raises ConfigError if it has no adapter."""
    strategy = exported.tuned.experiment.strategy
    if not strategy.is_adapter:
        raise ConfigError(
            f"{exported.run}: its training changed the base's own weights, so there is no "
            "adapter to take out; export the whole model: --format hf, ctranslate2, ggml, onnx"
        )
    if not isinstance(strategy, AdapterStrategy):
        raise ConfigError(
            f"{exported.run}: {strategy!r} has no file format for its adapter; "
            "export the whole model: --format hf, ctranslate2, ggml, onnx"
        )
    return strategy


def put_adapter_on(model: Whisper, folder: Path) -> None:
    """Put the adapter in a folder on its base, in place.

    Raises DataError where it is no adapter, or one of another base.
    """
    config = adapter_config(folder)
    for kind in members(AdapterStrategy, strategies):  # type: ignore[type-abstract]
        if kind.reads_adapter(config):
            kind.load_adapter(model, folder)
            return
    raise DataError(
        f"{folder / CONFIG}: peft_type {str(config.get('peft_type'))[:40]!r}; expected LORA, or "
        "what mothertongue export --format adapter writes; export the whole model instead"
    )
