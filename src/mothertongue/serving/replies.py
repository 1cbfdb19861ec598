"""Format a transcript as OpenAI's clients expect it. No torch."""

import json
import math
from collections.abc import Sequence
from typing import Any, Literal

from fastapi import Response
from fastapi.responses import JSONResponse, PlainTextResponse

from mothertongue.data.languages import WHISPER_LANGUAGES
from mothertongue.inference.subtitle_formats import as_srt, as_vtt
from mothertongue.inference.subtitles import Recording, Segment

ResponseFormat = Literal["json", "text", "srt", "verbose_json", "vtt"]
Granularity = Literal["word", "segment"]
Json = dict[str, Any]
FRAMES_PER_S = 100  # what `seek` counts in


def reply(
    recording: Recording, format_: ResponseFormat, granularities: Sequence[Granularity], task: str
) -> Response:
    """Return the whole answer to a request."""
    if format_ == "text":
        return PlainTextResponse(recording.text + "\n")
    if format_ == "srt":
        return PlainTextResponse(as_srt(recording))
    if format_ == "vtt":
        return PlainTextResponse(as_vtt(recording), media_type="text/vtt")
    if format_ == "json":
        return JSONResponse({"text": recording.text, "usage": _usage(recording)})
    return JSONResponse(verbose(recording, granularities, task))


def verbose(recording: Recording, granularities: Sequence[Granularity], task: str) -> Json:
    """Return verbose_json: `words` if asked for, `segments` unless only words were asked for."""
    code = "en" if task == "translate" else recording.language
    found: Json = {
        "task": task,
        "language": WHISPER_LANGUAGES.get(code, code) if code else None,
        "duration": round(recording.duration_s, 3),
        "text": recording.text,
        "usage": _usage(recording),
    }
    if "segment" in granularities or not granularities:
        found["segments"] = [_segment(i, each) for i, each in enumerate(recording.segments)]
    if "word" in granularities:
        found["words"] = [word for each in recording.segments for word in _words(each)]
    return found


def event(kind: str, **facts: Any) -> str:
    """Return one server-sent event of a stream."""
    return f"data: {json.dumps({'type': kind, **facts}, ensure_ascii=False)}\n\n"


def _segment(number: int, segment: Segment) -> Json:
    return {
        "id": number,
        "seek": round(segment.start_s * FRAMES_PER_S),
        "start": round(segment.start_s, 3),
        "end": round(segment.end_s, 3),
        "text": segment.text,
        "tokens": list(segment.tokens),
        "temperature": 0.0,
        "avg_logprob": segment.average_log_probability,
        "compression_ratio": round(segment.compression_ratio, 4),
        "no_speech_prob": segment.no_speech_probability,
    }


def _words(segment: Segment) -> list[Json]:
    return [
        {
            "word": word.text.strip(),
            "start": round(word.start_s, 3),
            "end": round(word.end_s, 3),
            "probability": round(word.probability, 4),
        }
        for word in segment.words or ()
    ]


def _usage(recording: Recording) -> Json:
    # A sum of blocks, such as 600.0000000001 s.
    return {"type": "duration", "seconds": math.ceil(round(recording.duration_s, 3))}
