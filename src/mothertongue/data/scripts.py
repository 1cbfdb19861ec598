"""Name the script of a letter; list and join the scripts without spaces between words. No torch.

The lists are classes for the package regex.
"""

import unicodedata
from collections.abc import Iterable
from functools import cache

import regex

ZERO_WIDTH_SPACE = "\u200b"

# Scripts in which U+200B marks the ends of words, unseen: those of Unicode's line break class SA.
INVISIBLY_SPACED = (
    r"\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}\p{Tai_Le}\p{New_Tai_Lue}\p{Tai_Tham}\p{Tai_Viet}"
)

# Scripts without visible spaces between words: these, Chinese characters and kana (Unicode counts
# the long vowel ー to no script). Tibetan is not one of them: its tsheg is written.
UNSPACED_SCRIPTS = INVISIBLY_SPACED + r"\p{Han}\p{Hiragana}\p{Katakana}ー"
# With their punctuation, which brings its own space.
UNSPACED_CHARACTERS = rf"{UNSPACED_SCRIPTS}\u3001-\u3003\u3008-\u3011\u3014-\u301f！（），．：；？"
TSHEG = "\u0f0b"  # no space follows it; one follows other marks of Tibetan
# Possessive: no run is searched twice for its end.
SPACE_BETWEEN = regex.compile(
    rf"(?<=[{UNSPACED_CHARACTERS}{TSHEG}])[\s{ZERO_WIDTH_SPACE}]++(?=[{UNSPACED_CHARACTERS}\p{{Tibetan}}])"
)
LINE_BREAK = regex.compile(r"[\n\r\v\f\x85\u2028\u2029]")

# Scripts whose characters are syllables or words, by the first word of a character's Unicode name.
SYLLABIC = frozenset(
    {"CANADIAN", "CJK", "ETHIOPIC", "HANGUL", "HIRAGANA", "KATAKANA", "MENDE", "VAI", "YI"}
)


def spoken_letters(text: str) -> int:
    """Return the characters of a text; those of syllables and words count as two letters each.

    So a script hardly changes how many of them people say in a second.
    """
    return len(text) + sum(script_of(char) in SYLLABIC for char in text)


def joined_texts(texts: Iterable[str]) -> str:
    """Return texts joined with spaces; without one between characters of scripts that use none."""
    return on_one_line("\n".join(texts))


def on_one_line(text: str) -> str:
    """Return the text with spaces for its line feeds.

    Any line break between two characters of scripts without spaces is removed, with the white space
    around it. A zero-width space there stays.
    """
    folded: str = SPACE_BETWEEN.sub(_without_break, text)
    return folded.replace("\n", " ")


def _without_break(space: regex.Match[str]) -> str:
    run: str = space[0]
    if not LINE_BREAK.search(run):
        return run
    return ZERO_WIDTH_SPACE if ZERO_WIDTH_SPACE in run else ""


def script_of(char: str) -> str | None:
    """Return the script of a letter by its Unicode name, such as LATIN; None if it is no letter."""
    return _named_script(char) if char.isalpha() else None


@cache
def _named_script(char: str) -> str | None:
    return unicodedata.name(char, "").split(" ")[0].split("-")[0] or None
