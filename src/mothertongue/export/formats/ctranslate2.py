"""Export to a CTranslate2 folder, which faster-whisper can load."""

from pathlib import Path
from typing import Any, ClassVar

from mothertongue.decoding.transcript import Samples
from mothertongue.export.base import (
    Exported,
    Exporter,
    ExportTranscriber,
    require,
    require_merged,
)
from mothertongue.model.context import FULL_CONTEXT_S
from mothertongue.model.ctranslate2_writer import write_ctranslate2
from mothertongue.model.features import pad_samples
from mothertongue.model.load import Base
from mothertongue.model.tokenizer import Tokens


class CTranslate2Exporter(Exporter):
    """Writes a folder with CTranslate2's own specification of Whisper."""

    format: ClassVar[str] = "ctranslate2"
    types: ClassVar[tuple[str, ...]] = ("float32", "float16", "bfloat16", "int8", "int8_float16")
    engine: ClassVar[str] = "faster_whisper"
    max_tokens: ClassVar[int] = 448 // 2
    max_tokens_source: ClassVar[str] = (
        "CTranslate2, src/models/whisper.cc: half of max_length; faster_whisper/transcribe.py: "
        "max_length is 448"
    )
    shorter_windows: ClassVar[str] = "`chunk_length={}` of faster-whisper's `transcribe`"
    library: ClassVar[str | None] = "ctranslate2"

    def check(self, exported: Exported) -> None:
        require_merged(exported, "CTranslate2")

    def write(self, exported: Exported, folder: Path, type_: str) -> None:
        write_ctranslate2(exported.plain(), exported.tokens, folder, type_)  # type: ignore[arg-type]

    def open(self, folder: Path, tokens: Tokens, base: Base | None) -> ExportTranscriber:
        return FasterWhisperTranscriber(folder, tokens, self.max_tokens)


class FasterWhisperTranscriber(ExportTranscriber):
    """Transcribes with faster-whisper, greedy and without its fallbacks.

    It does not set `max_new_tokens`: CTranslate2 would write half as many.

    It fills features up to 30 s with zeros, which are no silence; given silence, it gets the same
    input as OpenAI's code and torch.
    """

    def __init__(self, folder: Path, tokens: Tokens, max_tokens: int) -> None:
        super().__init__(tokens, max_tokens)
        package = require("faster_whisper", "ctranslate2")
        self.model: Any = package.WhisperModel(str(folder), device="auto", compute_type="default")

    def generate(self, samples_N: Samples, language: str) -> list[int]:
        segments = self._segments(samples_N, language, without_timestamps=True)
        return [token for segment in segments for token in segment.tokens]

    def detect(self, samples_N: Samples) -> str:
        language, _, _ = self.model.detect_language(_padded(samples_N))
        return str(language)

    def timestamps(self, samples_N: Samples, language: str) -> list[tuple[float, float]]:
        segments = self._segments(samples_N, language, without_timestamps=False)
        return [(each.start, each.end) for each in segments]

    def _segments(self, samples_N: Samples, language: str, without_timestamps: bool) -> list[Any]:
        found, _ = self.model.transcribe(
            _padded(samples_N),
            language=language,
            beam_size=1,
            temperature=[0.0],
            without_timestamps=without_timestamps,
            condition_on_previous_text=False,
            vad_filter=False,
            no_speech_threshold=None,
            log_prob_threshold=None,
            compression_ratio_threshold=None,
        )
        return list(found)


def _padded(samples_N: Samples) -> Samples:
    padded: Samples = pad_samples([samples_N], FULL_CONTEXT_S)[0].numpy()
    return padded
