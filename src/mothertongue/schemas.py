"""Records as JSON values: the keys that their readers rely on, with their types. No torch.

A record may have more keys than these. Earlier versions did not write those that are NotRequired.
"""

from typing import Any, NotRequired

from typing_extensions import TypedDict  # pydantic asks for it before Python 3.12

Interval = list[float]


class Identity(TypedDict):
    """identity.json: what a run is made from."""

    base_digest: str
    manifest_sha256: str
    label_rules: NotRequired[int]
    packages: NotRequired[dict[str, str | None]]


class Selection(TypedDict):
    """selection.json: what a comparison has chosen before its test."""

    choices: list[dict[str, Any]]


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
    """state.json, and a part of record.json: what a run has taken until then."""

    train_s: float
    validate_s: float
    peak_memory_bytes: int


class RunRecord(Cost):
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
    environment: NotRequired[dict[str, Any]]


class Row(TypedDict):
    """An utterance with what a model wrote."""

    id: str
    language: str
    reference: str
    hypothesis: str
    duration_s: float
    speaker: str | None
    looped: bool


class Scores(TypedDict):
    """eval/NAME.json: a model on a split."""

    utterances: list[Row]
    data_digest: NotRequired[str]
    audio_sha256: NotRequired[str]
    leaks: NotRequired[dict[str, int] | None]
    decoding: NotRequired[dict[str, Any]]
    environment: NotRequired[dict[str, Any]]


class _Prepared(TypedDict):
    num_rows: int
    num_rejected: int
    rejected: dict[str, int]
    notes: dict[str, int]
    warnings: list[str]
    confirmed: list[str]
    split_by: str


class Card(_Prepared):
    """data_card.json: what prepare found, and the SHA-256 of the manifest that it wrote."""

    manifest_sha256: str


class _Heard(TypedDict):
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
    heard: list[_Heard]


class ClipSet(TypedDict):
    """An element of clips.json: the clips of a test set with what each system wrote."""

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


class Analysis(TypedDict):
    """What `mothertongue analyze --json` writes."""

    threshold: float
    groups: list[_Group]


class _Score(TypedDict):
    wer: float
    interval95: Interval
    cer: float
    cer_interval95: Interval
    n: int
    words: int
    characters: int
    by_seed: list[float]
    sd_over_seeds: float | None
    cer_by_seed: list[float]
    cer_sd_over_seeds: float | None


class _Difference(TypedDict):
    difference: float
    interval95: Interval
    p: float | None
    p_holm: NotRequired[float | None]
    over_seeds: bool
    measure: NotRequired[str]
    drawn: NotRequired[str]
    num_drawn: NotRequired[int]
    num_speakers: NotRequired[int]
    comparisons: NotRequired[int]


class _Confusion(TypedDict):
    reference: str
    hypothesis: str
    count: int


class _Word(TypedDict):
    text: str
    count: int


class _Part(TypedDict):
    name: str
    clips: int
    wer: float
    interval95: Interval
    cer: float
    cer_interval95: Interval


class _Anatomy(TypedDict):
    clips: int
    substitutions: int
    deletions: int
    insertions: int
    hits: int
    confused_words: list[_Confusion]
    deleted_words: list[_Word]
    inserted_words: list[_Word]
    confused_characters: list[_Confusion]
    failures: dict[str, int]
    by: dict[str, list[_Part]]


class _Change(TypedDict):
    before: float
    after: float
    difference: float
    interval95: Interval


class _Retained(TypedDict):
    n: int
    wer: _Change
    cer: _Change
    hallucinations: _Change
    loops: _Change
    empty: _Change
    language_identification: NotRequired[_Change]


class _SwitchedOff(TypedDict):
    set: str
    n: int
    differ: list[str]


class _Retention(TypedDict):
    sets: dict[str, _Retained]
    mean: _Retained
    switched_off: _SwitchedOff | None


class _Also(TypedDict):
    scores: dict[str, _Score]
    vs_base: NotRequired[_Difference | None]


class _Base(TypedDict):
    scores: dict[str, _Score]
    anatomy: _Anatomy
    also: dict[str, dict[str, _Score]]


class _Strategies(TypedDict):
    strategy: str
    settings: dict[str, Any]
    out_of: int
    runs: list[str]
    chosen_at_wer: float | None
    chosen_at_cer: NotRequired[float | None]
    scores: dict[str, _Score]
    anatomy: _Anatomy
    also: dict[str, _Also]
    retention: _Retention | None
    trainable_parameters: int
    parameters: int
    steps: list[int]
    step_s: float
    wall_s: float
    search_wall_s: float
    peak_memory_bytes: int
    size_bytes: int
    device: str
    pareto: dict[str, bool]
    vs_base: _Difference | None
    vs_reference: _Difference | None
    vs_best: _Difference | None


class _Split(TypedDict):
    clips: int
    hours: float
    speakers: int


class _NamedCard(_Prepared):
    folder: str


class _Language(TypedDict):
    measure: NotRequired[str]
    data: dict[str, _Split]
    cards: list[_NamedCard]
    base: _Base | None
    strategies: list[_Strategies]
    doubts: NotRequired[list[str]]


class _Average(TypedDict):
    strategy: str
    measure: str
    languages: list[str]
    rate: float
    base_rate: float
    relative_to_base: float
    relative_to_reference: float | None
    points_to_reference: float | None


class _Environment(TypedDict):
    python: str
    packages: dict[str, str | None]
    system: str
    machine: str
    processors: int | None


class _Point(TypedDict):
    language: str
    strategy: str
    settings: dict[str, Any]
    seed: int
    run: str
    measure: NotRequired[str]
    wer: float | None
    interval95: Interval | None
    cer: NotRequired[float | None]
    cer_interval95: NotRequired[Interval | None]


class Comparison(TypedDict):
    """comparison.json: what `mothertongue compare` found."""

    name: str
    base: str
    protocol: str
    chosen_on: str
    reference: str
    seeds: list[int]
    normalizer: str
    languages: dict[str, _Language]
    average: list[_Average]
    curves: list[_Point]
    environment: _Environment
