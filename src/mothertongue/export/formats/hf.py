"""Export to a complete transformers folder, as on the Hub, for transformers 4 and 5."""

from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import nn
from transformers import WhisperFeatureExtractor, WhisperForConditionalGeneration

from mothertongue.decoding.transcript import Samples, token_limit
from mothertongue.export.base import (
    DECODER_TOKENS,
    Exported,
    Exporter,
    ExportTranscriber,
    require_merged,
    seconds,
)
from mothertongue.model.features import log_mel, pad_samples
from mothertongue.model.load import Base
from mothertongue.model.tokenizer import Tokens
from mothertongue.system.files import folder_atomically, write_json

END = "<|endoftext|>"
TYPES = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}


class HfExporter(Exporter):
    """Writes transformers' layout, with the files that other tools need."""

    format: ClassVar[str] = "hf"
    types: ClassVar[tuple[str, ...]] = tuple(TYPES)
    engine: ClassVar[str] = "transformers"
    max_tokens: ClassVar[int] = DECODER_TOKENS
    max_tokens_source: ClassVar[str] = (
        "transformers, models/whisper/generation_whisper.py: max_target_positions less the prefix"
    )
    shorter_windows: ClassVar[str] = "`chunk_length_s={}` of transformers' pipeline"
    library: ClassVar[str | None] = "transformers"

    def check(self, exported: Exported) -> None:
        require_merged(exported, "a transformers folder")

    def write(self, exported: Exported, folder: Path, type_: str) -> None:
        model = exported.plain()
        nn.Module.to(model, TYPES[type_])
        # Without these a pipeline would detect the language, and translate at will.
        generation: Any = model.generation_config
        generation.language, generation.task = exported.language, "transcribe"
        with folder_atomically(folder) as fresh:
            model.save_pretrained(fresh)
            write_tokenizer(exported.tokens, fresh)
            write_processor(model.config.num_mel_bins, fresh)

    def open(self, folder: Path, tokens: Tokens, base: Base | None) -> ExportTranscriber:
        return TransformersTranscriber(folder, tokens, self.max_tokens)


class TransformersTranscriber(ExportTranscriber):
    """Transcribes with transformers' generate, in the type of the stored weights."""

    def __init__(self, folder: Path, tokens: Tokens, max_tokens: int) -> None:
        super().__init__(tokens, max_tokens)
        self.model: Any = WhisperForConditionalGeneration.from_pretrained(
            folder, dtype="auto", attn_implementation="sdpa", local_files_only=True
        ).eval()
        self.codes = {number: code for code, number in self.tokens.languages.items()}

    @torch.inference_mode()
    def generate(self, samples_N: Samples, language: str) -> list[int]:
        return self._generate(samples_N, language=language)

    @torch.inference_mode()
    def detect(self, samples_N: Samples) -> str:
        return self.codes[int(self.model.detect_language(self._features(samples_N))[0])]

    @torch.inference_mode()
    def timestamps(self, samples_N: Samples, language: str) -> list[tuple[float, float]]:
        found = self._generate(samples_N, language=language, return_timestamps=True)
        first = self.tokens.no_timestamps + 1
        marks = [(token - first) * 0.02 for token in found if token >= first]
        return list(zip(marks[::2], marks[1::2], strict=False))

    def _generate(self, samples_N: Samples, **settings: Any) -> list[int]:
        found = self.model.generate(
            self._features(samples_N),
            task="transcribe",
            num_beams=1,
            do_sample=False,
            max_new_tokens=token_limit(seconds(samples_N)),
            **settings,
        )
        tokens: list[int] = found[0].tolist()
        return tokens

    def _features(self, samples_N: Samples) -> torch.Tensor:
        mel_BMF = log_mel(pad_samples([samples_N], 30), self.model.config.num_mel_bins)
        return mel_BMF.to(self.model.dtype)


def write_tokenizer(tokens: Tokens, folder: Path) -> None:
    """Write tokenizer.json, and the older files that converters still open."""
    model = tokens.definition["model"]
    merges = [each if isinstance(each, str) else " ".join(each) for each in model["merges"]]
    write_json(folder / "tokenizer.json", tokens.definition, indent=None)
    write_json(folder / "vocab.json", model["vocab"], indent=None)
    (folder / "merges.txt").write_text(
        "\n".join(["#version: 0.2", *merges]) + "\n", encoding="utf-8"
    )
    own = {text: number for text, number in tokens.special.items() if text not in model["vocab"]}
    write_json(folder / "added_tokens.json", own)
    special = dict.fromkeys(("bos_token", "eos_token", "unk_token", "pad_token"), END)
    write_json(folder / "special_tokens_map.json", special)
    write_json(
        folder / "tokenizer_config.json",
        {
            "tokenizer_class": "WhisperTokenizer",
            "processor_class": "WhisperProcessor",
            "add_prefix_space": False,
            "errors": "replace",
            "model_max_length": 1024,
            **special,
        },
    )


def write_processor(mel_bins: int, folder: Path) -> None:
    """Write the feature settings: transformers 5's file, and the file that all others read.

    faster-whisper takes 80 mels where preprocessor_config.json is not there.
    """
    extractor = WhisperFeatureExtractor(mel_bins)
    extractor.save_pretrained(folder)
    write_json(
        folder / "processor_config.json",
        {"processor_class": "WhisperProcessor", "feature_extractor": extractor.to_dict()},
    )
