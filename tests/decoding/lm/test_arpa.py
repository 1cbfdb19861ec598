import math
import random
from pathlib import Path

import numpy as np
import pytest

from mothertongue.decoding.lm.arpa import read_arpa, write_arpa
from mothertongue.decoding.lm.kneser_ney import estimate
from mothertongue.decoding.lm.ngrams import NGrams
from mothertongue.errors import DataError

# What SRILM's documentation calls the format: a backoff may be missing, spaces may separate.
BY_HAND = """\\data\\
ngram 1=4
ngram 2=2

\\1-grams:
-99 <s> -0.5
-1.0 </s>
-0.3 a -0.2
-0.6 b -0.1

\\2-grams:
-0.1 <s> a
-0.4 a b

\\end\\
"""


@pytest.fixture
def model() -> NGrams:
    draw = random.Random(1)
    words = ["Ġha", "bari", "Ġya", "Ġkazi", "አ"]
    return estimate([draw.choices(words, k=draw.randint(1, 8)) for _ in range(40)], 4)


def log10(model: NGrams, *words: str) -> float:
    places = [model.index.get(word, model.index["<unk>"]) for word in words]
    return model.log_probability(places) / math.log(10)


def test_a_model_that_is_written_and_read_says_the_same(model: NGrams, tmp_path: Path) -> None:
    write_arpa(tmp_path / "lm.arpa", model)
    again = read_arpa(tmp_path / "lm.arpa")
    assert again.words == model.words
    assert again.keys_G.tolist() == model.keys_G.tolist()
    assert again.suffix_G.tolist() == model.suffix_G.tolist()
    assert np.allclose(again.log_p_G[1:], model.log_p_G[1:], atol=1e-5)
    assert np.allclose(again.backoff_G, model.backoff_G, atol=1e-5)
    assert log10(again, "Ġha", "bari", "rare") == pytest.approx(log10(model, "Ġha", "bari", "rare"))


def test_a_file_from_elsewhere_backs_off_as_it_says(tmp_path: Path) -> None:
    path = tmp_path / "lm.arpa"
    path.write_text(BY_HAND)
    model = read_arpa(path)
    assert log10(model, "a", "b") == pytest.approx(-0.1 - 0.4 - 0.1 - 1.0)  # b's backoff, </s>
    assert log10(model, "b") == pytest.approx(-0.5 - 0.6 - 0.1 - 1.0)
    assert log10(model, "c") == pytest.approx(-0.5 - 99 - 1.0)


def test_kenlm_reads_the_file_and_says_the_same(model: NGrams, tmp_path: Path) -> None:
    kenlm = pytest.importorskip("kenlm", reason="kenlm is not installed")
    write_arpa(tmp_path / "lm.arpa", model)
    theirs = kenlm.Model(str(tmp_path / "lm.arpa"))
    for text in (["Ġha", "bari"], ["Ġya", "Ġkazi", "አ", "bari", "Ġha"], ["rare", "Ġya"]):
        assert theirs.score(" ".join(text)) == pytest.approx(log10(model, *text), abs=1e-4)


def test_a_model_is_no_longer_than_its_texts(tmp_path: Path) -> None:
    """KenLM wants n-grams of each length that the file announces."""
    model = estimate([["a"], ["b"], ["a"]], order=5)
    write_arpa(tmp_path / "lm.arpa", model)
    assert "ngram 3=2\n\n" in (tmp_path / "lm.arpa").read_text()
    assert log10(read_arpa(tmp_path / "lm.arpa"), "a") == pytest.approx(log10(model, "a"), abs=1e-5)
    kenlm = pytest.importorskip("kenlm", reason="kenlm is not installed")
    assert kenlm.Model(str(tmp_path / "lm.arpa")).score("a") == pytest.approx(log10(model, "a"))


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("\\end\\\n", "", "cut"),
        ("-0.4 a b", "-0.4 a c", "'c', which is no 1-gram"),
        ("-0.4 a b", "-0.4 a", r":13: '-0.4 a'; expected the logarithm of a probability, 2 w"),
        ("-0.4 a b", "x a b", r":13: 'x a b'"),
        ("-0.4 a b", "-0.4 a b\n-0.5 a b", "twice"),
        ("-0.4 a b", "nan a b", r":13: 'nan a b'"),
        ("-0.4 a b", "0.4 a b", r":13: '0.4 a b'"),
        ("-1.0 </s>\n", "-1.0 </s> inf\n", "'-1.0 </s> inf'"),
        ("-1.0 </s>\n", "-1.0 </s>\n-2.0 </s>\n", "a 1-gram is there twice"),
        ("-1.0 </s>\n", "", "no 1-gram </s>"),
        ("\\1-grams:", "nothing", "expected"),
    ],
)
def test_a_damaged_file_is_refused(tmp_path: Path, old: str, new: str, said: str) -> None:
    path = tmp_path / "lm.arpa"
    path.write_text(BY_HAND.replace(old, new))
    with pytest.raises(DataError, match=r"lm\.arpa") as caught:
        read_arpa(path)
    assert said in str(caught.value)


def test_a_length_without_ngrams_is_an_empty_one(tmp_path: Path) -> None:
    path = tmp_path / "lm.arpa"
    path.write_text(BY_HAND.replace("-0.1 <s> a\n-0.4 a b\n", ""))
    model = read_arpa(path)
    assert log10(model, "b") == pytest.approx(-0.5 - 0.6 - 0.1 - 1.0)


def test_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "lm.arpa"
    path.write_bytes(b"\\data\\\xff\xfe")
    with pytest.raises(DataError, match="cannot be read"):
        read_arpa(path)
