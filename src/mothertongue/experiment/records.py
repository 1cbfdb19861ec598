"""Types of the JSON records: the keys that readers need. No torch.

A record may have more keys than these. Earlier versions did not write those that are NotRequired.
"""

from typing import Annotated, Any, NotRequired

from pydantic import Field
from typing_extensions import TypedDict  # pydantic asks for it before Python 3.12

from mothertongue.data.pseudo_labels import Labeller
from mothertongue.system.json_files import Record

Interval = Annotated[list[float], Field(min_length=2, max_length=2)]


class PseudoLabels(TypedDict):
    """The training clips whose texts a model wrote, and all training clips."""

    clips: int
    hours: float
    of_clips: int
    of_hours: float
    round: int
    models: list[Labeller]


class _Replayed(TypedDict):
    clips: int
    hours: float


class Replay(TypedDict):
    """The clips that a run replays, by language, and their share of the steps."""

    manifest_sha256: str
    share: float
    languages: dict[str, _Replayed]


class Identity(Record):
    """identity.json: the inputs of a run."""

    base_digest: str
    manifest_sha256: str
    augment_sha256: NotRequired[dict[str, str]]
    label_rules: NotRequired[int]
    packages: NotRequired[dict[str, str | None]]
    precision_s: NotRequired[dict[str, float]]
    pseudo_labels: NotRequired[PseudoLabels]
    replay: NotRequired[Replay]


class _Choice(TypedDict):
    language: str
    arm: str
    settings: dict[str, Any]
    runs: list[str]


class Selection(Record):
    """selection.json: the choices of a comparison before its test."""

    choices: list[_Choice]


class MetricsLine(TypedDict):
    """A line of metrics.jsonl: a step, or a validation after it."""

    step: int
    loss: NotRequired[float]
    learning_rate: NotRequired[float]
    validation_wer: NotRequired[float]
    validation_interval95: NotRequired[Interval]


class _Strategy(TypedDict):
    kind: str


class _Seeded(TypedDict):
    seed: int


class _Experiment(TypedDict):
    base: str
    language: str
    data: str | list[str]
    select_on: str
    strategy: _Strategy
    train: _Seeded


class _PrefixCache(TypedDict):
    needed: float
    computed: float


class Cost(TypedDict):
    """state.json, and a part of record.json: the cost of a run so far."""

    train_s: float
    validate_s: float
    peak_memory_bytes: int


class _BestOf(TypedDict):
    taken: str
    models: dict[str, dict[str, Any]]


class Change(TypedDict):
    """A rate of two models on the same clips; the difference has the 95 % interval."""

    before: float
    after: float
    difference: float
    interval95: Interval


class Rates(TypedDict):
    """WER and CER with 95 % intervals."""

    wer: float
    interval95: Interval
    cer: float
    cer_interval95: Interval


class _AlphaRetained(TypedDict):
    n: int
    wer: Change
    cer: Change


class AlphaRetention(TypedDict):
    """The changes of retention sets at one alpha, from the base on."""

    sets: dict[str, _AlphaRetained]
    mean: _AlphaRetained


class _AveragePoint(TypedDict):
    alpha: float
    validation: Rates | None
    retention: AlphaRetention | None


class _Averaged(TypedDict):
    runs: list[dict[str, Any]]
    alpha: float
    alpha_by: str | None
    split: str
    clips: int
    retention_clips: dict[str, int]
    curve: list[_AveragePoint]
    best_run: str | None
    difference: float | None


class RunRecord(Record, Cost):
    """record.json: a finished run."""

    experiment: _Experiment
    trainable_parameters: int
    parameters: int
    steps: int
    best_step: int
    selected_on: str
    best_validation_wer: float | None
    best_validation_interval95: Interval | None
    best_validation_cer: NotRequired[float | None]
    best_validation_cer_interval95: NotRequired[Interval | None]
    best_validation_loss: NotRequired[float | None]
    device: str
    stopped_early: NotRequired[bool]
    select_by: NotRequired[str]
    prefix_cache: NotRequired[_PrefixCache | None]
    best_of: NotRequired[_BestOf | None]
    environment: NotRequired[dict[str, Any]]
    average: NotRequired[_Averaged]
    pseudo_labels: NotRequired[PseudoLabels | None]
    precision_s: NotRequired[dict[str, float] | None]


class Row(TypedDict):
    """An utterance with the transcript of a model."""

    id: str
    language: str
    reference: str
    hypothesis: str
    duration_s: float
    speaker: str | None
    looped: bool


class Scores(Record):
    """eval/NAME.json: the scores of a model on a split."""

    utterances: list[Row]
    data_digest: NotRequired[str]
    audio_sha256: NotRequired[str]
    leaks: NotRequired[dict[str, int] | None]
    decoding: NotRequired[dict[str, Any]]
    precision_s: NotRequired[dict[str, float] | None]
    environment: NotRequired[dict[str, Any]]


class _LongRecording(TypedDict):
    id: str
    language: str
    parts: int
    duration_s: float
    reference: str
    hypothesis: str


class _Ratio(TypedDict):
    measure: str
    ratio: float | None
    interval95: Interval | None


class _TimeErrors(TypedDict):
    parts: int
    starts_found: int
    median_start_error_s: float | None
    ends_found: int
    median_end_error_s: float | None


class _LongDecoding(TypedDict):
    beam_size: int
    vad: str


class LongScores(Record):
    """eval/long-NAME.json: the scores of a model on long recordings."""

    recordings: list[_LongRecording]
    scores: dict[str, dict[str, Any]]
    scores_clips: dict[str, dict[str, Any]] | None
    ratio: _Ratio | None
    times: _TimeErrors | None
    data_digest: str
    decoding: _LongDecoding
    environment: dict[str, Any]
    leaks: NotRequired[dict[str, int] | None]


class _SystemTranscript(TypedDict):
    text: str
    word_errors: int
    character_errors: int
    looped: bool
    pieces: list[list[str]]


class _Clip(TypedDict):
    id: str
    speaker: str | None
    duration_s: float
    audio: str | None
    start_s: float
    reference: str
    words: int
    characters: int
    heard: list[_SystemTranscript]


class ClipSet(Record):
    """An element of clips.json: the clips of a test set with the transcripts of each system."""

    language: str
    name: str
    normalizer: str
    unit: str
    measure: NotRequired[str]
    systems: list[str]
    clips: list[_Clip]


class _Band(TypedDict):
    mean: float
    min: float
    max: float


class _State(TypedDict):
    state: str
    cka: _Band


class _Half(TypedDict):
    states: list[_State]
    heatmap: list[list[float]]


class _Group(TypedDict):
    group: str
    strategy: _Strategy
    freeze_encoder_layers: int
    encoder: _Half
    decoder: _Half | None


class Analysis(Record):
    """The file that `mothertongue analyze --json` writes."""

    threshold: float
    groups: list[_Group]
