"""Write letters of any script roughly as Latin ones, by their names in Unicode. No torch.

A model that was not tuned often writes a language in a script that it knows better: whisper-base
writes what it hears of Amharic in Latin letters. The names of syllables and letters, such as
ETHIOPIC SYLLABLE MAA, say enough of their sound to find the place in a text, and no more.
"""

import re
import unicodedata
from collections import Counter
from functools import cache

from mothertongue.data.scripts import script_of

NAMED = re.compile(
    r"(?:LETTER|SYLLABLE|SYLLABICS|VOWEL SIGN|SIGN|DIGIT)(?: [A-Z0-9-]+)*? ([A-Z]+)(?:-\d+)?$"
)
# The sixth order of an Ethiopic consonant has a short vowel or none, and is named with an E.
SIXTH_ORDER = re.compile(r"(?<=[^AEIOU])E$")
# Tifinagh names its letters as they are read out, with a y: YA, YAB, YI.
READ_OUT = re.compile(r"^Y(?:A(?=.)|(?=[AIU]$))")
REPEATED = re.compile(r"(.)\1+")
# What Latin spellings of one sound share.
SPELLINGS = str.maketrans({"q": "k", "c": "k", "x": "h", "z": "s", "y": "i", "w": "u", "v": "b"})


def main_script(text: str) -> str | None:
    """Return the script of most letters of a text; None without letters."""
    counts = Counter(script for char in text if (script := script_of(char)))
    return max(counts, key=lambda each: (counts[each], each)) if counts else None


def romanized(text: str) -> str:
    """Return a text in Latin letters, without double letters. Latin letters stay."""
    found = ""
    for char in text:
        letters, is_vowel_sign = _named(char)
        # A vowel sign replaces the a that every Indic consonant has by its name.
        found = (found[:-1] if is_vowel_sign and found.endswith("a") else found) + letters
    return REPEATED.sub(r"\1", found.translate(SPELLINGS))


@cache
def _named(char: str) -> tuple[str, bool]:
    """Return the Latin letters of a character, and whether it is a vowel sign or a virama."""
    name = unicodedata.name(char, "")
    is_vowel_sign = "VOWEL SIGN" in name or "VIRAMA" in name
    if char.isascii():
        return char, False
    if "VIRAMA" in name:
        return "", True
    match = NAMED.search(name)
    if match is None:
        return "", is_vowel_sign
    sound = match.group(1)
    if "ETHIOPIC" in name:
        sound = SIXTH_ORDER.sub("", sound)
    elif "TIFINAGH" in name:
        sound = READ_OUT.sub("", sound)
    return sound.lower(), is_vowel_sign
