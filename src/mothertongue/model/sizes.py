"""Give the shapes of OpenAI's multilingual Whispers without their weights.

openai/whisper `model-card.md` and `whisper/model.py`; Liu et al. 2024, table 1.
"""

import json
from pathlib import Path

from transformers import WhisperConfig

# width, heads, layers of the encoder, layers of the decoder, mel bins, vocabulary
SHAPES = {
    "tiny": (384, 6, 4, 4, 80, 51865),
    "base": (512, 8, 6, 6, 80, 51865),
    "small": (768, 12, 12, 12, 80, 51865),
    "medium": (1024, 16, 24, 24, 80, 51865),
    "large": (1280, 20, 32, 32, 80, 51865),
    "large-v2": (1280, 20, 32, 32, 80, 51865),
    "large-v3": (1280, 20, 32, 32, 128, 51866),
    "large-v3-turbo": (1280, 20, 32, 4, 128, 51866),
}


def known_config(reference: str) -> WhisperConfig | None:
    """Return the shape of a base before it is loaded, or None if only its weights show it.

    Known are OpenAI's own by name ("openai/whisper-large-v2") and folders with a config.json of
    transformers.
    """
    path = Path(reference).expanduser()
    if path.exists():
        return _config_of_folder(path)
    return openai_config(reference.removeprefix("openai/").removeprefix("whisper-"))


def openai_config(size: str) -> WhisperConfig | None:
    """Return the configuration of one of OpenAI's sizes, such as "base"; None for another name."""
    if size not in SHAPES:
        return None
    width, heads, encoder_layers, decoder_layers, mel_bins, vocabulary = SHAPES[size]
    return WhisperConfig(
        d_model=width,
        encoder_attention_heads=heads,
        decoder_attention_heads=heads,
        encoder_ffn_dim=4 * width,
        decoder_ffn_dim=4 * width,
        encoder_layers=encoder_layers,
        decoder_layers=decoder_layers,
        num_mel_bins=mel_bins,
        vocab_size=vocabulary,
    )


def _config_of_folder(path: Path) -> WhisperConfig | None:
    try:
        stored = json.loads((path / "config.json").read_text(encoding="utf-8"))
        return WhisperConfig(**stored) if stored["model_type"] == "whisper" else None
    except Exception:  # transformers has errors of its own for each kind of damage
        return None  # whoever loads it says what is wrong with it
