"""Read ELAN's .eaf files beside their recordings, as linguists and archives keep them."""

from pathlib import Path
from typing import Literal

from mothertongue.data.annotations.eaf import read_eaf
from mothertongue.data.annotations.segments import Annotations
from mothertongue.data.sources.annotation import JOIN_OPTIONS, TIER_OPTIONS, AnnotationSource

EXAMPLE = """<?xml version="1.0" encoding="UTF-8"?>
<ANNOTATION_DOCUMENT AUTHOR="" DATE="2024-05-01T12:00:00+00:00" FORMAT="3.0" VERSION="3.0">
  <HEADER MEDIA_FILE="" TIME_UNITS="milliseconds">
    <MEDIA_DESCRIPTOR MEDIA_URL="file:///C:/field/a.wav" MIME_TYPE="audio/x-wav"/>
  </HEADER>
  <TIME_ORDER>
    <TIME_SLOT TIME_SLOT_ID="ts1" TIME_VALUE="100"/>
    <TIME_SLOT TIME_SLOT_ID="ts2" TIME_VALUE="900"/>
  </TIME_ORDER>
  <TIER LINGUISTIC_TYPE_REF="utterance" PARTICIPANT="Anna" TIER_ID="utterance@A">
    <ANNOTATION>
      <ALIGNABLE_ANNOTATION ANNOTATION_ID="a1" TIME_SLOT_REF1="ts1" TIME_SLOT_REF2="ts2">
        <ANNOTATION_VALUE>habari</ANNOTATION_VALUE>
      </ALIGNABLE_ANNOTATION>
    </ANNOTATION>
  </TIER>
  <LINGUISTIC_TYPE LINGUISTIC_TYPE_ID="utterance" TIME_ALIGNABLE="true"/>
</ANNOTATION_DOCUMENT>
"""


class ElanSource(AnnotationSource):
    """Also files that SayMore (`a.wav.annotations.eaf`) and lameta (`Sessions/x/x.eaf`) write."""

    examples = (
        {"a.eaf": EXAMPLE, "a.wav": ""},
        {"Sessions/a/a.wav.annotations.eaf": EXAMPLE, "Sessions/a/a.wav": "", "Project.csv": ""},
    )
    suffixes = (".annotations.eaf", ".eaf")
    options = JOIN_OPTIONS | TIER_OPTIONS
    precedence = 60

    kind: Literal["elan"] = "elan"

    @classmethod
    def claims(cls, file: Path) -> bool:
        """Accept every file: its name is enough."""
        return True

    def read(self, file: Path) -> Annotations:
        return read_eaf(file)
