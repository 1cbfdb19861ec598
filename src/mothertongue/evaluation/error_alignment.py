"""Align a transcript to its reference with the fewest errors, to show them. No torch."""

from collections.abc import Iterator, Sequence
from typing import Any, Literal, NamedTuple

import jiwer
import regex

from mothertongue.data.languages import UNSPACED
from mothertongue.evaluation.metrics import UNCHANGED

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
    # jiwer is typed for text; without transforms it aligns the tokens it is given.
    reference: Any = [list(reference_tokens)]
    hypothesis: Any = [list(hypothesis_tokens)]
    chunks = jiwer.process_words(reference, hypothesis, UNCHANGED, UNCHANGED).alignments[0]
    return list(_pieces(chunks, reference[0], hypothesis[0]))


def _pieces(
    chunks: Sequence[jiwer.AlignmentChunk], reference: list[str], hypothesis: list[str]
) -> Iterator[Piece]:
    for chunk in chunks:
        kind = KINDS[chunk.type]
        expected = reference[chunk.ref_start_idx : chunk.ref_end_idx]
        written = hypothesis[chunk.hyp_start_idx : chunk.hyp_end_idx]
        if kind == "-":
            written = [""] * len(expected)
        elif kind == "+":
            expected = [""] * len(written)
        yield from (Piece(kind, *pair) for pair in zip(expected, written, strict=True))
