"""From speech to what is said in it, by an engine that reads it."""

import asyncio
from typing import Any

import numpy as np
import pytest
from reader import RATE_HZ, Reader, ramp

from mothertongue.inference.speech_detection import Piece
from mothertongue.inference.subtitles import Recording
from mothertongue.model.tokenizer import Tokens
from mothertongue.serving.batching import Batcher
from mothertongue.serving.limits import Limits
from mothertongue.serving.metrics import Metrics
from mothertongue.serving.models import ServedModel
from mothertongue.serving.sandbox import Speech
from mothertongue.serving.service import Service, TranscriptionRequest
from mothertongue.serving.turns import Gate


class Opened:
    """A sandbox that has found these pieces."""

    def __init__(self, pieces: list[Piece]) -> None:
        self.found = Speech(pieces[-1].end_s, pieces)

    async def speech(self, data: bytes) -> Speech:
        return self.found


def served(
    engine: Reader, pieces: list[Piece], model: ServedModel, language: str | None
) -> Recording:
    """The transcript of a recording with these pieces."""
    reader: Any = engine
    batcher, sandbox = Batcher(reader, 8, 100), Opened(pieces)
    service = Service([batcher], sandbox, Gate(1), Limits(), Metrics())  # type: ignore[arg-type]
    asked = TranscriptionRequest(model, language, "transcribe", (), False)
    found = asyncio.run(service.recording(b"", asked))
    batcher.close()
    return found


@pytest.mark.parametrize("language", ["am", None])
def test_no_text_of_a_piece_in_a_dense_script_is_lost(tokens: Tokens, language: str | None) -> None:
    text = "".join(np.random.default_rng(0).choice([*"ሀለሐመሠረሰሸቀበተ"], 9 * 90))
    whole_N = ramp(90)
    pieces = [Piece(float(s), whole_N[s * RATE_HZ : (s + 30) * RATE_HZ]) for s in (0, 30, 60)]
    engine, model = Reader(tokens, text, 9, "am"), ServedModel("m", "run", 0, tokens, None)
    found = served(engine, pieces, model, language)
    assert found.text.replace(" ", "") == text
    assert len(found.segments) > 3
    starts = [each.start_s for each in found.segments]
    assert starts == sorted(starts) and found.segments[-1].end_s == 90


@pytest.mark.parametrize("language", ["hmn", "zh"])
def test_a_lent_token_decodes_and_the_language_stays_what_it_is(
    tokens: Tokens, language: str
) -> None:
    engine = Reader(tokens, "nyob zoo " * 9, 9, "zh")
    model = ServedModel("m", "run", 0, tokens.borrowing({"hmn": "zh"}), "hmn")
    found = served(engine, [Piece(0.0, ramp(9))], model, model.spoken(language))
    assert [(each.language, each.text_language) for each in engine.clips] == [("zh", language)]
    assert found.language == language
