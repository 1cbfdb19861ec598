"""Make an artificial language, its output from a bad model, and clips whose faults are known."""

import random
from collections.abc import Sequence
from dataclasses import replace

from mothertongue.data.manifest import Split, Utterance
from mothertongue.diagnosis.findings import ExaminedClip, Recognition

SYLLABLES = [c + v for c in ("b", "ch", "d", "g", "k", "l", "m", "n", "ng", "s", "t", "w", "y")
             for v in "aeiou"]  # fmt: skip
OTHER = [a + b for a in ("str", "cr", "th", "fl", "qu", "pl", "sch", "pr", "x", "v", "gr", "br")
         for b in ("ier", "ough", "ex", "ov", "urt", "ij", "ec", "irs", "ohn")]  # fmt: skip
CHARACTERS_PER_S = 12.0


def sentence(seed: int, syllables: Sequence[str] = SYLLABLES, num_words: int = 8) -> str:
    """Return words of two to four syllables."""
    draw = random.Random(seed)
    words = ["".join(draw.choices(syllables, k=draw.randint(2, 4))) for _ in range(num_words)]
    return " ".join(words)


def badly(text: str, seed: int, errors: float = 0.25) -> str:
    """Return the text as a bad model writes it: a share of letters wrong, and spaces moved."""
    draw = random.Random(seed)
    letters = [_misheard(c, draw) if draw.random() < errors else c for c in text if c != " "]
    return "".join(c + " " * (draw.random() < 0.2) for c in letters).strip()


def _misheard(letter: str, draw: random.Random) -> str:
    """Return another letter, none, or the letter and one more."""
    other = draw.choice("aeioukmnst")
    return draw.choice((other, other, "", letter + other))


def examined(
    count: int, errors: float = 0.25, split: Split = "train", first: int = 0
) -> list[ExaminedClip]:
    """Return clips whose own transcripts are right; their speeds differ a little."""
    return [
        _clip(i, sentence(i, num_words=6 + i % 5), errors, split)
        for i in range(first, first + count)
    ]


def with_text(clip: ExaminedClip, text: str) -> ExaminedClip:
    """Return the clip with the same sound and another transcript."""
    return replace(clip, utterance=replace(clip.utterance, text=text))


def _clip(number: int, text: str, errors: float, split: Split) -> ExaminedClip:
    duration_s = len(text) / CHARACTERS_PER_S * random.Random(number).uniform(0.9, 1.1)
    utterance = Utterance(f"c{number}", f"/a/c{number}.wav", text, "sw", duration_s, split=split)
    return ExaminedClip(utterance, Recognition(badly(text, number, errors), "sw"))
