"""Export to whisper.cpp's own format, for phones, browsers and small machines.

The file: magic, 11 numbers of the shape, the mel filters, the tokens as bytes, then each tensor
with its rank, name and type, the last axis first. Source: whisper.cpp, `whisper_model_load`.
"""

import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO, ClassVar

import numpy as np
import torch
from transformers import WhisperFeatureExtractor

from mothertongue.decoding.transcript import Samples
from mothertongue.export.base import (
    Exported,
    Exporter,
    ExportTranscriber,
    require,
    require_merged,
)
from mothertongue.model.load import Base
from mothertongue.model.tokenizer import Tokens
from mothertongue.model.weight_names import to_openai
from mothertongue.strategies.base import Whisper
from mothertongue.system.files import open_bytes_atomically, write_json

Array = np.ndarray[Any, np.dtype[Any]]
MAGIC = 0x67676D6C  # "ggml"
QUANTIZATION_VERSION = 2
# The type of the file's large matrices, and that of each tensor of this type (ggml.h).
# float32 is none of them: the convolutions of whisper.cpp 1.8.5 abort on it (ggml's im2col).
FILE_TYPES = {"float16": 1, "q8_0": 7, "q5_0": 8}
TENSOR_TYPES = {"float32": 0, "float16": 1, "q5_0": 6, "q8_0": 8}
ALWAYS_FLOAT32 = ("encoder.positional_embedding", "decoder.positional_embedding")
FILE = "ggml-model.bin"


class GgmlExporter(Exporter):
    """Writes one file, ggml-model.bin, for whisper.cpp and its bindings.

    tokenizer.json beside it is for mothertongue: the file has the tokens, but not how they merge.
    """

    format: ClassVar[str] = "ggml"
    types: ClassVar[tuple[str, ...]] = tuple(FILE_TYPES)
    engine: ClassVar[str] = "pywhispercpp"
    max_tokens: ClassVar[int] = 448 // 2 - 4
    max_tokens_source: ClassVar[str] = (
        "whisper.cpp, src/whisper.cpp, whisper_full_with_state: n_max = n_text_ctx / 2 - 4"
    )
    shorter_windows: ClassVar[str] = (
        "cut recordings into pieces of at most {} s first: whisper.cpp has no setting for it"
    )
    is_exact: ClassVar[bool] = False  # its cache is float16, and it computes features itself

    @classmethod
    def recognizes(cls, folder: Path) -> bool:
        """Return whether the folder has a file of this name."""
        return (folder / FILE).is_file()

    def check(self, exported: Exported) -> None:
        require_merged(exported, "whisper.cpp's format")

    def write(self, exported: Exported, folder: Path, type_: str) -> None:
        model = exported.plain()
        with open_bytes_atomically(folder / FILE) as file:
            file.write(struct.pack("<I", MAGIC))
            file.write(struct.pack("<11i", *_shape(model, type_)))
            _write_filters(file, model.config.num_mel_bins)
            _write_tokens(file, exported.tokens)
            for name, tensor in to_openai(model.state_dict()).items():
                _write_tensor(file, name, tensor.detach().cpu().float().numpy(), type_)
        write_json(folder / "tokenizer.json", exported.tokens.definition, indent=None)

    def open(self, folder: Path, tokens: Tokens, base: Base | None) -> ExportTranscriber:
        return WhisperCppTranscriber(folder / FILE, tokens, self.max_tokens)


class WhisperCppTranscriber(ExportTranscriber):
    """Transcribes with whisper.cpp through pywhispercpp, greedy and without its fallbacks."""

    def __init__(self, path: Path, tokens: Tokens, max_tokens: int) -> None:
        super().__init__(tokens, max_tokens)
        package = require("pywhispercpp.model", "ggml")
        self.low: Any = require("_pywhispercpp", "ggml")
        self.model: Any = package.Model(
            str(path),
            redirect_whispercpp_logs_to=None,
            print_progress=False,
            n_threads=torch.get_num_threads(),
        )

    def generate(self, samples_N: Samples, language: str) -> list[int]:
        self._run(samples_N, language, no_timestamps=True, single_segment=True)
        return self._tokens()

    def detect(self, samples_N: Samples) -> str:
        (language, _), _ = self.model.auto_detect_language(samples_N)
        return str(language)

    def timestamps(self, samples_N: Samples, language: str) -> list[tuple[float, float]]:
        segments = self._run(samples_N, language, no_timestamps=False, single_segment=False)
        return [(each.t0 / 100, each.t1 / 100) for each in segments]

    def _run(self, samples_N: Samples, language: str, **settings: bool) -> list[Any]:
        # It takes nothing under a second.
        padded = np.pad(samples_N, (0, max(0, 16_000 - len(samples_N))))
        found: list[Any] = self.model.transcribe(
            padded,
            language=language,
            temperature=0.0,
            temperature_inc=0.0,
            no_context=True,
            suppress_blank=True,
            suppress_nst=True,
            **settings,
        )
        return found

    def _tokens(self) -> list[int]:
        context = self.model._ctx
        return [
            self.low.whisper_full_get_token_id(context, i, j)
            for i in range(self.low.whisper_full_n_segments(context))
            for j in range(self.low.whisper_full_n_tokens(context, i))
        ]


def _shape(model: Whisper, type_: str) -> list[int]:
    config = model.config
    quantized = QUANTIZATION_VERSION * 1000 if type_.startswith("q") else 0
    return [
        config.vocab_size,
        config.max_source_positions,
        config.d_model,
        config.encoder_attention_heads,
        config.encoder_layers,
        config.max_target_positions,
        config.d_model,
        config.decoder_attention_heads,
        config.decoder_layers,
        config.num_mel_bins,
        FILE_TYPES[type_] + quantized,
    ]


def _write_filters(file: BinaryIO, mel_bins: int) -> None:
    filters = np.ascontiguousarray(WhisperFeatureExtractor(mel_bins).mel_filters.T, np.float32)
    file.write(struct.pack("<2i", *filters.shape))
    file.write(filters.tobytes())


def _write_tokens(file: BinaryIO, tokens: Tokens) -> None:
    """Write the bytes of every text token in order; whisper.cpp names the control tokens itself."""
    to_byte = {letter: byte for byte, letter in byte_letters().items()}
    by_number = {number: text for text, number in tokens.definition["model"]["vocab"].items()}
    texts = [by_number[number] for number in range(tokens.end)]
    file.write(struct.pack("<i", len(texts)))
    for text in texts:
        data = bytes(to_byte[letter] for letter in text)
        file.write(struct.pack("<i", len(data)) + data)


def byte_letters() -> dict[int, str]:
    """Return the letter for each byte in a byte-level vocabulary (GPT-2, `encoder.py`).

    Printable ones stand for themselves, the others for letters from U+0100 on.
    """
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    hidden = [byte for byte in range(256) if byte not in printable]
    letters = {byte: chr(byte) for byte in printable}
    return letters | {byte: chr(256 + i) for i, byte in enumerate(hidden)}


def _write_tensor(file: BinaryIO, name: str, array: Array, type_: str) -> None:
    stored = _type_of(name, array, type_)
    if name in ("encoder.conv1.bias", "encoder.conv2.bias"):
        array = array[:, None]
    encoded = name.encode()
    file.write(struct.pack("<3i", array.ndim, len(encoded), TENSOR_TYPES[stored]))
    file.write(struct.pack(f"<{array.ndim}i", *reversed(array.shape)))
    file.write(encoded)
    file.write(ENCODERS[stored](np.ascontiguousarray(array)))


def _type_of(name: str, array: Array, type_: str) -> str:
    """Return a tensor's type: vectors, positions float32; convolutions float16 at the lowest."""
    if array.ndim == 1 or name in ALWAYS_FLOAT32:
        return "float32"
    return "float16" if array.ndim == 3 else type_


def _quantized(kind: str) -> Callable[[Array], bytes]:
    def encode(array: Array) -> bytes:
        gguf = require("gguf", "ggml")
        data: bytes = gguf.quants.quantize(
            array, getattr(gguf.GGMLQuantizationType, kind.upper())
        ).tobytes()
        return data

    return encode


ENCODERS: dict[str, Callable[[Array], bytes]] = {
    "float32": lambda array: array.astype(np.float32).tobytes(),
    "float16": lambda array: array.astype(np.float16).tobytes(),
    "q8_0": _quantized("q8_0"),
    "q5_0": _quantized("q5_0"),
}
