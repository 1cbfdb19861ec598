"""A loaded model for programs: it transcribes recordings, as the verb does for people."""

from pathlib import Path
from typing import Any

import numpy as np

from mothertongue.config import parse
from mothertongue.data.audio.load import MAX_PEAK, SAMPLE_RATE_HZ, AudioError
from mothertongue.data.languages import language_code
from mothertongue.decoding.transcript import DecodeConfig, Samples
from mothertongue.errors import ConfigError, DataError
from mothertongue.inference.engine import Engine
from mothertongue.inference.lm_weights import with_known_weight
from mothertongue.inference.speech_detection import everything, has_detector, voiced
from mothertongue.inference.subtitles import Recording
from mothertongue.inference.transcribe import transcribe_files, transcribe_samples


class Model:
    """A base, a run or an export in memory. Load one with `mothertongue.load_model`."""

    def __init__(self, name: str, engine: Engine) -> None:
        self.name, self.engine = name, engine

    def __repr__(self) -> str:
        return f"Model({self.name!r})"

    def transcribe(
        self,
        audio: str | Path | Samples,
        *,
        language: str | None = None,
        word_times: bool = False,
        **decoding: Any,
    ) -> Recording:
        """Transcribe a recording of any length.

        `audio` is a path, or float32 samples (N,) at 16 kHz between -1 and 1. `language` is a code
        such as "sw"; by default a run's own, else it is detected. `decoding` are settings of
        DecodeConfig, such as beam_size, lm and hotwords. The result has `text`, `language`,
        `duration_s` and `segments` with times in seconds, and words with theirs where `word_times`
        asks for them. Raises ConfigError for an unknown language, settings that do not fit or
        other samples, and DataError where a file cannot be read.
        """
        if not isinstance(language, str | None):
            raise ConfigError(f"language: got {language!r}; expected a code such as sw")
        code = language_code(language) if language else self.engine.language
        config = with_known_weight(parse(DecodeConfig, decoding, "transcribe"), self.name)
        context = self.engine.trained_context
        decoder = self.engine.make(context, config, lambda _: None)
        find = voiced if has_detector() else everything
        if isinstance(audio, str | Path):
            path = Path(audio).expanduser()
            ((_, found),) = transcribe_files(decoder, [path], find, code, context, word_times)
            if isinstance(found, AudioError):
                raise DataError(str(found))
            return found
        samples_N = _checked(audio)
        return transcribe_samples(decoder, samples_N, find, code, context, word_times)


def _checked(samples_N: Samples) -> Samples:
    if not isinstance(samples_N, np.ndarray):
        raise ConfigError(
            f"audio: {type(samples_N).__name__}; expected float32 samples (N,) of numpy at "
            f"{SAMPLE_RATE_HZ:,} Hz, or the path of a file"
        )
    if samples_N.ndim != 1 or samples_N.dtype != np.float32 or not len(samples_N):
        raise ConfigError(
            f"audio: {samples_N.dtype} of shape {samples_N.shape}; expected float32 samples (N,) "
            f"at {SAMPLE_RATE_HZ:,} Hz, or the path of a file"
        )
    if not np.isfinite(samples_N).all():
        raise ConfigError("audio: samples that are no numbers (NaN or infinite)")
    if (peak := float(np.abs(samples_N).max())) > MAX_PEAK:
        raise ConfigError(
            f"audio: peaks at {peak:,.0f}; expected samples between -1 and 1: divide those of "
            "16 bits by 32768"
        )
    return samples_N
