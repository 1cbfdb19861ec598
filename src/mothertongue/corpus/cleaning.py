"""Transcripts as they enter a manifest: what no reader would miss is put right, and counted."""

import re
import unicodedata

# Cf characters that carry meaning or ink: joiners of Indic and Arabic scripts, Mongolian's vowel
# separator, and the signs that are drawn around the digits that follow them.
KEPT_FORMAT = frozenset(
    "\u200c\u200d\u180e"
    "\u0600\u0601\u0602\u0603\u0604\u0605\u06dd\u070f\u0890\u0891\u08e2\U000110bd\U000110cd"
)
ASCII_WORD = re.compile("[a-z0-9]+")
SPECIAL_TOKEN = re.compile(r"<\|[^<>|]*\|>")


def clean_text(text: str) -> tuple[str, tuple[str, ...]]:
    """The text in NFC, on one line, without invisible characters; and the codes of what changed.

    TXT-SPACE: runs of white space became one space. TXT-CONTROL: a BOM, zero-width, bidi or control
    character was removed (joiners stay). TXT-NFC: it was not in NFC. TXT-SPECIAL: it holds
    something like <|en|>, which stays, as plain characters. Applied twice, it changes nothing.
    """
    if text.isascii() and text.isprintable() and "<|" not in text and "  " not in text:
        stripped = text.strip()
        return stripped, () if stripped == text else ("TXT-SPACE",)
    visible = "".join(char for char in text if not _is_invisible(char))
    folded = " ".join(visible.split())
    composed = unicodedata.normalize("NFC", folded)
    changed = {
        "TXT-CONTROL": visible != text,
        "TXT-SPACE": folded != visible,
        "TXT-NFC": composed != folded,
        "TXT-SPECIAL": SPECIAL_TOKEN.search(composed) is not None,
    }
    return composed, tuple(code for code, is_so in changed.items() if is_so)


def sentence_key(text: str) -> str:
    """What two readings of one sentence share: its letters, digits and marks, case folded.

    Empty where the text has none.
    """
    if text.isascii():
        return " ".join(ASCII_WORD.findall(text.lower()))
    folded = unicodedata.normalize("NFC", text.casefold())
    spoken = "".join(char if _is_spoken(char) else " " for char in folded)
    return " ".join(spoken.split())


def _is_invisible(char: str) -> bool:
    category = unicodedata.category(char)
    if category == "Cc":
        return not char.isspace()
    return category == "Cf" and char not in KEPT_FORMAT


def _is_spoken(char: str) -> bool:
    return char.isalnum() or char in KEPT_FORMAT or unicodedata.category(char)[0] == "M"
