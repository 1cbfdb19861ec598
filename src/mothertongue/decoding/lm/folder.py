"""Make language models from texts: a folder with lm.arpa, lm.json and hashes of sentences."""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal

import numpy as np
import regex

from mothertongue.data.manifest import is_manifest, read_manifest
from mothertongue.data.scripts import UNSPACED_SCRIPTS
from mothertongue.data.text_cleaning import clean_text, sentence_key
from mothertongue.decoding.lm.arpa import read_arpa, write_arpa
from mothertongue.decoding.lm.kneser_ney import estimate
from mothertongue.decoding.lm.ngrams import NGrams
from mothertongue.errors import ConfigError, DataError, refusing
from mothertongue.model.tokenizer import Tokens
from mothertongue.system.files import folder_atomically, sha256_file, sweep, write_json
from mothertongue.system.json_files import read_json

ARPA, RECORD, SENTENCES, WEIGHTS = "lm.arpa", "lm.json", "sentences.npy", "weights.json"
TABLES = (".csv", ".tsv", ".json")
REMEDY = "make it again with: mothertongue lm"
HELD_OUT_WORDS, HELD_OUT_CHARACTERS = 8, 24
"""A line that shares so many words in a row with a held-out sentence is removed; in scripts without
spaces between words so many characters, three for each word."""
UNSPACED = regex.compile(rf"[{UNSPACED_SCRIPTS}]")


@dataclass(frozen=True, slots=True)
class LmRecord:
    """The record of how a language model was made."""

    order: int
    """The tokens of the longest n-gram."""
    texts: tuple[str, ...]
    """The texts that it was made of."""
    sentences: int
    """The lines and transcripts that were counted."""
    tokens: int
    """Their tokens."""
    taken_out: int
    """The lines and transcripts that were left out since validation or test has them."""
    held_out: int
    """The sentences of validation and test that were looked for."""
    ngrams: tuple[int, ...]
    """How many n-grams there are of 1, 2, ... tokens."""
    vocabulary_size: int
    """The tokens of Whisper's vocabulary."""
    arpa_sha256: str
    """The digest of lm.arpa."""
    format_version: Literal[1] = 1


def build(
    texts: Sequence[Path],
    held_out: Sequence[Path],
    tokens: Tokens,
    order: int,
    out: Path,
    advance: Callable[[int], None] = lambda _: None,
) -> LmRecord:
    """Make a model from texts and write it as the folder `out`.

    A text is a file with a sentence a line, or prepared data: its training transcripts are taken,
    and its validation and test sentences are held out, as those of `held_out` are.
    A language model that is there is replaced. Raises ConfigError where `out` has anything else,
    and DataError for a text that cannot be read, or where nothing is left.
    """
    _refuse_other_folder(out)
    corpora = [path for path in texts if is_manifest(path)]
    forbidden = HeldOut([*corpora, *held_out])
    kept: list[str] = []
    taken_out = 0
    for text in _sentences(texts):
        if forbidden.has(text):
            taken_out += 1
        else:
            kept.append(text)
        advance(1)
    if not kept:
        names = ", ".join(map(str, texts))
        left = f"is left of {taken_out:,}" if taken_out else "is there"
        raise DataError(
            f"{names}: no sentence {left}; expected text beyond that of validation and test, one "
            "sentence a line: add more files"
        )
    pieces = [[tokens.piece(token) for token in tokens.encode(text)] for text in kept]
    model = estimate(pieces, order)
    seen = np.unique(np.array([_hash(sentence_key(text)) for text in kept], np.uint64))
    sweep(out.parent)
    with folder_atomically(out) as folder:
        write_arpa(folder / ARPA, model)
        np.save(folder / SENTENCES, seen)
        record = LmRecord(
            order=model.order,
            texts=tuple(map(str, texts)),
            sentences=len(kept),
            tokens=sum(map(len, pieces)),
            taken_out=taken_out,
            held_out=len(forbidden.sentences),
            ngrams=_sizes(model),
            vocabulary_size=tokens.vocabulary_size,
            arpa_sha256=sha256_file(folder / ARPA),
        )
        write_json(folder / RECORD, record)
    return record


def open_model(folder: Path, tokens: Tokens) -> NGrams:
    """Read a model. Raises DataError if the folder has none, or one of another tokenizer."""
    record = read_record(folder)
    if record.vocabulary_size != tokens.vocabulary_size:
        raise DataError(
            f"{folder}: made for a vocabulary of {record.vocabulary_size:,} tokens, and this model "
            f"has {tokens.vocabulary_size:,}; make it again with: mothertongue lm --base BASE"
        )
    return _read(folder / ARPA, record.arpa_sha256)


def read_record(folder: Path) -> LmRecord:
    """Read the record of a model. Raises DataError if there is none."""
    path = folder / RECORD
    if not path.is_file():
        raise DataError(
            f"{folder}: no {RECORD}; make one with: mothertongue lm TEXT --out {folder}"
        )
    return read_json(path, LmRecord, REMEDY)


def seen_sentences(folder: Path, texts: Sequence[str]) -> int:
    """Return how many of these texts the model was made from.

    Raises DataError if there is no model, or the file of their hashes is damaged.
    """
    read_record(folder)
    path = folder / SENTENCES
    with refusing(path, "the hashes of the sentences that a language model was made from"):
        seen = np.load(path, allow_pickle=False)
        if seen.dtype != np.uint64 or seen.ndim != 1:
            raise ValueError(f"{seen.dtype} of {seen.ndim} dimensions")
    hashes = np.array([_hash(sentence_key(text)) for text in texts], np.uint64)
    return int(np.isin(hashes, seen).sum())


class HeldOut:
    """The sentences of validation and test, and a check for lines that share a part of them."""

    def __init__(self, data: Sequence[Path]) -> None:
        texts = (
            each.text for path in data for each in read_manifest(path) if each.split != "train"
        )
        self.sentences = {sentence_key(text) for text in texts} - {""}
        self.runs = {run for sentence in self.sentences for run in _runs(sentence)}

    def has(self, text: str) -> bool:
        """Return whether a text is a held-out sentence, or shares a run with one: see `_runs`."""
        sentence = sentence_key(text)
        return sentence in self.sentences or any(run in self.runs for run in _runs(sentence))


def _refuse_other_folder(out: Path) -> None:
    inside = out.iterdir() if out.is_dir() else ()
    others = sorted({path.name for path in inside} - {ARPA, RECORD, SENTENCES, WEIGHTS})
    if others:
        raise ConfigError(
            f"{out}: has {others[0]}, which is not of a language model and would be removed; "
            "expected a new folder, or that of a language model; give another --out"
        )


def _runs(sentence: str) -> Iterator[tuple[str, ...]]:
    """Yield each run of HELD_OUT_WORDS words, and of HELD_OUT_CHARACTERS in unspaced scripts."""
    words = sentence.split()
    yield from _windows(words, HELD_OUT_WORDS)
    if UNSPACED.search(sentence):
        yield from _windows("".join(words), HELD_OUT_CHARACTERS)


def _windows(parts: Sequence[str], length: int) -> Iterator[tuple[str, ...]]:
    return (tuple(parts[i : i + length]) for i in range(len(parts) - length + 1))


def _sentences(texts: Sequence[Path]) -> Iterator[str]:
    """Yield every sentence of texts that has a letter or a digit."""
    for path in texts:
        for line in _transcripts(path) if is_manifest(path) else _lines(path):
            cleaned, _ = clean_text(line)
            if sentence_key(cleaned):
                yield cleaned


def _transcripts(path: Path) -> Iterator[str]:
    return (each.text for each in read_manifest(path) if each.split == "train")


def _lines(path: Path) -> Iterator[str]:
    if path.suffix.lower() in TABLES:
        raise DataError(
            f"{path}: a table, whose paths would be learned as text; give the folder that "
            "mothertongue prepare wrote of it, or a .txt file with a sentence a line"
        )
    try:
        with path.open(encoding="utf-8-sig") as lines:
            yield from lines
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(
            f"{path}: cannot be read ({error}); expected a UTF-8 file with a sentence a line, or "
            "a folder that mothertongue prepare wrote"
        ) from None


def _hash(sentence: str) -> int:
    return int.from_bytes(hashlib.blake2b(sentence.encode(), digest_size=8).digest(), "little")


def _sizes(model: NGrams) -> tuple[int, ...]:
    counts = Counter(model.lengths().tolist())
    return tuple(counts[length] for length in range(1, model.order + 1))


@lru_cache(maxsize=2)
def _read(path: Path, digest: str) -> NGrams:
    if not path.is_file() or sha256_file(path) != digest:
        raise DataError(f"{path}: changed since it was made; make it again with: mothertongue lm")
    return read_arpa(path)
