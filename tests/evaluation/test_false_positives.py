"""How often a difference is found where there is none, and where there is one.

Systems are simulated: error rates of 30 %, clips of some eleven words, easy and hard ones. The
random numbers are seeded: a case gives the same share each time.
"""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest

from mothertongue.evaluation.differences import Difference, Units, differences

Integers = npt.NDArray[np.int64]
Trial = Callable[[np.random.Generator], bool]
LEVEL = 0.05
AT_MOST = 0.07
TRIALS, DRAWS = 200, 200


def share(trial: Trial, trials: int = TRIALS) -> float:
    random = np.random.default_rng(11)
    return sum(trial(random) for _ in range(trials)) / trials


def clips(count: int) -> Units:
    return Units("clips", tuple(range(count)), 0)


def lengths(random: np.random.Generator, count: int) -> Integers:
    return random.poisson(10, count) + 1


def runs(
    random: np.random.Generator, words_N: Integers, rates_S: npt.ArrayLike, hard_N: npt.ArrayLike
) -> Integers:
    """Errors of one system, a row a seed, whose WER is as given before easy and hard clips."""
    rates_S1 = np.clip(np.asarray(rates_S), 0.01, 0.99)[:, None]
    odds_SN = np.log(rates_S1 / (1 - rates_S1)) + hard_N
    return random.binomial(words_N, 1 / (1 + np.exp(-odds_SN)))


def seeds_of(random: np.random.Generator, count: int, spread: float, rate: float = 0.3):
    return rate + random.normal(0, spread, count)


def is_measurable(found: Difference) -> bool:
    return found.p_holm is not None and found.p_holm < LEVEL


def one_method(clip_count: int, seeds: tuple[int, int], spreads: tuple[float, float]) -> Trial:
    """Two arms of one method: does one of them pass for measurably better?"""

    def trial(random: np.random.Generator) -> bool:
        words_N, hard_N = lengths(random, clip_count), random.normal(0, 0.8, clip_count)
        systems = {
            name: runs(random, words_N, seeds_of(random, count, spread), hard_N)
            for name, count, spread in zip("ab", seeds, spreads, strict=True)
        }
        found = differences(systems, words_N, clips(clip_count), [("a", "b")], draws=DRAWS)
        return is_measurable(found["a", "b"])

    return trial


@pytest.mark.parametrize("clip_count", [500, 1000])
@pytest.mark.parametrize("seeds", [(1, 1), (2, 2), (3, 3)])
def test_two_arms_of_one_method_whose_seeds_are_a_point_apart(
    clip_count: int, seeds: tuple[int, int]
) -> None:
    assert share(one_method(clip_count, seeds, (0.01, 0.01))) <= AT_MOST


def test_two_arms_of_one_method_whose_seeds_are_alike() -> None:
    assert share(one_method(500, (3, 3), (0, 0))) <= AT_MOST


@pytest.mark.parametrize("seeds", [(2, 2), (3, 3), (5, 2)])
def test_one_arm_whose_seeds_differ_three_times_as_much(seeds: tuple[int, int]) -> None:
    assert share(one_method(500, seeds, (0.005, 0.015))) <= AT_MOST


@pytest.mark.parametrize("num_seeds", [2, 3])
def test_a_base_that_tuning_does_not_change_on_average(num_seeds: int) -> None:
    def trial(random: np.random.Generator) -> bool:
        words_N, hard_N = lengths(random, 500), random.normal(0, 0.8, 500)
        systems = {
            "base": runs(random, words_N, [0.3], hard_N),
            "a": runs(random, words_N, seeds_of(random, num_seeds, 0.01), hard_N),
        }
        pair = ("base", "a")
        return is_measurable(
            differences(systems, words_N, clips(500), [pair], base="base", draws=DRAWS)[pair]
        )

    assert share(trial) <= AT_MOST


@pytest.mark.parametrize(
    "sizes",
    [[50] * 8, [50] * 10, [25] * 20, [300 // i for i in range(1, 31)]],
    ids=["8", "10", "20", "Zipf"],
)
def test_speakers_who_differ(sizes: list[int]) -> None:
    """Each of two methods suits some speakers better, 3 points (sd); on average neither does."""
    speakers = np.repeat(np.arange(len(sizes)), sizes)
    drawn = Units("speakers", tuple(speakers.tolist()), len(sizes))

    def trial(random: np.random.Generator) -> bool:
        words_N = lengths(random, len(speakers))
        suits_N = random.normal(0, 0.03, len(sizes))[speakers]
        systems = {
            name: random.binomial(words_N, 0.3 + sign * suits_N / 2, size=(3, len(speakers)))
            for name, sign in (("a", 1), ("b", -1))
        }
        found = differences(systems, words_N, drawn, [("a", "b")], draws=DRAWS)
        return is_measurable(found["a", "b"])

    assert share(trial) <= AT_MOST


@pytest.mark.parametrize("count", [4, 6, 9])
@pytest.mark.parametrize("points", [0, 1])
def test_the_best_of_equal_arms_is_better_than_none_of_them(count: int, points: int) -> None:
    names = [f"arm{i}" for i in range(count)]
    pairs = [(a, b) for i, a in enumerate(names) for b in names[i + 1 :]]

    def trial(random: np.random.Generator) -> bool:
        words_N, hard_N = lengths(random, 300), random.normal(0, 0.8, 300)
        systems = {
            name: runs(random, words_N, seeds_of(random, 3, points / 100), hard_N) for name in names
        }
        found = differences(systems, words_N, clips(300), pairs, draws=DRAWS)
        best = min(names, key=lambda name: systems[name].sum())
        return any(is_measurable(each) for pair, each in found.items() if best in pair)

    assert share(trial, 900 // count) <= AT_MOST


@pytest.mark.parametrize("count", [1, 3, 5, 7, 10, 20])
def test_few_clips(count: int) -> None:
    """One run beside its base: p holds for these runs, and only the clips vary."""

    def trial(random: np.random.Generator) -> bool:
        words_N, pair = lengths(random, count), ("base", "a")
        systems = {name: runs(random, words_N, [0.3], 0.0) for name in pair}
        return is_measurable(
            differences(systems, words_N, clips(count), [pair], base="base", draws=DRAWS)[pair]
        )

    assert share(trial) <= AT_MOST


def test_sentences_that_several_people_read() -> None:
    """100 sentences, each read three times; a method suits a sentence, whoever reads it."""
    sentence_N = np.repeat(np.arange(100), 3)

    def trial(drawn: Units) -> Trial:
        def found(random: np.random.Generator) -> bool:
            words_N = lengths(random, 100)[sentence_N]
            suits_N = random.normal(0, 0.15, 100)[sentence_N]
            systems = {
                name: random.binomial(words_N, np.clip(0.3 + sign * suits_N / 2, 0, 1))[None]
                for name, sign in (("base", 1), ("a", -1))
            }
            pair = ("base", "a")
            return is_measurable(
                differences(systems, words_N, drawn, [pair], base="base", draws=DRAWS)[pair]
            )

        return found

    assert share(trial(Units("sentences", tuple(sentence_N.tolist()), 0))) <= AT_MOST
    assert share(trial(clips(300))) > 0.15


def test_five_points_are_found_with_three_seeds() -> None:
    """Seeds 1 point apart, 300 clips; the difference of the WERs is some 4.5 points."""
    pairs = [("base", "a"), ("base", "b"), ("a", "b")]

    def trial(random: np.random.Generator) -> bool:
        words_N, hard_N = lengths(random, 300), random.normal(0, 0.8, 300)
        systems = {
            "base": runs(random, words_N, [0.8], hard_N),
            "a": runs(random, words_N, seeds_of(random, 3, 0.01, 0.35), hard_N),
            "b": runs(random, words_N, seeds_of(random, 3, 0.01, 0.3), hard_N),
        }
        found = differences(systems, words_N, clips(300), pairs, base="base", draws=DRAWS)
        return all(map(is_measurable, found.values()))

    assert share(trial, 100) > 0.7
