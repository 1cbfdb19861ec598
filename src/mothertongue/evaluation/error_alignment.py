"""Align a transcript to its reference with the fewest errors, to show them. No torch."""

from collections.abc import Sequence
from typing import Literal, NamedTuple

import regex

from mothertongue.data.languages import UNSPACED
from mothertongue.evaluation.metrics import aligned

Unit = Literal["word", "character"]
Kind = Literal["=", "~", "-", "+"]
"""Equal, substituted, deleted (only in the reference), inserted (only in the hypothesis)."""
KINDS: dict[str, Kind] = {"equal": "=", "substitute": "~", "delete": "-", "insert": "+"}


class Piece(NamedTuple):
    """A token of the reference and the token of the hypothesis; empty if there is none."""

    kind: Kind
    reference: str
    hypothesis: str


def unit_of(language: str) -> Unit:
    """Return the unit of alignment for a language: words, or characters if spaces are rare."""
    return "character" if language in UNSPACED else "word"


def tokens(text: str, unit: Unit) -> list[str]:
    """Return the words of a text, or its characters as people see them, without spaces."""
    return text.split() if unit == "word" else graphemes("".join(text.split()))


def graphemes(text: str) -> list[str]:
    """Return characters as people see them: letters with their marks (grapheme clusters)."""
    found: list[str] = regex.findall(r"\X", text)
    return found


def align(reference_tokens: Sequence[str], hypothesis_tokens: Sequence[str]) -> list[Piece]:
    """Return the pieces of an alignment with the fewest errors (Levenshtein, all costs 1).

    Its errors are as many as `count_errors` counts; where several alignments have the least number
    it is one of them.
    """
    pieces: list[Piece] = []
    for chunk in aligned(reference_tokens, hypothesis_tokens).alignments[0]:
        kind = KINDS[chunk.type]
        expected = [*reference_tokens[chunk.ref_start_idx : chunk.ref_end_idx]]
        written = [*hypothesis_tokens[chunk.hyp_start_idx : chunk.hyp_end_idx]]
        if kind == "-":
            written = [""] * len(expected)
        elif kind == "+":
            expected = [""] * len(written)
        pieces += (Piece(kind, *pair) for pair in zip(expected, written, strict=True))
    return pieces
