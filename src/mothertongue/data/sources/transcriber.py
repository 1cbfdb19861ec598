"""Read Transcriber's .trs files beside their recordings, as older archives have them."""

from pathlib import Path
from typing import Literal

from mothertongue.data.annotations.segments import Annotations
from mothertongue.data.annotations.transcriber import read_trs
from mothertongue.data.sources.annotation import JOIN_OPTIONS, AnnotationSource

EXAMPLE = """<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE Trans SYSTEM "trans-14.dtd">
<Trans audio_filename="a"><Speakers><Speaker id="spk1" name="Anna"/></Speakers>
<Episode><Section type="report" startTime="0" endTime="1">
<Turn startTime="0.1" endTime="0.9" speaker="spk1"><Sync time="0.1"/>habari</Turn>
</Section></Episode></Trans>
"""


class TranscriberSource(AnnotationSource):
    """A row is the stretch between two syncs."""

    examples = ({"a.trs": EXAMPLE, "a.wav": ""},)
    suffixes = (".trs",)
    options = JOIN_OPTIONS
    precedence = 70

    kind: Literal["transcriber"] = "transcriber"

    @classmethod
    def claims(cls, file: Path) -> bool:
        """Accept every file: its name is enough."""
        return True

    def read(self, file: Path) -> Annotations:
        return read_trs(file)
