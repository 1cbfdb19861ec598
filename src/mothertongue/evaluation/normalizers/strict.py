"""strict: the letters, marks and digits of any script, and nothing else."""

import re
import unicodedata
from functools import cache

from mothertongue.data.scripts import ZERO_WIDTH_SPACE
from mothertongue.evaluation.normalizers.base import Normalizer

# The letter that stands for every apostrophe: U+02BC, which Unicode holds to be a letter.
APOSTROPHE = "ʼ"
# Letters that are typed as apostrophes: the ʻokina and the saltillo.
APOSTROPHE_LETTERS = frozenset("ʼʻꞌ")
# Apostrophes within a word, and what is typed for one: quotation marks, accents, the prime, the
# Armenian apostrophe, and the geresh, which makes other letters of Hebrew ones (g, but g׳ is j).
APOSTROPHES = frozenset("'’‘‛＇`´′՚׳")
# Marks within a word that say nothing of its sounds: the Catalan and hyphenation points, the Hebrew
# gershayim, the Armenian stress, exclamation and question marks.
VANISHING = frozenset("·‧״՛՜՞")
# Unicode calls them symbols, but they are the Sindhi words "and" and "in".
SINDHI_WORDS = "۽۾"
# Kashida and lajanyalan stretch a word on the line; Unicode counts them as letters.
STRETCHES = "\u0640\u07fa"
# Before Unicode 5.1 a Malayalam chillu was written as consonant, virama, zero-width joiner; both
# spellings are in use, and canonical equivalence (NFC) does not join them.
CHILLUS = {
    "ണ്\u200d": "ൺ",
    "ന്\u200d": "ൻ",
    "ര്\u200d": "ർ",
    "ല്\u200d": "ൽ",
    "ള്\u200d": "ൾ",
    "ക്\u200d": "ൿ",
}
# Malayalam nta, as in its word for "my", is typed as n + virama + rra, as Unicode's chillu n +
# virama + rra, or as chillu n + rra.
NTA_SPELLINGS, NTA = re.compile("ൻ്?റ"), "ന്റ"


def _strict(text: str) -> str:
    """NFC, case folded, no punctuation and no symbols; every letter, mark and digit stays.

    Punctuation and symbols separate words, as hyphens do. Between two letters, though, an
    apostrophe becomes the letter U+02BC, however it is typed: Swahili ng'ombe is one word, and
    Hausa t'anta is not tanta. At the edge of a word it is a quotation mark and separates, unless
    Unicode holds it to be a letter (U+02BC, U+02BB, U+A78C). The marks of VANISHING vanish between
    two letters, and the word stays whole.
    Invisible format characters (joiners, soft hyphens, directions) vanish: zero-width joiners
    do carry meaning in Persian and Malayalam, but writers and models use them too unevenly to
    score. Calling it twice changes nothing more.
    """
    shown = [char for char in _casefold(text) if not _is_ignored(char)]
    neighbours = zip([" ", *shown], shown, [*shown[1:], " "], strict=False)
    words = "".join(_spoken(*three) for three in neighbours).split()
    # What vanished may leave a letter and its accent side by side, or the letters of nta.
    return NTA_SPELLINGS.sub(NTA, unicodedata.normalize("NFC", " ".join(words)))


def _casefold(text: str) -> str:
    """Canonical caseless form, composed (Unicode 3.13, D145), with two language-neutral mends."""
    composed = unicodedata.normalize("NFC", text)
    for old, new in CHILLUS.items():
        composed = composed.replace(old, new)
    # Case folding turns the Turkish capital İ into i with a second dot, unlike a typed i.
    decomposed = unicodedata.normalize("NFD", composed.replace("İ", "i"))
    return unicodedata.normalize("NFC", decomposed.casefold())


def _spoken(before: str, char: str, after: str) -> str:
    if char in APOSTROPHE_LETTERS:
        return APOSTROPHE
    if not _separates(char):
        return char
    # After a mark too: in Yoruba and Marathi the letter before carries one.
    is_within = _category(before)[0] in "LM" and _category(after)[0] == "L"
    if is_within and char in APOSTROPHES:
        return APOSTROPHE
    return "" if is_within and char in VANISHING else " "


@cache
def _separates(char: str) -> bool:
    category = _category(char)
    if char in SINDHI_WORDS or _is_tone_letter(char, category):
        return False
    return category[0] in "PS" or category == "Cc" or char == ZERO_WIDTH_SPACE


def _is_tone_letter(char: str, category: str) -> bool:
    """Return whether a Unicode symbol writes a tone or a sound (U+02E5, U+A789)."""
    return category == "Sk" and unicodedata.name(char).startswith("MODIFIER LETTER ")


@cache
def _is_ignored(char: str) -> bool:
    # Variation selectors are marks by category, but only choose a glyph: after an emoji is gone,
    # the one that followed would be left as a word that nobody sees.
    return (
        char in STRETCHES
        or (_category(char) == "Cf" and char != ZERO_WIDTH_SPACE)
        or ("VARIATION SELECTOR" in unicodedata.name(char, ""))
    )


_category = cache(unicodedata.category)


NORMALIZER = Normalizer(
    "strict", "2", _strict, "without case and punctuation, every mark kept", place=0
)
