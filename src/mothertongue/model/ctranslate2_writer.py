"""Write a Whisper as a CTranslate2 folder, which faster-whisper can load.

It uses CTranslate2's specification of Whisper, not its converter, which fails on models that
transformers 5 saved.
"""

import re
from pathlib import Path
from typing import Any, Literal

import numpy as np
from ctranslate2.specs import WhisperSpec
from ctranslate2.specs.model_spec import ModelConfig
from transformers import WhisperFeatureExtractor, WhisperForConditionalGeneration

from mothertongue.model.tokenizer import Tokens
from mothertongue.model.weight_names import to_ctranslate2
from mothertongue.system.files import folder_atomically, write_json

Quantization = Literal["float32", "float16", "bfloat16", "int8", "int8_float32", "int8_float16"]
NUMBERED = re.compile(r"(layer|linear)_(\d+)")


def write_ctranslate2(
    model: WhisperForConditionalGeneration,
    tokens: Tokens,
    folder: Path,
    quantization: Quantization = "float32",
) -> None:
    """Write weights, tokenizer and suppressed tokens as `folder`, which must not exist."""
    spec = _specification(model)
    spec.register_vocabulary(_vocabulary(tokens, model.config.vocab_size))
    _configure(spec.config, model)
    spec.validate()
    spec.optimize(quantization=None if quantization == "float32" else quantization)
    with folder_atomically(folder) as fresh:
        spec.save(str(fresh))
        write_json(fresh / "tokenizer.json", tokens.definition)
        WhisperFeatureExtractor(model.config.num_mel_bins).save_pretrained(fresh)


def _specification(model: WhisperForConditionalGeneration) -> Any:
    config = model.config
    spec = WhisperSpec(
        config.encoder_layers,
        config.encoder_attention_heads,
        config.decoder_layers,
        config.decoder_attention_heads,
    )
    state = {name: value.detach().cpu().float() for name, value in model.state_dict().items()}
    for name, array in to_ctranslate2(state).items():
        _set(spec, name, array)
    return spec


def _set(spec: Any, name: str, array: np.ndarray[Any, Any]) -> None:
    """Put a variable in its place: encoder/layer_0/ffn/linear_1/weight and the like."""
    *path, last = name.split("/")
    for part in path:
        numbered = NUMBERED.fullmatch(part)
        if numbered and isinstance(found := getattr(spec, numbered[1], None), list):
            spec = found[int(numbered[2])]
        else:
            spec = getattr(spec, part)
    setattr(spec, last, array)


def _vocabulary(tokens: Tokens, size: int) -> list[str]:
    """Return the text of every token in the order of ids, with the timestamps at the end."""
    text = {number: token for token, number in tokens.definition["model"]["vocab"].items()}
    text |= {number: token for token, number in tokens.special.items()}
    first = tokens.no_timestamps + 1
    return [text.get(i, f"<|{(i - first) * 0.02:.2f}|>") for i in range(size)]


def _configure(config: ModelConfig, model: WhisperForConditionalGeneration) -> None:
    ours: Any = model.generation_config
    layers = model.config.decoder_layers
    heads = range(model.config.decoder_attention_heads)
    top_half = [[layer, head] for layer in range(layers // 2, layers) for head in heads]
    config.suppress_ids = list(ours.suppress_tokens or [])
    config.suppress_ids_begin = list(ours.begin_suppress_tokens or [])
    config.lang_ids = sorted(ours.lang_to_id.values())
    # As CTranslate2's own converter: without known alignment heads, all of the upper half.
    config.alignment_heads = getattr(ours, "alignment_heads", None) or top_half
