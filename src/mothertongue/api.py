"""The verbs as functions, for programs and notebooks: `import mothertongue as mt`.

Each returns what its verb prints with --json, and raises MothertongueError where the verb would
print a message: ConfigError for settings, DataError for data. torch is imported only by a call.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from mothertongue.data.manifest import Split
from mothertongue.system.arguments import (
    EngineName,
    Paths,
    Precision,
    StrPath,
    Vad,
    Weights,
    checked,
    listed,
)
from mothertongue.system.json_files import field_values, to_json

if TYPE_CHECKING:
    from mothertongue.inference.model import Model

Json = dict[str, Any]
Positive = Annotated[int, Field(ge=1)]


@checked
def load_model(
    name_or_path: StrPath,
    *,
    weights: Weights = "best",
    engine: EngineName = "auto",
    precision: Precision = "auto",
    compute_type: str = "default",
) -> "Model":
    """Load a base, a run or an export, to transcribe with.

    `weights` are those of a run, `precision` is torch's and `compute_type` CTranslate2's.

    >>> import mothertongue as mt
    >>> model = mt.load_model("runs/mine")
    >>> model.transcribe("a_recording.m4a").text
    """
    from mothertongue.inference.model import Model
    from mothertongue.inference.open_model import open_model

    name = str(name_or_path)
    opened = open_model(
        name, engine=engine, precision=precision, weights=weights, compute_type=compute_type
    )
    return Model(name, opened)


@checked
def prepare(
    source: StrPath,
    out: StrPath,
    *,
    language: str | None = None,
    base: StrPath = "openai/whisper-base",
    align_with: StrPath | None = None,
    align: Mapping[str, Any] | None = None,
    **options: Any,
) -> Json:
    """Write a clean manifest of a corpus to `out`; `options` are PrepareOptions and ReadingOptions.

    One of them, `layout`, names the layout where its looks mislead. `align_with` is a model that
    cuts long recordings with their texts; `align` are settings of AlignOptions.

    >>> mt.prepare("my_corpus.csv", "data/mine", language="sw")["num_rows"]

    Raises DataError where more rows are rejected than `max_reject_fraction`; the manifest and
    rejected.jsonl are there all the same.
    """
    from mothertongue.config import parse
    from mothertongue.data.prepare import ALIGN_CACHE, PrepareOptions
    from mothertongue.data.prepare import prepare as prepare_source
    from mothertongue.data.sources.detect import ReadingOptions, detect
    from mothertongue.errors import ConfigError
    from mothertongue.model.locate import locate
    from mothertongue.model.tokenizer import load_tokens

    if align and not align_with:
        raise ConfigError("align has no effect without align_with; name a model")
    said = {name: options.pop(name) for name in ReadingOptions.model_fields if name in options}
    given = parse(PrepareOptions, {"language": language, **options}, "prepare")
    found = detect(Path(source), parse(ReadingOptions, said, "prepare"))
    count = load_tokens(locate(str(base))).count_label
    aligner = None
    if align_with:
        from mothertongue.inference.alignment.aligner import open_aligner  # loads torch

        aligner = open_aligner(str(align_with), align or {}, count, given, Path(out) / ALIGN_CACHE)
    report = prepare_source(found, Path(out), given, count, align=aligner)
    report.require_ok()
    return {**to_json(report), "out": str(out)}


@checked
def doctor(
    data: StrPath,
    out: StrPath | None = None,
    *,
    model: Paths = "openai/whisper-base",
    batch_size: Positive = 16,
    audio_mb: Annotated[float, Field(ge=0, le=1e4)] = 16.0,
    engine: EngineName = "auto",
    precision: Precision = "auto",
    compute_type: str = "default",
) -> Json:
    """Transcribe prepared data and rank the clips that look wrong, worst first; removes nothing.

    Of several models, the first that did not train on a clip recognizes it. The record, the page
    and the decisions are written to `out`, by default the folder doctor beside the manifest. The
    page needs the extra `report`, and holds at most `audio_mb` megabytes of sound.

    >>> mt.doctor("data/mine")["counts"]
    """
    from functools import partial
    from importlib.util import find_spec

    from mothertongue.data.manifest import manifest_path, read_data
    from mothertongue.decoding.transcript import DecodeConfig
    from mothertongue.diagnosis.examine import examine
    from mothertongue.diagnosis.listen import Listener
    from mothertongue.diagnosis.records import DoctorResult
    from mothertongue.inference.open_model import open_model
    from mothertongue.system.console import counting

    path = Path(data)
    folder = Path(out) if out else manifest_path(path).parent / "doctor"
    config = DecodeConfig(batch_size=batch_size, detect_language=True)
    opened = partial(open_model, engine=engine, precision=precision, compute_type=compute_type)
    names = [model] if isinstance(model, str | Path) else model
    listeners = [
        Listener(str(each), partial(opened, str(each)), config, (engine, precision, compute_type))
        for each in names
    ]
    with counting("listening", len(read_data([path]))) as advance:
        record = examine(path, folder, listeners, advance)
    page = None
    if find_spec("jinja2"):
        from mothertongue.report.doctor_page import write_doctor_page

        with counting("reading audio", None) as advance:
            page = str(write_doctor_page(record, path, folder, audio_mb, advance))
    return {**to_json(DoctorResult(**field_values(record), out=str(folder), page=page))}


@checked
def train(
    experiment: StrPath | Mapping[str, Any],
    out: StrPath | None = None,
    *,
    recipe: str | None = None,
    notify: Callable[[str], None] | None = None,
) -> Json:
    """Fine-tune, or continue a run that was stopped, and return its record with its folder, `run`.

    `experiment` is a YAML file or the same settings as a mapping; it changes those of `recipe`,
    "quality" or "plain". `out` is the run's folder, by default runs/NAME. `notify` is called with
    messages; by default there is a progress bar.

    >>> settings = {"name": "mine", "language": "sw", "data": "data/mine"}
    >>> settings |= {"strategy": {"kind": "full"}, "train": {"epochs": 3, "learning_rate": 3e-5}}
    >>> mt.train(settings)["best_validation_wer"]
    """
    from contextlib import nullcontext

    from mothertongue.config import merged, parse
    from mothertongue.experiment.config import Experiment, load_experiment, recipe_settings
    from mothertongue.experiment.run_dir import RunDir
    from mothertongue.training.progress import CallbackWatcher, training_progress
    from mothertongue.training.run import run

    if isinstance(experiment, Mapping):
        loaded = parse(Experiment, merged(recipe_settings(recipe), experiment), "train")
    else:
        loaded = load_experiment(Path(experiment), recipe=recipe)
    folder = Path(out) if out else Path("runs") / loaded.name
    with nullcontext(CallbackWatcher(notify)) if notify else training_progress() as watcher:
        record = run(loaded, RunDir(folder), watcher)
    return {"run": str(folder), **to_json(record)}


@checked
def evaluate(
    model: StrPath,
    data: StrPath | None = None,
    *,
    split: Split = "test",
    language: str | None = None,
    with_base: bool = False,
    long_form: bool = False,
    minutes: Annotated[float, Field(ge=0.5, le=120)] | None = None,
    vad: Vad | None = None,
    weights: Weights = "best",
    engine: EngineName = "auto",
    precision: Precision = "auto",
    compute_type: str = "default",
    **decoding: Any,
) -> Json:
    """Score a model on a split: error rates with 95 % intervals, and each utterance.

    `data` is a manifest or its folder; a run knows its own. `decoding` are the settings of
    DecodeConfig, such as lm and hotwords; beam_size and graphs are a run's own by default.
    `long_form` scores whole recordings: clips of one voice joined to `minutes`, or the recordings
    in `data`, each with its text in a .txt beside it; `vad` is their speech detector.

    >>> mt.evaluate("runs/mine")["scores"]["strict"]["wer"]
    >>> mt.evaluate("runs/mine", beam_size=5, lm="lm", hotwords="names.txt")["lm"]["trials"]
    >>> mt.evaluate("runs/mine", long_form=True)["ratio"]
    """
    from functools import partial

    from mothertongue.config import parse
    from mothertongue.data.languages import language_code
    from mothertongue.decoding.transcript import DecodeConfig
    from mothertongue.inference.evaluate_run import evaluate_any, own_decoding
    from mothertongue.inference.long_form import long_settings
    from mothertongue.inference.open_model import open_model

    own = own_decoding(str(model)).model_dump(include={"beam_size", "graphs"})
    chosen_engine: Json = {"engine": engine, "precision": precision, "compute_type": compute_type}
    scores = evaluate_any(
        str(model),
        Path(data) if data else None,
        split,
        language_code(language) if language else None,
        parse(DecodeConfig, own | decoding, "evaluate"),
        partial(open_model, weights=weights, **chosen_engine),
        with_base,
        long_settings(long_form, minutes, vad),
    )
    return {**to_json(scores)}


@checked
def label(
    model: StrPath,
    audio: Paths,
    out: StrPath,
    *,
    language: str | None = None,
    agree_with: StrPath | None = None,
    vad: Vad = "auto",
    weights: Weights = "best",
    engine: EngineName = "auto",
    precision: Precision = "auto",
    compute_type: str = "default",
    decoding: Mapping[str, Any] | None = None,
    **filters: Any,
) -> Json:
    """Make training data of recordings without text, and return what was labelled and kept.

    `audio` are recordings, folders or patterns. `agree_with` is a second model, which has to
    recognize nearly the same. `decoding` are settings of DecodeConfig, such as beam_size and lm;
    `filters` are those of LabelOptions: keep, min_speed, max_speed and least_agreement.

    >>> mt.label("runs/mine", "radio/", "data/pseudo", keep=0.5)["labelling"]["pieces"]

    Raises DataError where nothing is kept; the texts and the reasons are in rejected.jsonl.
    """
    from mothertongue.config import parse
    from mothertongue.decoding.transcript import DecodeConfig
    from mothertongue.inference.labelling.filters import label_options
    from mothertongue.inference.labelling.label import label as label_audio
    from mothertongue.inference.labelling.label import refuse_nothing_kept
    from mothertongue.inference.labelling.teacher import teachers
    from mothertongue.inference.output_files import find_sources
    from mothertongue.inference.transcribe_files import detector

    second = str(agree_with) if agree_with else None
    options = label_options(filters, second)
    config = parse(DecodeConfig, decoding or {}, "label")
    sources, find = find_sources(listed(audio)), detector(vad)
    chosen = {"engine": engine, "precision": precision, "compute_type": compute_type}
    asked = teachers(str(model), second, language, config, find, chosen | {"weights": weights})
    report = label_audio(asked, sources, Path(out), options)
    refuse_nothing_kept(report, Path(out))
    return {**to_json(report), "out": str(out)}


@checked
def lm(
    texts: Paths,
    out: StrPath,
    *,
    order: Annotated[int, Field(ge=1, le=8)] = 5,
    held_out: Paths = (),
    base: StrPath = "openai/whisper-base",
) -> Json:
    """Make an n-gram language model from texts, for `lm` of `evaluate`, `transcribe` and `label`.

    A text is a file with one sentence a line, or prepared data: its training text. Sentences of
    its validation and test are left out, and those of `held_out`, which is more data.

    >>> mt.lm(["data/mine", "news.txt"], "lm")["taken_out"]
    """
    from mothertongue.decoding.lm.folder import build
    from mothertongue.model.locate import locate
    from mothertongue.model.tokenizer import load_tokens

    tokens = load_tokens(locate(str(base)))
    record = build(listed(texts), listed(held_out), tokens, order, Path(out))
    return {**to_json(record), "out": str(out)}


@checked
def compare(grid: StrPath, out: StrPath | None = None, *, jobs: Positive | None = None) -> Json:
    """Train and test a grid of strategies, or continue one; return the comparison.

    `grid` is a YAML file or the name of a recipe; `jobs` is how many runs go at once.

    >>> mt.compare("my_grid.yaml")["languages"]["sw"]["strategies"]
    """
    from mothertongue.comparison.compare import compare as run_grid
    from mothertongue.comparison.grid import load_grid
    from mothertongue.comparison.jobs.local import on_this_machine
    from mothertongue.comparison.progress import task_progress
    from mothertongue.recipes import recipe_path

    loaded = load_grid(recipe_path(str(grid)))
    folder = Path(out) if out else Path("runs") / loaded.name
    with task_progress() as watcher:
        return {**to_json(run_grid(loaded, folder, on_this_machine(jobs), watcher))}


@checked
def average(
    runs: Paths,
    out: StrPath,
    *,
    with_base: float | Literal["sweep"] | None = None,
    retention: Paths = (),
) -> Json:
    """Average the weights of finished runs into a new run, and return its record.

    `with_base` interpolates with their base: 0 is the base, 1 the runs, "sweep" chooses on
    validation, and scores `retention`, manifests in other languages.

    >>> mt.average(["runs/seed0", "runs/seed1"], "runs/mean")["average"]["difference"]
    """
    from mothertongue.comparison.average import average as average_runs
    from mothertongue.comparison.average import retention_sets

    paths = listed(runs)
    alpha = float(with_base) if isinstance(with_base, int) else with_base
    sets = retention_sets(paths, listed(retention), alpha)
    return {"run": str(out), **to_json(average_runs(paths, Path(out), alpha, sets))}
