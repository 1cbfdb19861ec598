"""Find clips in another language than the corpus, by detected language and letters. No torch."""

import math
from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np

from mothertongue.diagnosis.findings import ExaminedClip, Finding, score_of
from mothertongue.diagnosis.similarity import bare_letters
from mothertongue.diagnosis.statistics import Floats, robust_z

MIN_CLIPS = 20  # smaller corpora have no profile
RARE = 0.1
"""A language that the model detects in a larger share of the clips is its usual mistake here."""
CONFUSED = 0.25
"""A model that detects other languages in a larger share of the clips does not know this one: that
it recognizes another text is then no evidence."""
STRANGE_Z, VERY_STRANGE_Z = 3.5, 5.0
"""The distance of a text's letters from those of the corpus, in robust standard deviations. The
first is enough together with a rarely detected language, the second is enough alone."""
SMOOTHING = 0.1
LEAST = 0.05  # in nats


def strangeness(texts: Sequence[str]) -> Floats:
    """Return how much each text's letters differ from the others', in robust standard deviations.

    The measure is the mean log-probability of a trigram, counted in all other texts. It is not the
    probability of a letter after two others: with that, a few clips of one foreign language would
    make each other likely. The mean over a short text varies more, so its distance counts less:
    by the root of its share of the usual length. A sentence that many clips repeat counts once:
    beside it, all others would be strange. Fewer sentences than MIN_CLIPS are not judged.
    """
    letters = [bare_letters(text) for text in texts]
    places = {each: place for place, each in enumerate(dict.fromkeys(letters))}
    if len(places) < MIN_CLIPS:
        return np.zeros(len(texts))
    trigrams = [Counter(_trigrams(each)) for each in places]
    everywhere: Counter[str] = sum(trigrams, Counter())
    means = [_mean_log_probability(own, everywhere) for own in trigrams]
    lengths = np.array([own.total() for own in trigrams], np.float64)
    usual = max(1.0, float(np.median(lengths)))
    strange = -robust_z(means, LEAST) * np.sqrt(np.minimum(1, lengths / usual))
    return np.asarray(strange[[places[each] for each in letters]])


def language_findings(
    clips: Sequence[ExaminedClip], unlike_heard: Sequence[bool]
) -> Iterator[Finding]:
    """Yield OTHER-LANGUAGE findings for the clips of one language.

    `unlike_heard` says for each clip whether its transcript has little in common with the
    recognized text. A rarely detected language alone is no evidence, because models confuse
    low-resource languages. There must also be strange letters, or a transcript unlike the
    recognized text. Where the model takes many clips for other languages, letters must be
    strange.
    """
    if len(clips) < MIN_CLIPS:
        return
    strange_N = strangeness([clip.text for clip in clips])
    detected = Counter(clip.heard.detected_language for clip in clips)
    is_confused = 1 - max(detected.values()) / len(clips) > CONFUSED
    for clip, strange, unlike in zip(clips, strange_N, unlike_heard, strict=True):
        heard = clip.heard.detected_language
        is_usual = heard in (None, clip.utterance.language) or (
            (detected[heard] - 1) / len(clips) >= RARE
        )
        is_unlike = unlike and not is_confused
        if not is_usual and (strange > STRANGE_Z or is_unlike):
            message = f"the model hears {heard}, and " + (
                "the letters are unlike the corpus's"
                if strange > STRANGE_Z
                else "the transcript is not what it hears"
            )
            strength = 1.0
        elif strange > VERY_STRANGE_Z:
            message = "the sequence of letters in the transcript is unlike the corpus's"
            strength = 1 - 2 / strange
        else:
            continue
        yield Finding(
            clip.id,
            "OTHER-LANGUAGE",
            score_of("OTHER-LANGUAGE", strength),
            message,
            detected_language=heard,
            strangeness=round(float(strange), 1),
        )


def _trigrams(letters: str) -> list[str]:
    padded = f" {letters} "
    return [padded[i : i + 3] for i in range(len(padded) - 2)]


def _mean_log_probability(own: Counter[str], everywhere: Counter[str]) -> float:
    """Return the mean over the trigrams of a text, without its own share of the counts."""
    rest = everywhere.total() - own.total() + SMOOTHING * len(everywhere)
    logs = (
        count * math.log((everywhere[gram] - count + SMOOTHING) / rest)
        for gram, count in own.items()
    )
    return sum(logs) / max(1, own.total())
