"""Clean transcripts for a manifest: correct and count faults that a reader cannot see."""

import re
import unicodedata

import regex

from mothertongue.data.scripts import (
    INVISIBLY_SPACED,
    UNSPACED_SCRIPTS,
    ZERO_WIDTH_SPACE,
    on_one_line,
)

# Cf characters that carry meaning or ink: joiners of Indic and Arabic scripts, Mongolian's vowel
# separator, and the signs that are drawn around the digits that follow them.
KEPT_FORMAT = frozenset(
    "\u200c\u200d\u180e"
    "\u0600\u0601\u0602\u0603\u0604\u0605\u06dd\u070f\u0890\u0891\u08e2\U000110bd\U000110cd"
)
# A run of zero-width spaces, in group 1 where it separates no words. It separates words between two
# characters of which one is of a script that marks words so. In other text it is a web page's hint
# where a long word may be broken. Python counts U+001C to U+001F as white space, `regex` does not.
NO_SPACE = rf"[^\s\x1c-\x1f{ZERO_WIDTH_SPACE}]"
ZERO_WIDTH_SPACES = regex.compile(
    rf"(?<=[{INVISIBLY_SPACED}]){ZERO_WIDTH_SPACE}+(?={NO_SPACE})"
    rf"|(?<={NO_SPACE}){ZERO_WIDTH_SPACE}+(?=[{INVISIBLY_SPACED}])"
    rf"|({ZERO_WIDTH_SPACE}+)"
)
# What one person types and another does not: zero-width space, non-joiner, joiner, the Arabic and
# N'Ko stretches of a line; and the letters that are typed as apostrophes.
AS_TYPED = {ord(char): None for char in f"{ZERO_WIDTH_SPACE}\u200c\u200d\u0640\u07fa"} | {
    ord(char): "'" for char in "\u02bb\u02bc\ua78c"
}
ASCII_WORD = re.compile("[a-z0-9]+")
SPECIAL_TOKEN = re.compile(r"<\|[^<>|]*\|>")
# What stays as it is, but is seldom what was said; each is counted under its code.
SUSPECTS = {
    "TXT-DIGIT": regex.compile(r"\p{Nd}"),
    "TXT-TAG": regex.compile(
        r"\[[^][]{1,40}\]|\{[^{}]{1,40}\}|<(?!\|)[^<>]{1,40}>|^\p{L}{1,10}[ _-]?\d{1,3}:"
        r"|\{[^{}/]{1,200}/[^{}]{1,200}\}|(?<!\S)(?:[:%#@*=]|\(%)\p{L}"
    ),
    "TXT-ENTITY": regex.compile(r"&(?:[A-Za-z][A-Za-z0-9]{1,30}|#\d{1,7}|#x[\da-fA-F]{1,6});"),
    # Within a word, of the three scripts whose letters look alike: a Greek ε for the Latin ɛ.
    "TXT-SCRIPT": regex.compile(
        r"\p{Latin}\p{M}*[\p{Greek}\p{Cyrillic}]|\p{Greek}\p{M}*[\p{Latin}\p{Cyrillic}]|"
        r"\p{Cyrillic}\p{M}*[\p{Latin}\p{Greek}]"
    ),
    "TXT-WORD": regex.compile(rf"[^\s{UNSPACED_SCRIPTS}]{{100}}"),
}


def suspects(text: str) -> tuple[str, ...]:
    """Return the codes of parts of a cleaned text that people may not speak as written.

    TXT-DIGIT: digits. TXT-TAG: something like [noise], <b>, S1:, :fra or (%uh). TXT-ENTITY:
    something like &amp;. TXT-SCRIPT: a word with letters of two scripts that look alike. TXT-WORD:
    a word of over 100 characters, in scripts with spaces between words.
    """
    return tuple(code for code, pattern in SUSPECTS.items() if pattern.search(text))


def clean_text(text: str) -> tuple[str, tuple[str, ...]]:
    """Return the text in NFC, on one line, without invisible characters, and codes of the changes.

    TXT-SPACE: runs of white space became one space, or nothing where a line breaks between two
    characters of scripts without spaces. TXT-CONTROL: a BOM, zero-width, bidi or control
    character or a noncharacter was removed; joiners stay, and so does one zero-width space between
    two words of Khmer, Burmese, Lao, Thai and their kin. TXT-NFC: it was not in NFC. TXT-SPECIAL:
    it holds something like <|en|>, which stays, as plain characters. Applied twice, it changes
    nothing.
    """
    if text.isascii() and text.isprintable() and "<|" not in text and "  " not in text:
        stripped = text.strip()
        return stripped, () if stripped == text else ("TXT-SPACE",)
    visible = "".join(char for char in text if not _is_invisible(char))
    line = on_one_line(visible)
    spaced = ZERO_WIDTH_SPACES.sub(lambda run: "" if run[1] else ZERO_WIDTH_SPACE, line)
    folded = " ".join(spaced.split())
    composed = unicodedata.normalize("NFC", folded)
    changed = {
        "TXT-CONTROL": visible != text or spaced != line,
        "TXT-SPACE": line != visible or folded != spaced,
        "TXT-NFC": composed != folded,
        "TXT-SPECIAL": SPECIAL_TOKEN.search(composed) is not None,
    }
    return composed, tuple(code for code, is_so in changed.items() if is_so)


def sentence_key(text: str) -> str:
    """Return the key of a sentence: its letters, digits and marks, case-folded, in NFKC.

    Zero-width spaces, joiners and stretched lines do not count: the same sentence is often written
    without. An apostrophe separates, also one that is a letter. Empty where the text has no letter
    or digit.
    """
    if text.isascii():
        return " ".join(ASCII_WORD.findall(text.lower()))
    folded = unicodedata.normalize("NFC", text.casefold().translate(AS_TYPED))
    spoken = "".join(char if _is_spoken(char) else " " for char in folded)
    # Only now: the compatible form of an accent by itself is a mark.
    return " ".join(unicodedata.normalize("NFKC", spoken).casefold().split())


def _is_invisible(char: str) -> bool:
    category = unicodedata.category(char)
    if category == "Cc":
        return not char.isspace()
    if category == "Cn":
        return _is_noncharacter(ord(char))
    return category == "Cf" and char not in KEPT_FORMAT and char != ZERO_WIDTH_SPACE


def _is_noncharacter(point: int) -> bool:
    # Never a character, in no version of Unicode (its sec. 23.7), while others of Cn may become
    # one. XML cannot hold the two of the first plane.
    return 0xFDD0 <= point <= 0xFDEF or point & 0xFFFE == 0xFFFE


def _is_spoken(char: str) -> bool:
    return char.isalnum() or char in KEPT_FORMAT or unicodedata.category(char)[0] == "M"
