"""Error rates, their changes, and the transcripts that they are computed from. No torch."""

from dataclasses import dataclass
from typing import Literal

from mothertongue.data.languages import Measure
from mothertongue.system.json_files import absent

Interval = tuple[float, float]
LanguageSource = Literal["given", "detected"]
"""Whether a clip was decoded under its utterance's language or under the detected one."""


@dataclass(frozen=True, slots=True)
class Rates:
    """WER and CER, ratios with 95 % intervals."""

    wer: float
    interval95: Interval
    cer: float
    cer_interval95: Interval

    def rate(self, measure: Measure) -> float:
        """The error rate that a measure names."""
        return self.wer if measure == "wer" else self.cer

    def bounds(self, measure: Measure) -> Interval:
        """The 95 % interval of that rate."""
        return self.interval95 if measure == "wer" else self.cer_interval95


@dataclass(frozen=True, slots=True)
class Score(Rates):
    """WER and CER of hypotheses under one normalizer.

    Edits are counted in words. The intervals draw sentences: the utterances with one reference text
    are one, whoever reads it. `interval95_by_speaker` draws whole speakers, for how the WER
    would vary with other people; it is None unless two are known, and too narrow below about ten.
    `empty_references` have no token left once normalized: what was recognized there counts as
    insertions and so raises the rates, but they add nothing to the reference length.
    """

    interval95_by_speaker: Interval | None
    n: int
    substitutions: int
    deletions: int
    insertions: int
    reference_words: int
    reference_characters: int
    normalizer: str
    normalizer_version: str
    context: Literal["full", "cut"]
    """The audio context of the decoding: 30 s, or the length of each clip."""
    empty_references: int = absent(0)


@dataclass(frozen=True, slots=True)
class UtteranceRow:
    """An utterance with the transcript of a model, and its WER under the normalizer strict."""

    id: str
    language: str
    reference: str
    hypothesis: str
    duration_s: float
    speaker: str | None
    looped: bool
    detected_language: str | None = None
    language_source: LanguageSource = "given"
    wer: float | None = None
    average_log_probability: float | None = None
    is_cut: bool = False


@dataclass(frozen=True, slots=True)
class RateChange:
    """A rate on the same clips before and after tuning, with the difference and its interval."""

    before: float
    after: float
    difference: float
    interval95: Interval


@dataclass(frozen=True, slots=True)
class Change(RateChange):
    """A rate on the same clips before and after tuning, with the difference and its interval.

    The rates are the counts over `total`: reference words, reference characters or clips.
    `difference` is after minus before; `interval95` and the two-sided `p` are paired_bootstrap's,
    over draws of sentences, each with all its clips. They hold for these two models.
    """

    p: float
    count_before: int
    count_after: int
    total: int


@dataclass(frozen=True, slots=True)
class Forgetting:
    """Changes by tuning on one set of n clips. More is better in `language_identification` alone.

    Beside `wer` and `cer`, all are shares of the clips: `language_identification` of those whose
    detected language is the utterance's, None unless both models detected it
    (DecodeConfig.detect_language), and 0 for a language without a token of its own;
    `hallucinations` as is_hallucination defines them; `loops` of those from which a repeated cycle
    was cut, which the text no longer shows; `empty` of those without a word. Clips decoded under a
    given language and under a detected one (`language_source`) are different measurements, never
    mixed.
    """

    n: int
    language_source: LanguageSource
    normalizer: str
    normalizer_version: str
    wer: Change
    cer: Change
    language_identification: Change | None
    hallucinations: Change
    loops: Change
    empty: Change
    seed: int
    resamples: int


@dataclass(frozen=True, slots=True)
class MeanChange(RateChange):
    """A rate averaged over sets of equal weight; the counts are of all sets together.

    The interval holds 95 % over draws of the clips of these sets: it says nothing about languages
    that are not among them.
    """

    count_before: int
    count_after: int
    total: int
    sets: int


@dataclass(frozen=True, slots=True)
class MeanForgetting:
    """Changes by tuning, averaged over sets with n clips in total; the rates are Forgetting's.

    `language_identification` is over the sets where it was measured, None where it was in none.
    """

    n: int
    sets: int
    language_source: LanguageSource
    normalizer: str
    normalizer_version: str
    wer: MeanChange
    cer: MeanChange
    language_identification: MeanChange | None
    hallucinations: MeanChange
    loops: MeanChange
    empty: MeanChange
