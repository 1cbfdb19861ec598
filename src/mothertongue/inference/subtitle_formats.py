"""A recording as a file that other programs read: txt, srt, vtt, json, those of annotators. No
torch."""

import json
from collections.abc import Callable
from pathlib import Path

from mothertongue.inference.annotation_formats import as_audacity, as_eaf, as_textgrid
from mothertongue.inference.records import recording_record
from mothertongue.inference.subtitles import MAX_LINE, Recording, Segment
from mothertongue.system.json_files import to_json


def as_txt(recording: Recording) -> str:
    """One line a segment."""
    return "".join(f"{each.text}\n" for each in recording.segments)


def as_srt(recording: Recording) -> str:
    """SubRip: numbered subtitles, times with a comma."""
    return "\n".join(
        f"{number}\n{_span(each, ',')}\n{_lines(each.text)}\n"
        for number, each in enumerate(recording.segments, 1)
    )


def as_vtt(recording: Recording) -> str:
    """WebVTT. What its cues take for markup is escaped (W3C WebVTT, sec. 4.2.2)."""
    cues = [f"{_span(each, '.')}\n{_escaped(_lines(each.text))}\n" for each in recording.segments]
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


def _span(segment: Segment, mark: str) -> str:
    # A subtitle of no length is not shown.
    end_s = max(segment.end_s, segment.start_s + 0.02)
    return f"{_clock(segment.start_s, mark)} --> {_clock(end_s, mark)}"


def _clock(time_s: float, mark: str) -> str:
    """HH:MM:SS and milliseconds."""
    seconds, milliseconds = divmod(round(1000 * time_s), 1000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02}:{minutes:02}:{seconds:02}{mark}{milliseconds:03}"


def _lines(text: str) -> str:
    """The text in one line, or in two about equal ones."""
    text = " ".join(text.split())
    spaces = [i for i, letter in enumerate(text) if letter == " "]
    if len(text) <= MAX_LINE or not spaces:
        return text
    middle = min(spaces, key=lambda i: abs(i - len(text) // 2))
    return f"{text[:middle]}\n{text[middle + 1 :]}"


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
