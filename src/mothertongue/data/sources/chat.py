"""Read CHAT's .cha files beside their recordings, as CHILDES and TalkBank have them."""

from pathlib import Path
from typing import Literal

from mothertongue.data.annotations.chat import has_chat, read_cha
from mothertongue.data.annotations.segments import Annotations
from mothertongue.data.sources.annotation import JOIN_OPTIONS, TEXT_OPTIONS, AnnotationSource

EXAMPLE = """@UTF8
@Begin
@Languages:\tswa
@Participants:\tCHI Anna Target_Child, MOT Mother
@Media:\ta, audio
*CHI:\thabari [= hello] . \x15100_900\x15
@End
"""


class ChatSource(AnnotationSource):
    """A row is a line of a speaker."""

    examples = ({"a.cha": EXAMPLE, "a.wav": ""},)
    suffixes = (".cha",)
    options = JOIN_OPTIONS | TEXT_OPTIONS
    precedence = 71

    kind: Literal["chat"] = "chat"

    @classmethod
    def claims(cls, file: Path) -> bool:
        """Recognize a file by its first character: CHAT begins with a header."""
        return has_chat(file)

    def read(self, file: Path) -> Annotations:
        return read_cha(file, self.encoding)
