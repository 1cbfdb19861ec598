import math
import random
from collections import Counter, defaultdict
from collections.abc import Sequence

import numpy as np
import pytest

from mothertongue.decoding.lm.kneser_ney import estimate
from mothertongue.decoding.lm.ngrams import NGrams

Sentence = Sequence[str]


def chance(model: NGrams, *words: str) -> float:
    """The probability of the last word after the others, as search asks for it."""
    state = np.zeros(1, np.int64)
    for word in words[:-1]:
        state = (
            np.array([model.start])
            if word == "<s>"
            else model.advance(state, np.array([[model.index[word]]]))[1][:, 0]
        )
    return math.exp(model.advance(state, np.array([[model.index[words[-1]]]]))[0][0, 0])


def test_a_bigram_model_is_what_was_counted_by_hand() -> None:
    """Of three times "a b" and once "a": too few to estimate discounts; 0.5, 1, 1.5 are taken.

    Different words stand before a: 1 (<s>), b: 1 (a), </s>: 2 (b, a). Of their sum, 4, the
    discounts take 0.5 + 0.5 + 1 = 2, half, which 4 words share: a, b, </s> and <unk>.
    """
    model = estimate([["a", "b"], ["a", "b"], ["a", "b"], ["a"]], order=2)
    a = b = 0.5 / 4 + 0.5 / 4
    end = (2 - 1) / 4 + 0.5 / 4
    assert chance(model, "a") == pytest.approx(a)
    assert chance(model, "</s>") == pytest.approx(end)
    assert chance(model, "<unk>") == pytest.approx(0.5 / 4)
    # After a: b three times, </s> once; 1.5 + 0.5 of 4 are taken.
    assert chance(model, "a", "b") == pytest.approx((3 - 1.5) / 4 + 2 / 4 * b)
    assert chance(model, "a", "</s>") == pytest.approx((1 - 0.5) / 4 + 2 / 4 * end)
    assert chance(model, "a", "<unk>") == pytest.approx(2 / 4 * 0.5 / 4)
    assert chance(model, "<s>", "a") == pytest.approx((4 - 1.5) / 4 + 1.5 / 4 * a)


class ByDefinition:
    """Interpolated modified Kneser-Ney word by word, from the equations and nothing else."""

    def __init__(self, sentences: Sequence[Sentence], order: int) -> None:
        self.order = order
        raw: list[Counter[Sentence]] = [Counter() for _ in range(order + 1)]
        for sentence in sentences:
            text = ("<s>", *sentence, "</s>")
            for length in range(1, order + 1):
                raw[length].update(text[i : i + length] for i in range(len(text) - length + 1))
        self.counts = raw
        for length in range(order - 1, 0, -1):
            before = defaultdict(set)
            for gram in raw[length + 1]:
                before[gram[1:]].add(gram[0])
            self.counts[length] = Counter(
                {
                    gram: count if gram[0] == "<s>" else len(before[gram])
                    for gram, count in raw[length].items()
                }
            )
        del self.counts[1][("<s>",)]
        self.vocabulary = [gram[0] for gram in self.counts[1]] + ["<unk>"]

    def discount(self, length: int, count: int) -> float:
        t, n = Counter(self.counts[length].values()), min(count, 3)
        if not (t[1] and t[2] and t[3]):
            return n / 2
        return n - (n + 1) * t[1] / (t[1] + 2 * t[2]) * t[n + 1] / t[n] if n else 0.0

    def chance(self, context: Sentence, word: str) -> float:
        length = len(context) + 1
        after = {g[-1]: c for g, c in self.counts[length].items() if g[:-1] == tuple(context)}
        lower = self.chance(context[1:], word) if context else 1 / len(self.vocabulary)
        if not after:
            return lower
        total = sum(after.values())
        share = sum(self.discount(length, count) for count in after.values()) / total
        count = after.get(word, 0)
        return max(count - self.discount(length, count), 0) / total + share * lower


@pytest.fixture(scope="module")
def sentences() -> list[list[str]]:
    """Words of uneven frequency, in phrases that come back."""
    draw = random.Random(0)
    words = [f"w{i}" for i in range(30) for _ in range(1 + 60 // (i + 1))]
    phrases = [[draw.choice(words) for _ in range(draw.randint(1, 4))] for _ in range(60)]
    return [
        [word for _ in range(draw.randint(1, 3)) for word in draw.choice(phrases)]
        for _ in range(150)
    ]


@pytest.mark.parametrize("order", [1, 2, 3, 4])
def test_every_probability_is_that_of_the_equations(sentences: list[list[str]], order: int) -> None:
    model, expected = estimate(sentences, order), ByDefinition(sentences, order)
    for sentence in [*sentences[:20], ["w1", "w9", "w2", "w0", "<unk>", "w3"]]:
        text = ["<s>", *sentence, "</s>"]
        for end in range(1, len(text)):
            context = text[max(0, end - order + 1) : end]
            assert chance(model, *text[: end + 1]) == pytest.approx(
                expected.chance(tuple(context), text[end])
            )


def test_the_probabilities_of_all_next_words_are_one(sentences: list[list[str]]) -> None:
    model = estimate(sentences, 3)
    words = [place for place, word in enumerate(model.words) if word != "<s>"]
    states = np.array([0, model.start, *range(5, len(model.suffix_G), 37)])
    log_p, _ = model.advance(states, np.tile(words, (len(states), 1)))
    assert np.exp(log_p).sum(1) == pytest.approx(np.ones(len(states)))


def test_states_of_many_texts_are_those_of_each_alone(sentences: list[list[str]]) -> None:
    model = estimate(sentences, 4)
    together = np.full(len(sentences), model.start)
    for place in range(3):
        words = np.array([[model.index[each[min(place, len(each) - 1)]]] for each in sentences])
        alone = [model.advance(together[i : i + 1], words[i : i + 1]) for i in range(len(words))]
        log_p, states = model.advance(together, words)
        assert log_p[:, 0].tolist() == [each[0][0, 0] for each in alone]
        together = states[:, 0]
        assert together.tolist() == [int(each[1][0, 0]) for each in alone]


def test_a_discount_of_nothing_is_not_taken() -> None:
    """Four texts come once, two twice, two three times and three four times: the discount of three
    would be 3 - 4 x 1/2 x 3/2 = 0. After a word that only one follows, three times, nothing would
    be left for others."""
    times = {1: "abcd", 2: "ef", 3: "gh", 4: "ijk"}
    texts = [[word] for count, words in times.items() for word in words for _ in range(count)]
    model = estimate(texts, order=3)
    assert np.isfinite(model.log_p_G[1:]).all() and np.isfinite(model.backoff_G).all()
    assert chance(model, "<s>", "g", "a") > 0


def test_a_text_without_words_makes_no_model() -> None:
    with pytest.raises(ValueError, match="no word"):
        estimate([], 3)
