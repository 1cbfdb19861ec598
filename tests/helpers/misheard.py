"""Make recordings whose words are known, what a bad model recognizes in them, and a count of the
words that an alignment puts on the wrong side of a cut.
"""

import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from hearing import SYLLABLES
from narrator import BETWEEN_S, CHARACTER_S, Recording, Said, record

from mothertongue.inference.alignment.evidence import Evidence
from mothertongue.inference.alignment.pauses import Loudness, sound_of
from mothertongue.inference.alignment.spans import Limits, Span, choose
from mothertongue.inference.alignment.units import HeardWord, units_of

LETTERS = "aeioukmnstrlbdg"


@dataclass(frozen=True)
class Faults:
    """Faults of a model: shares of letters and words, and the deviation of a word's times."""

    letters: float
    """Replaced (70 %), lost, or followed by another one (15 % each)."""
    lost: float = 0.0
    nonsense: float = 0.0
    joined: float = 0.0
    """Words that the model writes as one with the word before."""
    times_s: float = 0.0


@dataclass(frozen=True)
class Phrase:
    """The words that are said, and those that the text has for them. Either may be empty."""

    said: str
    text: str


@dataclass(frozen=True)
class Counts:
    """Words of the text that are said, those in spans, and those of these that are wrong.

    A word is wrong if it is in a span and is not said in its time, or the reverse. A cut is wrong
    if it is not in the pause between the two words beside it.
    """

    words: int
    kept: int
    wrong: int
    cuts: int
    wrong_cuts: int

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(
            self.words + other.words,
            self.kept + other.kept,
            self.wrong + other.wrong,
            self.cuts + other.cuts,
            self.wrong_cuts + other.wrong_cuts,
        )


def phrases(seed: int, count: int = 30) -> list[Phrase]:
    """Return phrases of 5 to 16 words, many of them short."""
    draw = random.Random(seed)
    texts = [" ".join(_word(draw) for _ in range(draw.randint(5, 16))) for _ in range(count)]
    return [Phrase(each, each) for each in texts]


def spoken(given: Sequence[Phrase], seed: int) -> Recording:
    """Return a recording: words of uneven speed, and some short pauses within phrases."""
    draw = random.Random(seed)
    said, now_s = [], draw.uniform(0.5, 0.9)
    for phrase in given:
        if phrase.said:
            words = tuple(_timed(phrase.said, now_s, draw))
            said.append(Said(phrase.said, now_s, words[-1][2], words))
            now_s = words[-1][2] + draw.uniform(0.35, 1.6)
    return record(said, now_s, seed)


def recognized(recording: Recording, faults: Faults, seed: int) -> list[HeardWord]:
    """Return the words that a model with these faults recognizes, in order.

    As with attention, the time of a word lasts to the next one.
    """
    draw = random.Random(seed)
    words = [word for phrase in recording.phrases for word in phrase.words]
    found: list[HeardWord] = []
    for heard in _heard(words, faults, draw):
        if found and draw.random() < faults.joined and len(found[-1].characters) < 14:
            last = found.pop()
            heard = HeardWord(last.characters + heard.characters, last.start_s, heard.end_s)
        found.append(heard)
    return _in_order(found)


def align(given: Sequence[Phrase], recording: Recording, heard: list[HeardWord],
          max_s: float = 30.0) -> list[Span]:  # fmt: skip
    """Return the spans of a recording, of what was recognized in it and of the text."""
    loudness = Loudness()
    loudness.add(recording.samples_N)
    sound = sound_of(loudness.levels())
    units = units_of(" ".join(each.text for each in given), "sw")
    limits = Limits(max_s, 10_000, 0.5)
    tokens_U = [3] * len(units)
    return choose(Evidence(units, heard, sound), sound, tokens_U, limits, recording.duration_s)


def count(given: Sequence[Phrase], recording: Recording, spans: Iterable[Span]) -> Counts:
    """Return how many words and cuts are right."""
    words = [word for phrase in recording.phrases for word in phrase.words]
    units = list(_units_said(given))
    total = Counts(sum(unit is not None for unit in units), 0, 0, 0, 0)
    for span in spans:
        inside = [i for i, (_, a, b) in enumerate(words) if span.start_s < (a + b) / 2 < span.end_s]
        said, has = {units[i] for i in inside}, set(range(span.first, span.last))
        extra = sum(units[i] is None for i in inside)
        wrong = len((said - {None}) ^ has) + extra
        wrong_cuts = int(span.first not in said) + int(span.last - 1 not in said)
        total += Counts(0, len(has), wrong, 2, wrong_cuts)
    return total


def measured(given: Sequence[Phrase], faults: Faults, seed: int, max_s: float = 30.0) -> Counts:
    """Return how right the alignment of these phrases is."""
    recording = spoken(given, seed)
    spans = align(given, recording, recognized(recording, faults, seed), max_s)
    return count(given, recording, spans)


def _units_said(given: Sequence[Phrase]) -> Iterator[int | None]:
    """Yield the unit of the text that each word said is; None if the text does not have it."""
    unit = 0
    for phrase in given:
        for number, _ in enumerate(phrase.said.split()):
            yield unit + number if phrase.said == phrase.text else None
        unit += len(phrase.text.split())


def _word(draw: random.Random) -> str:
    return "".join(draw.choices(SYLLABLES, k=draw.choice((1, 1, 2, 2, 3, 4))))


def _timed(text: str, now_s: float, draw: random.Random) -> Iterator[tuple[str, float, float]]:
    for word in text.split():
        end_s = now_s + CHARACTER_S * len(word) * draw.uniform(0.75, 1.3)
        yield word, now_s, end_s
        now_s = end_s + BETWEEN_S + (draw.uniform(0.12, 0.3) if draw.random() < 0.06 else 0.0)


def _heard(
    words: Sequence[tuple[str, float, float]], faults: Faults, draw: random.Random
) -> Iterator[HeardWord]:
    for word, start_s, end_s in words:
        kind = draw.random()
        share = 1.0 if kind < faults.lost + faults.nonsense else faults.letters
        characters = "" if kind < faults.lost else _misread(word, share, draw)
        if characters:
            start_s, end_s = (draw.gauss(each, faults.times_s) for each in (start_s, end_s))
            yield HeardWord(characters, start_s, end_s)


def _misread(word: str, share: float, draw: random.Random) -> str:
    return "".join(_other(c, draw) if draw.random() < share else c for c in word)


def _other(letter: str, draw: random.Random) -> str:
    kind, other = draw.random(), draw.choice(LETTERS)
    return "" if kind < 0.15 else letter + other if kind < 0.3 else other


def _in_order(found: Sequence[HeardWord]) -> list[HeardWord]:
    """Return the words with times that grow."""
    starts_s, now_s = list[float](), 0.0
    for each in found:
        now_s = max(now_s, each.start_s)
        starts_s.append(now_s)
    ends_s = [following for _, following in pairwise(starts_s)]
    ends_s += [max(each.end_s, now_s) for each in found[-1:]]
    return [
        replace(each, start_s=start_s, end_s=end_s)
        for each, start_s, end_s in zip(found, starts_s, ends_s, strict=True)
    ]
