"""Read labels that Audacity exported as text beside the recordings."""

from pathlib import Path
from typing import Literal

from mothertongue.data.annotations.labels import has_labels, read_labels
from mothertongue.data.annotations.segments import Annotations
from mothertongue.data.sources.annotation import JOIN_OPTIONS, TEXT_OPTIONS, AnnotationSource


class AudacitySource(AnnotationSource):
    """`a.txt` holds the labels of `a.wav`."""

    examples = ({"a.txt": "0.100000\t0.900000\thabari\n", "a.wav": "", "notes.txt": "Of 2024.\n"},)
    suffixes = (".txt",)
    options = JOIN_OPTIONS | TEXT_OPTIONS
    precedence = 66

    kind: Literal["audacity"] = "audacity"

    @classmethod
    def claims(cls, file: Path) -> bool:
        """Recognize a file by its first line: two times and a text, with tabs between them."""
        return has_labels(file)

    def read(self, file: Path) -> Annotations:
        return read_labels(file, self.encoding)
