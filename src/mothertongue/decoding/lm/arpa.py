"""Read and write ARPA files, the format of KenLM, SRILM and others for n-gram models.

The format has logarithms to the base of 10, and -99 for a probability of zero.
"""

import math
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path

import numpy as np

from mothertongue.decoding.lm.ngrams import BEGIN, END, UNKNOWN, Floats, Ints, NGrams
from mothertongue.errors import DataError
from mothertongue.system.files import open_atomically

LN_10 = math.log(10)
LOWEST = -99.0
ROUNDING = 1e-6
"""A logarithm in a file may be above 0 by so much: a probability of 1 is written rounded."""


def write_arpa(path: Path, model: NGrams) -> None:
    """Write a model, whole or not at all."""
    lengths_G = model.lengths()
    with open_atomically(path) as file:
        file.write("\\data\\\n")
        for length in range(1, model.order + 1):
            file.write(f"ngram {length}={np.count_nonzero(lengths_G == length)}\n")
        texts = [""]
        for length, nodes in groupby(range(1, len(lengths_G)), key=lengths_G.__getitem__):
            file.write(f"\n\\{length}-grams:\n")
            file.writelines(_lines(model, nodes, texts, length == model.order))
        file.write("\n\\end\\\n")


def _lines(
    model: NGrams, nodes: Iterator[int], texts: list[str], is_longest: bool
) -> Iterator[str]:
    """Yield the line of each n-gram. `texts` holds the n-grams before, and grows."""
    for node in nodes:
        parent, word = divmod(int(model.keys_G[node - 1]), len(model.words))
        texts.append(f"{texts[parent]} {model.words[word]}".strip())
        line = f"{model.log_p_G[node] / LN_10:.7g}\t{texts[node]}"
        yield line + ("\n" if is_longest else f"\t{model.backoff_G[node] / LN_10:.7g}\n")


def read_arpa(path: Path) -> NGrams:
    """Read a model of any order. Raises DataError naming a line that does not belong in one."""
    sections = _sections(path)
    first = next(sections, [])
    words = [each[1][0] for each in first]
    if len(set(words)) < len(words):
        raise DataError(f"{path}: a 1-gram is there twice; expected each once")
    lacking = [word for word in (BEGIN, END) if word not in words]
    if lacking:
        raise DataError(f"{path}: no 1-gram {lacking[0]}; expected an ARPA file of sentences")
    if UNKNOWN not in words:
        first.append((LOWEST, (UNKNOWN,), 0.0))
        words.append(UNKNOWN)
    index = {word: place for place, word in enumerate(words)}
    count = len(words)
    keys_G, suffix_G = np.arange(count), np.zeros(count + 1, np.int64)
    log_p = [0.0, *(each[0] for each in first)]
    backoff = [0.0, *(each[2] for each in first)]
    order = 1
    for section in sections:
        order += 1
        model = NGrams(words, order, keys_G, suffix_G, np.array(log_p), np.array(backoff))
        ids = _ids(path, section, order, index)
        parents = _nodes(model, ids[:, :-1])
        if not parents.all():
            text = " ".join(section[int(np.argmin(parents))][1])
            raise DataError(f"{path}: {text!r} has no n-gram of its first {order - 1} words")
        sorting = np.lexsort((ids[:, -1], parents))
        keys_G = np.concatenate([keys_G, (parents * count + ids[:, -1])[sorting]])
        suffix_G = np.concatenate([suffix_G, _longest_suffix(model, ids)[sorting]])
        log_p += [section[i][0] for i in sorting]
        backoff += [section[i][2] for i in sorting]
    if len(np.unique(keys_G)) < len(keys_G):
        raise DataError(f"{path}: an n-gram is there twice; expected each once")
    return NGrams(words, order, keys_G, suffix_G, _natural(log_p), _natural(backoff))


def _natural(log10: Sequence[float]) -> Floats:
    return np.array(log10) * LN_10


def _nodes(model: NGrams, ids_KL: Ints) -> Ints:
    """Return the node of each row of words, 0 if the model does not have it."""
    nodes_K = np.zeros(len(ids_KL), np.int64)
    for place in range(ids_KL.shape[1]):
        found_K = model.child(nodes_K, ids_KL[:, place])
        nodes_K = np.where((nodes_K > 0) | (place == 0), found_K, 0)
    return nodes_K


def _longest_suffix(model: NGrams, ids_KL: Ints) -> Ints:
    """Return the node of the longest proper suffix of each row that the model has."""
    found_K = np.zeros(len(ids_KL), np.int64)
    for begin in range(1, ids_KL.shape[1]):
        found_K = np.where(found_K > 0, found_K, _nodes(model, ids_KL[:, begin:]))
    return found_K


Entry = tuple[float, tuple[str, ...], float]


def _ids(path: Path, section: Sequence[Entry], length: int, index: dict[str, int]) -> Ints:
    for _, words, _ in section:
        if unknown := [word for word in words if word not in index]:
            raise DataError(f"{path}: {' '.join(words)!r} has {unknown[0]!r}, which is no 1-gram")
    rows = [[index[word] for word in words] for _, words, _ in section]
    return np.array(rows, np.int64).reshape(len(rows), length)


def _sections(path: Path) -> Iterator[list[Entry]]:
    """Yield the n-grams of each length: log10 of the probability, words, log10 of the backoff."""
    try:
        with path.open(encoding="utf-8") as file:
            entries: list[Entry] = []
            length, ended = 0, False
            for number, line in enumerate(file, start=1):
                text = line.strip()
                if text == "\\end\\":
                    ended = True
                    break
                if text.endswith("-grams:") and text.startswith("\\"):
                    if length:
                        yield entries
                    length, entries = length + 1, []
                elif length and text:
                    entries.append(_entry(text, length, f"{path}:{number}"))
            if not length or not ended:
                raise DataError(
                    f"{path}: expected \\1-grams: and at the end \\end\\; it is no ARPA "
                    "file, or it is cut"
                )
            yield entries
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: cannot be read as an ARPA file ({error})") from None


def _entry(text: str, length: int, where: str) -> Entry:
    parts = text.split()
    try:
        log_p, *rest = parts
        words = tuple(rest[:length])
        backoff = float(rest[length]) if len(rest) > length else 0.0
        if len(words) != length or len(rest) > length + 1:
            raise ValueError
        if not float(log_p) <= ROUNDING or not math.isfinite(backoff):  # NaN compares false
            raise ValueError
        return float(log_p), words, backoff
    except ValueError:
        raise DataError(
            f"{where}: {text[:80]!r}; expected the logarithm of a probability, {length} words "
            "and perhaps a backoff"
        ) from None
