"""Load base models: OpenAI's Whisper in float32, from any of its formats."""

import hashlib
import json
import pickle
from dataclasses import dataclass
from typing import Any

import torch
from safetensors import SafetensorError
from torch import Tensor
from transformers import GenerationConfig, WhisperConfig, WhisperForConditionalGeneration
from transformers.utils.logging import disable_progress_bar

from mothertongue.errors import DataError, refusing
from mothertongue.model.base_checks import check_generation, check_sizes
from mothertongue.model.ctranslate2_reader import read_model_bin
from mothertongue.model.locate import BaseFiles, locate
from mothertongue.model.sizes import known_config
from mothertongue.model.tokenizer import Tokens, load_tokens, tokens_for_vocabulary
from mothertongue.model.weight_names import count_layers, from_ctranslate2, from_openai
from mothertongue.system.json_files import read_json

# Symbols that annotate rather than transcribe: openai/whisper `tokenizer.py`, non_speech_tokens.
NON_SPEECH_SYMBOLS = [
    *'"#()*+/:;<=>@[\\]^_`{|}~「」『』',
    *("<<", ">>", "<<<", ">>>", "--", "---", "-(", "-[", "('", '("'),
    *("((", "))", "(((", ")))", "[[", "]]", "{{", "}}", "♪♪", "♪♪♪"),
]
MUSIC_SYMBOLS = "♩♪♫♬♭♮♯"
TOKEN_NAMES = ("is_multilingual", "lang_to_id", "no_timestamps_token_id", "task_to_id")


@dataclass(frozen=True, slots=True)
class Base:
    """A base model: float32 weights, tokenizer, and their identity."""

    model: WhisperForConditionalGeneration
    tokens: Tokens
    name: str
    digest: str
    """SHA-256 over the values of all weights: equal whatever file format they came from."""


def load_base(reference: str) -> Base:
    """Load Whisper from a Hub id, folder, OpenAI .pt, CTranslate2 folder or the demo's package.

    Master weights are float32: large-v3 is stored as float16, whose updates would overflow.
    Raises DataError when it is missing, damaged, English-only or no Whisper.
    """
    files = locate(reference)
    load = {
        "transformers": _load_transformers,
        "openai": _load_openai,
        "ctranslate2": _load_ctranslate2,
    }[files.layout]
    with refusing(files.path, "a Whisper that can be loaded"):
        model, tokens = load(files)
        _check(model, tokens, reference)
    return Base(model.eval(), tokens, reference, weights_digest(model))


def base_config(reference: str) -> WhisperConfig:
    """The shape of a base; its weights are loaded only where nothing else tells it.

    Raises what `load_base` raises.
    """
    known = known_config(reference) or known_config(str(locate(reference).folder))
    return known or load_base(reference).model.config


def weights_digest(model: WhisperForConditionalGeneration) -> str:
    """Return the SHA-256, hexadecimal, over all float32 weights in the order of their names."""
    digest = hashlib.sha256()
    for name, weight in sorted(model.state_dict().items()):
        if name != "proj_out.weight":  # tied to the embedding
            digest.update(name.encode())
            digest.update(weight.detach().cpu().contiguous().numpy().data)
    return digest.hexdigest()


def build(config: WhisperConfig, state: dict[str, Tensor]) -> WhisperForConditionalGeneration:
    """Build a model of this configuration with exactly these weights, or raise DataError."""
    with torch.device("meta"):
        model = WhisperForConditionalGeneration(config)
    try:
        missing, unexpected = model.load_state_dict(state, strict=False, assign=True)
    except RuntimeError as error:  # a tensor of another shape
        raise DataError(f"weights do not fit: {error}") from None
    missing = [name for name in missing if name != "proj_out.weight"]
    if missing or unexpected:
        raise DataError(f"weights do not fit: missing {missing[:5]}, unexpected {unexpected[:5]}")
    model.tie_weights()
    model.config._attn_implementation = "sdpa"
    return model


def whisper_config(
    state: dict[str, Tensor], tokens: Tokens, encoder_heads: int, decoder_heads: int
) -> WhisperConfig:
    """Return the configuration of a state dictionary; token ids come from the tokenizer."""
    width, mel_bins, _ = state["model.encoder.conv1.weight"].shape
    ffn_width = len(state["model.encoder.layers.0.fc1.bias"])
    return WhisperConfig(
        vocab_size=len(state["model.decoder.embed_tokens.weight"]),
        num_mel_bins=mel_bins,
        d_model=width,
        encoder_layers=count_layers(state, "model.encoder.layers."),
        decoder_layers=count_layers(state, "model.decoder.layers."),
        encoder_attention_heads=encoder_heads,
        decoder_attention_heads=decoder_heads,
        encoder_ffn_dim=ffn_width,
        decoder_ffn_dim=ffn_width,
        max_source_positions=len(state["model.encoder.embed_positions.weight"]),
        max_target_positions=len(state["model.decoder.embed_positions.weight"]),
        pad_token_id=tokens.end,
        bos_token_id=tokens.end,
        eos_token_id=tokens.end,
        decoder_start_token_id=tokens.start,
        suppress_tokens=None,
        begin_suppress_tokens=None,
    )


def generation_config(tokens: Tokens, alignment_heads: list[list[int]] | None) -> GenerationConfig:
    """Return the generation configuration for other decoders: token ids, suppressed tokens."""
    extra: dict[str, Any] = {"alignment_heads": alignment_heads} if alignment_heads else {}
    return GenerationConfig(
        bos_token_id=tokens.end,
        eos_token_id=tokens.end,
        pad_token_id=tokens.end,
        decoder_start_token_id=tokens.start,
        no_timestamps_token_id=tokens.no_timestamps,
        is_multilingual=True,
        lang_to_id={f"<|{code}|>": token for code, token in tokens.languages.items()},
        task_to_id={"transcribe": tokens.transcribe, "translate": tokens.translate},
        suppress_tokens=non_speech_tokens(tokens),
        begin_suppress_tokens=[tokens.encode_exact(" ")[0], tokens.end],
        max_length=448,
        return_timestamps=False,
        **extra,
    )


def non_speech_tokens(tokens: Tokens) -> list[int]:
    """Return ids that a transcript never has: annotation marks and control tokens, ascending.

    Source: openai/whisper, non_speech_tokens in `tokenizer.py` and _get_suppress_tokens in
    `decoding.py`.
    """
    found = {tokens.encode_exact(" -")[0], tokens.encode_exact(" '")[0]}
    for symbol in (*NON_SPEECH_SYMBOLS, *MUSIC_SYMBOLS):
        for ids in (tokens.encode_exact(symbol), tokens.encode_exact(" " + symbol)):
            if len(ids) == 1 or symbol in MUSIC_SYMBOLS:
                found.add(ids[0])
    return sorted(found | {tokens.start} | set(range(tokens.translate, tokens.no_timestamps)))


def _load_transformers(files: BaseFiles) -> tuple[WhisperForConditionalGeneration, Tokens]:
    tokens = load_tokens(files)
    config = _config_json(files)
    if config.get("model_type") != "whisper" or "auto_map" in config:
        raise DataError(
            f"{files.path}: model_type {config.get('model_type')!r}, expected plain 'whisper' "
            "without its own code (auto_map)"
        )
    if "quantization_config" in config:
        raise DataError(
            f"{files.path}: quantized weights (quantization_config), expected float32, float16 or "
            "bfloat16; use the model that they were made from"
        )
    if (files.path / "adapter_config.json").exists():
        raise DataError(
            f"{files.path}: a base that also holds adapter_config.json, which would change it "
            "without asking; move the adapter into another folder"
        )
    check_sizes(files.path, WhisperConfig.from_dict(config))
    disable_progress_bar()  # half a second needs none, and it would break ours
    try:
        loaded: Any = WhisperForConditionalGeneration.from_pretrained(
            files.path,
            dtype=torch.float32,
            attn_implementation="sdpa",
            use_safetensors=True,
            local_files_only=True,
            output_loading_info=True,
        )
    except (SafetensorError, OSError, RuntimeError, ValueError) as error:
        raise DataError(f"{files.path}: weights cannot be read ({error}); copy it again") from None
    model, info = loaded
    faults = {key: sorted(info[key])[:5] for key in info if key.endswith("_keys") and info[key]}
    if faults:
        raise DataError(f"{files.path}: weights do not fit: {faults}")
    known = generation_config(tokens, None)
    generation = files.path / "generation_config.json"
    if generation.exists():
        # transformers goes on without a damaged one
        read_json(generation, dict[str, Any], "copy it again")
        # Those of older fine-tuned models lack the names of tokens, which the tokenizer has.
        for name in TOKEN_NAMES:
            setattr(model.generation_config, name, getattr(known, name))
    else:
        model.generation_config = known
    return model, tokens


def _load_openai(files: BaseFiles) -> tuple[WhisperForConditionalGeneration, Tokens]:
    try:
        stored = torch.load(files.path, map_location="cpu", weights_only=True, mmap=True)
        dims, state = stored["dims"], from_openai(stored["model_state_dict"])
        beside = (files.folder / "tokenizer.json").is_file()
        tokens = load_tokens(files) if beside else tokens_for_vocabulary(dims["n_vocab"])
        config = whisper_config(state, tokens, dims["n_audio_head"], dims["n_text_head"])
    except (KeyError, TypeError, RuntimeError, EOFError, pickle.UnpicklingError) as error:
        reason = str(error).splitlines()[0]
        raise DataError(f"{files.path}: not an OpenAI Whisper checkpoint ({reason})") from None
    model = build(config, state)
    model.generation_config = generation_config(tokens, None)
    return model, tokens


def _load_ctranslate2(files: BaseFiles) -> tuple[WhisperForConditionalGeneration, Tokens]:
    tokens = load_tokens(files)
    variables = read_model_bin(files.path / "model.bin")
    state = from_ctranslate2(variables)
    try:
        heads = [int(variables[f"{half}/num_heads"]) for half in ("encoder", "decoder")]
    except KeyError as error:
        raise DataError(f"{files.path}: the model lacks {error}; convert it again") from None
    model = build(whisper_config(state, tokens, *heads), state)
    model.generation_config = generation_config(tokens, _config_json(files).get("alignment_heads"))
    return model, tokens


def _config_json(files: BaseFiles) -> dict[str, Any]:
    path = files.path / "config.json"
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise DataError(f"{path}: not readable as JSON ({error}); copy it again") from None
    if not isinstance(config, dict):
        raise DataError(f"{path}: got {type(config).__name__}, expected a JSON object")
    return config


def _check(model: WhisperForConditionalGeneration, tokens: Tokens, reference: str) -> None:
    rows = model.config.vocab_size
    if rows != tokens.vocabulary_size:
        raise DataError(
            f"{reference}: {rows:,} embeddings, but its tokenizer has {tokens.vocabulary_size:,} "
            "tokens; they belong to different models"
        )
    check_generation(model.generation_config, rows, reference)
    for name, weight in model.named_parameters():
        if not torch.isfinite(weight).all():
            raise DataError(f"{reference}: {name} has values that are not finite; copy it again")
