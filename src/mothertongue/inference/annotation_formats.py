"""Write a recording's segments, words and probabilities as tiers for ELAN, Praat and Audacity."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from mothertongue.data.annotations.eaf_writer import write_eaf
from mothertongue.data.annotations.segments import Segment as Stretch
from mothertongue.data.annotations.segments import Tier
from mothertongue.data.annotations.textgrid_writer import write_textgrid
from mothertongue.inference.subtitles import Recording

SHORTEST_MS = 1  # segments without length are not shown, and not read back


def as_eaf(recording: Recording, audio: Path | None = None) -> str:
    """Return ELAN's EAF 3.0. `audio` is the recording that ELAN then opens with it."""
    return write_eaf(_tiers(recording), datetime.now(UTC), audio)


def as_textgrid(recording: Recording) -> str:
    """Return Praat's TextGrid."""
    return write_textgrid(_tiers(recording), recording.duration_s)


def as_audacity(recording: Recording) -> str:
    """Return Audacity's labels, one for each segment."""
    return "".join(
        f"{each.start_s:.6f}\t{each.end_s:.6f}\t{' '.join(each.text.split())}\n"
        for each in _tiers(recording)[0].segments
    )


def _tiers(recording: Recording) -> list[Tier]:
    """Return the transcript; also words and probabilities if the engine gives the times of words.

    No segments of a tier overlap, and words lie within their segment.
    """
    said: list[Stretch] = []
    words: list[Stretch] = []
    chances: list[Stretch] = []
    end_ms = 0
    for segment in recording.segments:
        if not segment.text:
            continue
        first = _after(end_ms, segment.start_s, segment.end_s, segment.text)
        for word in segment.words or ():
            if text := word.text.strip():
                last = _after(end_ms, word.start_s, word.end_s, text)
                end_ms = _milliseconds(last.end_s)
                words.append(last)
                chances.append(replace(last, text=f"{word.probability:.2f}"))
        end_ms = max(end_ms, _milliseconds(first.end_s))
        said.append(Stretch("", first.start_s, end_ms / 1000, segment.text))
    tiers = [_tier("transcription", said)]
    if words:
        tiers.append(_tier("words", words, parent="transcription"))
        tiers.append(_tier("probability", chances, parent="words", is_aligned=False))
    return tiers


def _after(end_ms: int, start_s: float, end_s: float, text: str) -> Stretch:
    """Return a stretch that begins at `end_ms` or later, and is at least 1 ms long."""
    start_ms = max(end_ms, _milliseconds(start_s))
    return Stretch(
        "", start_ms / 1000, max(start_ms + SHORTEST_MS, _milliseconds(end_s)) / 1000, text
    )


def _tier(
    name: str, segments: list[Stretch], parent: str | None = None, is_aligned: bool = True
) -> Tier:
    return Tier(name, name, tuple(segments), name, is_aligned, parent)


def _milliseconds(time_s: float | None) -> int:
    return round(1000 * (time_s or 0.0))
