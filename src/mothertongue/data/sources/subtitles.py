"""Read subtitles beside their recordings, .srt or .vtt, as broadcasters keep them."""

from pathlib import Path
from typing import Literal

from mothertongue.data.annotations.segments import Annotations
from mothertongue.data.annotations.subtitles import read_subtitles
from mothertongue.data.sources.annotation import JOIN_OPTIONS, TEXT_OPTIONS, AnnotationSource


class SubtitlesSource(AnnotationSource):
    """A cue is a row. `news.sw.srt` is for `news.m4a`, if there is no `news.sw.m4a`."""

    examples = (
        {"a.srt": "1\n00:00:00,100 --> 00:00:00,900\nhabari\n", "a.wav": ""},
        {"a.sw.vtt": "WEBVTT\n\n00:00.100 --> 00:00.900\nhabari\n", "a.wav": ""},
    )
    suffixes = (".srt", ".vtt")
    options = JOIN_OPTIONS | TEXT_OPTIONS
    precedence = 64

    kind: Literal["subtitles"] = "subtitles"

    @classmethod
    def claims(cls, file: Path) -> bool:
        """Accept every file: its name is enough."""
        return True

    def read(self, file: Path) -> Annotations:
        return read_subtitles(file, self.encoding)
