"""The documents of scores: of a split's clips, and of long recordings. No torch."""

from dataclasses import dataclass

from pydantic import JsonValue

from mothertongue.data.languages import Measure
from mothertongue.data.leaks import LeakCounts
from mothertongue.data.manifest import Split
from mothertongue.evaluation.lm_weight import Trial
from mothertongue.evaluation.rates import Interval, Score, UtteranceRow
from mothertongue.system.environment import Environment, Versions
from mothertongue.system.json_files import Document, absent

Decoding = dict[str, JsonValue]
"""The settings of decoding and of the engine that transcripts depend on."""


@dataclass(frozen=True, slots=True)
class Bootstrap:
    """The draws of the intervals."""

    seed: int = 0
    resamples: int = 1000


@dataclass(frozen=True, slots=True)
class LmFacts:
    """The language model of a search: how its weight was chosen, and what it knows of the clips."""

    arpa_sha256: str
    clips_with_seen_sentences: int
    trials: list[Trial]


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitScores(Document):
    """eval/NAME.json: the scores of a model on a split.

    `scores` are at the full 30 s, as other software runs; `scores_cut` at the clips' own length,
    of tuned models. Utterances have the transcripts of the full context; `looped_clips` and
    `cut_clips` count those that ended in a loop, and those that met their limit of tokens.
    `leaks` counts the clips that are not new to the run.
    """

    model: str
    kind: str | None = absent()
    data: str | None = absent()
    data_digest: str
    audio_sha256: str | None = None
    split: Split
    language: str | None = absent()
    scores: dict[str, Score]
    scores_cut: dict[str, Score] | None = None
    looped_clips: int | None = absent()
    cut_clips: int | None = absent()
    decoding: Decoding
    precision_s: dict[str, float] | None = None
    """The seconds by which `precision: auto` chose, of each precision."""
    engine: Decoding | None = absent()
    packages: Versions | None = absent()
    weights_sha256: str | None = absent()
    base_digest: str | None = absent()
    """The digest of the base's weights, of a base in a comparison."""
    borrow: dict[str, str] | None = absent()
    """The languages whose tokens a base in a comparison borrowed."""
    lm: LmFacts | None = None
    bootstrap: Bootstrap = Bootstrap()
    leaks: LeakCounts | None = None
    environment: Environment
    utterances: list[UtteranceRow]
    base: "SplitScores | None" = absent()
    """The scores of the base, in what `evaluate --with-base` prints."""


@dataclass(frozen=True, slots=True)
class LongRecording:
    """A long recording with its text and its transcript."""

    id: str
    language: str
    parts: int
    duration_s: float
    reference: str
    hypothesis: str


@dataclass(frozen=True, slots=True)
class Ratio:
    """An error rate of recordings by that of their parts alone; None where no part has an error."""

    measure: Measure
    ratio: float | None
    interval95: Interval | None


@dataclass(frozen=True, slots=True)
class TimeErrors:
    """The median distance of the first and last word of each part from its speech, in seconds.

    Only of parts whose first or last word was recognized, under normalizer strict.
    """

    parts: int
    starts_found: int
    median_start_error_s: float | None
    ends_found: int
    median_end_error_s: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class LongScores(Document):
    """eval/long-NAME.json: the scores of a model on long recordings.

    `scores` are of whole recordings, `scores_clips` of the same clips alone, at the context that
    the model was trained at.
    """

    model: str
    kind: str
    data: str
    data_digest: str
    audio_sha256: str | None = absent()
    split: Split | None
    language: str
    recordings: list[LongRecording]
    scores: dict[str, Score]
    scores_clips: dict[str, Score] | None
    ratio: Ratio | None
    times: TimeErrors | None
    decoding: Decoding
    pause_s: float
    bootstrap: Bootstrap = Bootstrap()
    leaks: LeakCounts | None = absent()
    environment: Environment
    base: "LongScores | None" = absent()
