"""Check the files of an unknown base model before the model is built."""

from pathlib import Path
from typing import Any

from transformers import WhisperConfig

from mothertongue.errors import DataError

LAYERS = ("encoder_layers", "decoder_layers")
COUNTS = (
    "vocab_size",
    "d_model",
    "encoder_attention_heads",
    "decoder_attention_heads",
    "encoder_ffn_dim",
    "decoder_ffn_dim",
    "num_mel_bins",
    "max_source_positions",
    "max_target_positions",
)
MAX_LAYERS = 256  # large-v3 has 32


def check_sizes(folder: Path, config: WhisperConfig) -> None:
    """Raise DataError if a configuration would build a model larger than its weights."""
    ids = ("pad_token_id", "bos_token_id", "eos_token_id", "decoder_start_token_id")
    limits = dict.fromkeys(COUNTS, (1, 1 << 24)) | dict.fromkeys(LAYERS, (1, MAX_LAYERS))
    limits |= {
        name: (0, config.vocab_size - 1) for name in ids if getattr(config, name) is not None
    }
    for name, (low, high) in limits.items():
        value = getattr(config, name)
        parts = value if isinstance(value, list) else [value]  # there may be several end tokens
        if not all(type(part) is int and low <= part <= high for part in parts):
            raise DataError(
                f"{folder / 'config.json'}: {name} is {str(value)[:40]}, expected a whole number "
                f"from {low:,} to {high:,}; copy it again"
            )
    stored = sum(file.stat().st_size for file in folder.glob("*.safetensors"))
    needed = 2 * _least_parameters(config)  # in half precision
    if needed > stored:
        raise DataError(
            f"{folder}: config.json asks for weights of {needed:,} bytes or more, the safetensors "
            f"have {stored:,}; copy both again"
        )


def check_generation(config: Any, rows: int, reference: str) -> None:
    """Raise DataError if suppressed token ids or alignment heads are not valid."""
    for name in ("suppress_tokens", "begin_suppress_tokens"):
        found = getattr(config, name) or []
        if not all(type(token) is int and 0 <= token < rows for token in found):
            raise DataError(
                f"{reference}: {name} of its generation_config.json is {str(found)[:80]}, expected "
                f"ids from 0 to {rows - 1:,}; copy it again"
            )
    heads = getattr(config, "alignment_heads", None) or []
    if not all([type(part) for part in pair] == [int, int] for pair in heads):
        raise DataError(
            f"{reference}: alignment_heads {str(heads)[:80]}, expected pairs of a layer and "
            "a head; copy it again"
        )


def _least_parameters(config: WhisperConfig) -> int:
    """The parameters of a Whisper without its biases and norms."""
    encoder, decoder, width = config.encoder_layers, config.decoder_layers, config.d_model
    attention = width * width * (4 * encoder + 8 * decoder)
    forward = 2 * width * (config.encoder_ffn_dim * encoder + config.decoder_ffn_dim * decoder)
    positions = config.max_source_positions + config.max_target_positions
    return attention + forward + width * (config.vocab_size + positions + 3 * config.num_mel_bins)
