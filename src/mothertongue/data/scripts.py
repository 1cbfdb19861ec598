"""Name the script of a letter; list the scripts without spaces between words. No torch.

The lists are classes for the package regex.
"""

import unicodedata
from functools import cache

ZERO_WIDTH_SPACE = "\u200b"

# Scripts in which U+200B marks the ends of words, unseen: those of Unicode's line break class SA.
INVISIBLY_SPACED = (
    r"\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}\p{Tai_Le}\p{New_Tai_Lue}\p{Tai_Tham}\p{Tai_Viet}"
)

# Scripts without visible spaces between words: these, Chinese characters and kana (Unicode counts
# the long vowel ー to no script). Tibetan is not one of them: its tsheg is written.
UNSPACED_SCRIPTS = INVISIBLY_SPACED + r"\p{Han}\p{Hiragana}\p{Katakana}ー"

# Scripts whose characters are syllables or words, by the first word of a character's Unicode name.
SYLLABIC = frozenset(
    {"CANADIAN", "CJK", "ETHIOPIC", "HANGUL", "HIRAGANA", "KATAKANA", "MENDE", "VAI", "YI"}
)


def spoken_letters(text: str) -> int:
    """Return the characters of a text; those of syllables and words count as two letters each.

    So a script hardly changes how many of them people say in a second.
    """
    return len(text) + sum(script_of(char) in SYLLABIC for char in text)


def script_of(char: str) -> str | None:
    """Return the script of a letter by its Unicode name, such as LATIN; None if it is no letter."""
    return _named_script(char) if char.isalpha() else None


@cache
def _named_script(char: str) -> str | None:
    return unicodedata.name(char, "").split(" ")[0].split("-")[0] or None
