"""The contract of normalizers, and the characters that CER counts."""

from collections.abc import Callable
from dataclasses import dataclass

import regex

from mothertongue.data.scripts import UNSPACED_SCRIPTS, ZERO_WIDTH_SPACE

SPACES = f"[ {ZERO_WIDTH_SPACE}]+"
SPACES_BESIDE_UNSPACED = regex.compile(
    rf"(?<=[{UNSPACED_SCRIPTS}]){SPACES}|{SPACES}(?=[{UNSPACED_SCRIPTS}])"
)


@dataclass(frozen=True, slots=True)
class Normalizer:
    """A function from text to comparable text, for reference and hypothesis."""

    name: str
    version: str
    function: Callable[[str], str]
    title: str
    """Says on the page what it does, in a few words."""
    place: int = 50
    """Its place in tables: the lowest number comes first."""

    def __call__(self, text: str) -> str:
        return self.function(text)


def characters(text: str) -> list[str]:
    """Return the code points of normalized text, which CER counts.

    The spaces between words are counted, as jiwer does, so that CERs compare with published ones;
    but not beside a script that is written without spaces between words. There writers and models
    put spaces, visible or not, where they like, and published CERs leave them out. A vowel sign or
    a tone mark is a code point of its own unless NFC composes it with its letter.
    """
    return list(SPACES_BESIDE_UNSPACED.sub("", text.strip()))
