"""A recording as a file that other programs read: txt, srt, vtt, json, those of annotators. No
torch."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

from mothertongue.inference.annotation_formats import as_audacity, as_eaf, as_textgrid
from mothertongue.inference.records import recording_record
from mothertongue.inference.subtitle_lines import broken
from mothertongue.inference.subtitles import Recording
from mothertongue.system.json_files import to_json

SHORTEST_MS = 20  # a subtitle of no length is not shown


def as_txt(recording: Recording) -> str:
    """One line a segment."""
    return "".join(f"{each.text}\n" for each in recording.segments)


def as_srt(recording: Recording) -> str:
    """SubRip: numbered subtitles, times with a comma."""
    return "\n".join(
        f"{number}\n{times}\n{text}\n"
        for number, (times, text) in enumerate(_cues(recording, ","), 1)
    )


def as_vtt(recording: Recording) -> str:
    """WebVTT. What its cues take for markup is escaped (W3C WebVTT, sec. 4.2.2)."""
    cues = [f"{times}\n{_escaped(text)}\n" for times, text in _cues(recording, ".")]
    return "\n".join(["WEBVTT\n", *cues])


def as_json(recording: Recording) -> str:
    """All that is known, words with their times and probabilities included."""
    record = to_json(recording_record(recording))
    return json.dumps(record, ensure_ascii=False, indent=2, allow_nan=False) + "\n"


FORMATS: dict[str, Callable[[Recording], str]] = {
    "txt": as_txt,
    "srt": as_srt,
    "vtt": as_vtt,
    "json": as_json,
    "eaf": as_eaf,
    "textgrid": as_textgrid,
    "audacity": as_audacity,
}
SUFFIXES = {"textgrid": "TextGrid", "audacity": "labels.txt"}
"""The ends of file names that are not their format's name."""


def written(format_: str, recording: Recording, audio: Path) -> str:
    """A recording in one of FORMATS; `audio` is its file."""
    return as_eaf(recording, audio) if format_ == "eaf" else FORMATS[format_](recording)


def _cues(recording: Recording, mark: str) -> Iterator[tuple[str, str]]:
    """Yield the times and the lines of each subtitle, in order; no two overlap."""
    end_ms = 0
    for each in recording.segments:
        if each.text:
            start_ms = max(end_ms, round(1000 * each.start_s))
            end_ms = max(start_ms + SHORTEST_MS, round(1000 * each.end_s))
            times = f"{_clock(start_ms, mark)} --> {_clock(end_ms, mark)}"
            yield times, "\n".join(broken(each.text))


def _clock(time_ms: int, mark: str) -> str:
    """HH:MM:SS and milliseconds."""
    seconds, milliseconds = divmod(time_ms, 1000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02}:{minutes:02}:{seconds:02}{mark}{milliseconds:03}"


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
