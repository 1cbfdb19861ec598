"""Divide a text into units between which it may be cut, and bring both texts to one form. No torch.

A unit is a word; in languages without spaces between words, a character as people see it.
"""

import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import regex

from mothertongue.data.languages import UNSPACED
from mothertongue.decoding.word_timestamps import Word
from mothertongue.evaluation.normalizers.strict import NORMALIZER
from mothertongue.inference.alignment.romanize import main_script, romanized

WORD = regex.compile(r"\S+")
CHARACTER = regex.compile(r"\X")
# A model that was not tuned often leaves out tones and accents, and the points of Hebrew, Arabic
# and N'Ko, which most writers leave out too. The vowel signs of other scripts stay.
ACCENTS = regex.compile(r"[\u0300-\u036f\u0591-\u05c7\u064b-\u065f\u0670\u07eb-\u07f3]")


@dataclass(frozen=True, slots=True)
class Unit:
    """A part of a text that is not cut: its place in it, and its comparable characters.

    A unit has none if it is only punctuation.
    """

    start: int
    end: int
    characters: str
    is_stop: bool
    """Whether it ends with punctuation, where speakers pause."""


@dataclass(frozen=True, slots=True)
class HeardWord:
    """The comparable characters of a recognized word, and its time in the recording in seconds."""

    characters: str
    start_s: float
    end_s: float


def comparable(text: str) -> str:
    """Return the letters and digits of a text without case, punctuation, accents and spaces."""
    plain = ACCENTS.sub("", unicodedata.normalize("NFD", NORMALIZER(text)))
    return "".join(unicodedata.normalize("NFC", plain).split())


def units_of(text: str, language: str) -> list[Unit]:
    """Return the units of a text in order. Each character but spaces is in one of them."""
    return [
        _unit(found.group(), found.start(), found.end())
        for word in WORD.finditer(text)
        for found in _parts(text, word.start(), word.end(), language)
    ]


def heard_words(words: Iterable[Word]) -> list[HeardWord]:
    """Return the recognized words that have comparable characters, in order."""
    found = (HeardWord(comparable(each.text), each.start_s, each.end_s) for each in words)
    return [each for each in found if each.characters]


def in_one_script(
    units: Sequence[Unit], heard: Sequence[HeardWord]
) -> tuple[list[Unit], list[HeardWord]]:
    """Return both as they are, or romanized if most letters of the two are of different scripts."""
    scripts = [main_script("".join(each.characters for each in part)) for part in (units, heard)]
    if scripts[0] == scripts[1] or None in scripts:
        return list(units), list(heard)
    return (
        [replace(each, characters=romanized(each.characters)) for each in units],
        [replace(each, characters=romanized(each.characters)) for each in heard],
    )


def text_of(text: str, units: Sequence[Unit]) -> str:
    """Return the part of a text from the first to the last of neighbouring units, as it is."""
    return text[units[0].start : units[-1].end]


def _unit(text: str, start: int, end: int) -> Unit:
    is_stop = unicodedata.category(text[-1])[0] == "P"
    return Unit(start, end, comparable(text), is_stop)


def _parts(text: str, start: int, end: int, language: str) -> Iterable[regex.Match[str]]:
    pattern = CHARACTER if language in UNSPACED else WORD
    return pattern.finditer(text, start, end)
