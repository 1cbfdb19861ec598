"""Read Praat's TextGrids beside their recordings, also those of the Montreal Forced Aligner."""

from dataclasses import replace
from pathlib import Path
from typing import Literal

from mothertongue.data.annotations.segments import Annotations, Tier
from mothertongue.data.annotations.textgrid import read_textgrid
from mothertongue.data.sources.annotation import (
    JOIN_OPTIONS,
    TEXT_OPTIONS,
    TIER_OPTIONS,
    AnnotationSource,
)

EXAMPLE = """File type = "ooTextFile"
Object class = "TextGrid"

0
1
<exists>
1
"IntervalTier"
"words"
0
1
1
0
1
"habari"
"""


class TextGridSource(AnnotationSource):
    """Tiers have names and no types. If --tier names several, these are the speakers."""

    examples = ({"a.TextGrid": EXAMPLE, "a.wav": ""}, {"b/a.textgrid": EXAMPLE, "wav/a.wav": ""})
    suffixes = (".textgrid",)
    options = JOIN_OPTIONS | TIER_OPTIONS | TEXT_OPTIONS
    precedence = 62

    kind: Literal["textgrid"] = "textgrid"

    @classmethod
    def claims(cls, file: Path) -> bool:
        """Accept every file: its name is enough."""
        return True

    def read(self, file: Path) -> Annotations:
        found = read_textgrid(file, self.encoding)
        if len(self.tiers) < 2:
            return found
        return replace(found, tiers=tuple(map(_with_speaker, found.tiers)))


def _with_speaker(tier: Tier) -> Tier:
    segments = (replace(each, speaker=each.speaker or tier.name) for each in tier.segments)
    return replace(tier, segments=tuple(segments))
