"""verification.json: whether an export transcribes like its run, and by what. No torch."""

from dataclasses import dataclass

from mothertongue.data.manifest import Split
from mothertongue.evaluation.rates import Interval
from mothertongue.system.environment import Environment
from mothertongue.system.json_files import Document


@dataclass(frozen=True, slots=True)
class EngineVersion:
    """The package that runs an export."""

    name: str
    version: str


@dataclass(frozen=True, slots=True)
class TokenLimit:
    """The labels of a corpus against the most tokens that an engine writes for one window.

    `longest_window_s` is the longest window, in whole seconds, in which dense speech of the corpus
    fits.
    """

    max_tokens: int
    source: str
    labels: int
    labels_over: int
    most_tokens: int
    tokens_per_s_median: float
    tokens_per_s_dense: float
    longest_window_s: int
    advice: str | None = None
    """None if every label and a whole window of dense speech fit."""


@dataclass(frozen=True, slots=True)
class ClipReply:
    """The transcript of a clip by one engine.

    `tokens` and `text` are compared; `whole_text` is everything that the engine wrote.
    """

    tokens: tuple[int, ...]
    text: str
    whole_text: str
    detected: str
    """The language that was detected."""


@dataclass(frozen=True, slots=True)
class EngineReply:
    """The transcripts of clips by one engine in a separate process, and its costs."""

    clips: tuple[ClipReply, ...]
    timestamps: bool
    """Whether the engine finds segments with times."""
    decode_s: float
    peak_memory_bytes: int


@dataclass(frozen=True, slots=True)
class BothTranscripts:
    """The transcripts of a clip by the run and by its export."""

    id: str
    run: str
    artefact: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification(Document):
    """The comparison of an export with its run on the same clips.

    Where the engine met its limit of tokens, the run's transcript is cut at the same place.
    `wer_run_uncut` is of the run's whole transcripts.
    """

    run: str
    format: str
    type: str
    engine: EngineVersion
    data_digest: str
    split: Split
    clips: int
    identical: int
    clips_cut: int
    is_exact: bool
    """Whether tokens must be equal: no weights were rounded."""
    wer_run: float
    wer_run_uncut: float
    wer: float
    difference: float
    interval95: Interval
    max_wer_loss: float
    passed: bool
    language_detection: float
    lost: list[str]
    decode_s: float
    run_decode_s: float
    peak_memory_bytes: int
    run_peak_memory_bytes: int
    transcripts: list[BothTranscripts]
    token_limit: TokenLimit
    size_bytes: int
    environment: Environment
