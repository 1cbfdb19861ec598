"""Read FLEx's interlinear texts with times, beside their recordings."""

from pathlib import Path
from typing import Literal

from mothertongue.data.annotations.flextext import read_flextext
from mothertongue.data.annotations.segments import Annotations
from mothertongue.data.sources.annotation import JOIN_OPTIONS, TIER_OPTIONS, AnnotationSource

EXAMPLE = """<?xml version="1.0" encoding="utf-8"?>
<document version="2"><interlinear-text><paragraphs><paragraph><phrases>
  <phrase begin-time-offset="100" end-time-offset="900" speaker="Anna" media-file="m1">
    <item type="txt" lang="sw">habari</item><item type="gls" lang="en">hello</item>
  </phrase>
</phrases></paragraph></paragraphs>
<media-files offset-type="milliseconds"><media guid="m1" location="a.wav"/></media-files>
</interlinear-text></document>
"""


class FlexTextSource(AnnotationSource):
    """A tier is a writing system, such as `--tier sw-fonipa`. Glosses are not read."""

    examples = ({"a.flextext": EXAMPLE, "a.wav": ""},)
    suffixes = (".flextext",)
    options = JOIN_OPTIONS | TIER_OPTIONS
    precedence = 68

    kind: Literal["flextext"] = "flextext"

    @classmethod
    def claims(cls, file: Path) -> bool:
        """Accept every file: its name is enough."""
        return True

    def read(self, file: Path) -> Annotations:
        return read_flextext(file)
