"""Minimal alignment of a transcript to its reference, which shows its wrong parts. No torch."""

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
    """A token of the reference beside the one of the hypothesis; empty where there is none."""

    kind: Kind
    reference: str
    hypothesis: str


def unit_of(language: str) -> Unit:
    """The unit of alignment for a language: words, or characters where spaces are rare."""
    return "character" if language in UNSPACED else "word"


def tokens(text: str, unit: Unit) -> list[str]:
    """The words of a text, or its characters as people see them, spaces left out."""
    return text.split() if unit == "word" else graphemes("".join(text.split()))


def graphemes(text: str) -> list[str]:
    """Characters as people see them: letters with their marks (Unicode's grapheme clusters)."""
    found: list[str] = regex.findall(r"\X", text)
    return found


def align(reference_tokens: Sequence[str], hypothesis_tokens: Sequence[str]) -> list[Piece]:
    """The pieces of one alignment of the least number of errors (Levenshtein, all costs 1).

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
        said = reference[chunk.ref_start_idx : chunk.ref_end_idx]
        heard = hypothesis[chunk.hyp_start_idx : chunk.hyp_end_idx]
        if kind == "-":
            heard = [""] * len(said)
        elif kind == "+":
            said = [""] * len(heard)
        yield from (Piece(kind, *pair) for pair in zip(said, heard, strict=True))
