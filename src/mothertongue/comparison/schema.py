"""Types of comparison.json: the keys that pages and tables need. No torch.

It may have more keys than these.
"""

from typing import Any, NotRequired

from typing_extensions import TypedDict  # pydantic asks for it before Python 3.12

from mothertongue.data.manifest import Prepared
from mothertongue.experiment.records import AlphaRetention, Change, Interval, Rates
from mothertongue.system.json_files import Record


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


class _Scores(TypedDict):
    strict: _Score
    whisper: _Score
    raw: _Score


class _Difference(TypedDict):
    difference: float
    interval95: Interval
    p: float | None
    p_holm: float | None
    over_seeds: bool
    drawn: str
    num_drawn: int
    comparisons: int


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


class _Failures(TypedDict):
    empty: int
    hallucinations: int
    loops: int
    wrong_script: int


class _By(TypedDict):
    duration: list[_Part]
    speaker: list[_Part]
    length: list[_Part]


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
    failures: _Failures
    by: _By


class _Retained(TypedDict):
    n: int
    wer: Change
    cer: Change
    hallucinations: Change
    loops: Change
    empty: Change
    language_identification: NotRequired[Change]


class _SwitchedOff(TypedDict):
    set: str
    n: int
    differ: list[str]


class _Retention(TypedDict):
    sets: dict[str, _Retained]
    mean: _Retained
    switched_off: _SwitchedOff | None


class _Also(TypedDict):
    scores: _Scores
    vs_base: _Difference | None


class _Pareto(TypedDict):
    parameters: bool
    time: bool


class _Base(TypedDict):
    scores: _Scores
    anatomy: _Anatomy
    also: dict[str, _Scores]


class _Strategies(TypedDict):
    strategy: str
    settings: dict[str, Any]
    out_of: int
    runs: list[str]
    chosen_at_wer: float | None
    chosen_at_cer: NotRequired[float | None]
    scores: _Scores
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
    pareto: _Pareto
    vs_base: _Difference | None
    vs_reference: _Difference | None
    vs_best: _Difference | None


class _Alpha(TypedDict):
    alpha: float
    validation: Rates
    retention: AlphaRetention | None


class _AlsoScores(TypedDict):
    scores: _Scores


class _WeightAverage(TypedDict):
    strategy: str
    run: str
    runs: list[str]
    alpha: float
    alpha_by: str | None
    split: str
    clips: int
    best_run: str
    difference: float
    retention_sets: list[str]
    curve: list[_Alpha]
    scores: _Scores
    also: dict[str, _AlsoScores]
    retention: _Retention | None
    vs_seeds: _Difference
    size_bytes: int


class _Split(TypedDict):
    clips: int
    hours: float
    speakers: int


class _Card(Prepared):
    folder: str


class _Language(TypedDict):
    measure: NotRequired[str]
    data: dict[str, _Split]
    cards: list[_Card]
    base: _Base | None
    strategies: list[_Strategies]
    weight_averages: NotRequired[list[_WeightAverage]]
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
    split: str
    measure: str
    wer: float | None
    interval95: Interval | None
    cer: NotRequired[float | None]
    cer_interval95: NotRequired[Interval | None]


class Comparison(Record):
    """comparison.json: the result of `mothertongue compare`."""

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
