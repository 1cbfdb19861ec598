"""Measure the likeness of recognized texts and transcripts: by n-grams, then by alignment.

A model that knows a language badly writes wrong words, but many of the right letters: in Swahili,
whisper-base has 82 % of the words wrong and 20 % of the characters. So letters are compared. Bags
of character bigrams and trigrams, weighted by how rare they are (TF-IDF), give the cosine of all
pairs. The cosine selects a few candidate texts; the edit distance then gives their likeness. No
torch.
N clips, D features.
"""

import unicodedata
import zlib
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from mothertongue.evaluation.metrics import count_errors
from mothertongue.evaluation.normalizers import normalizer

Floats = np.ndarray[Any, np.dtype[np.float32]]
NUM_FEATURES = 4096  # a language has a few thousand common trigrams; two in one place do no harm
BLOCK = 1024  # rows of the matrix of all pairs in memory at once
LENGTHS = (2, 3)
SAME_TEXT = 0.8
"""Two texts with a cosine above this count as the same sentence: one is no evidence against the
other."""
KNOWN = 1 << 16  # number of texts and n-grams that are cached


@lru_cache(maxsize=KNOWN)
def bare_letters(text: str) -> str:
    """Return the letters and digits of a text, case-folded, without accents, marks and spaces.

    A model leaves out tones and puts spaces at random places. Neither matters for the pairing of
    texts.
    """
    decomposed = unicodedata.normalize("NFD", normalizer("strict")(text))
    return "".join(c for c in decomposed if unicodedata.category(c)[0] != "M" and not c.isspace())


def likeness(a: str, b: str) -> float:
    """Return how much two texts agree, from 0 to 1: 1 - edits / letters of the longer one."""
    letters_a, letters_b = list(bare_letters(a)), list(bare_letters(b))
    longest = max(len(letters_a), len(letters_b))
    return 1 - count_errors(letters_a, letters_b).errors / longest if longest else 0.0


def text_vectors(texts: Sequence[str], references: Sequence[str]) -> Floats:
    """Return unit vectors x_ND of texts; n-grams that many `references` have get a small weight.

    A text without letters is the zero vector.
    """
    seen_D = np.zeros(NUM_FEATURES)
    for text in references:
        seen_D[list({*_features(text)})] += 1
    rarity_D = np.log((1 + len(references)) / (1 + seen_D)) + 1e-3
    x_ND = np.zeros((len(texts), NUM_FEATURES), np.float32)
    for number, text in enumerate(texts):
        np.add.at(x_ND[number], list(_features(text)), 1)
    x_ND = np.sqrt(x_ND) * rarity_D.astype(np.float32)
    lengths_N = np.linalg.norm(x_ND, axis=1, keepdims=True)
    return np.asarray(x_ND / np.maximum(lengths_N, 1e-9), np.float32)


@lru_cache(maxsize=KNOWN)
def _features(text: str) -> tuple[int, ...]:
    letters = bare_letters(text)
    return tuple(
        _place(letters[start : start + length])
        for length in LENGTHS
        for start in range(len(letters) - length + 1)
    )


@lru_cache(maxsize=KNOWN)
def _place(gram: str) -> int:
    # Not hash(): Python seeds it anew in every process.
    return zlib.crc32(gram.encode()) % NUM_FEATURES
