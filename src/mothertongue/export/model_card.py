"""Write the model card of an export: what it is, how it was made, its scores, its limits.

Front matter as the Hub reads it, with `model-index`, and `.eval_results/`, which replaces it. It
states no license: that is for whoever publishes the model, and owns the speech, to choose.
"""

from pathlib import Path
from typing import Any

import yaml

from mothertongue import __version__
from mothertongue.data.languages import WHISPER_LANGUAGES, Measure
from mothertongue.evaluation.records import SplitScores
from mothertongue.experiment.identity import read_identity
from mothertongue.experiment.run_dir import RunDir
from mothertongue.export.base import Exported, Exporter
from mothertongue.system.console import interval

Json = dict[str, Any]
NORMALIZER = "strict"
MEASURES: tuple[Measure, ...] = ("wer", "cer")


def write_card(exported: Exported, writer: Exporter, type_: str, folder: Path) -> None:
    """Write the README.md of an export and, where its run was scored, `.eval_results/`."""
    front = yaml.safe_dump(_front(exported, writer), sort_keys=False, allow_unicode=True)
    card = f"---\n{front}---\n\n{_text(exported, writer, type_)}"
    (folder / "README.md").write_text(card, encoding="utf-8")
    _write_eval_results(exported, folder)


def _write_eval_results(exported: Exported, folder: Path) -> None:
    """Write `.eval_results/test.yaml` with WER and CER on the test split, if there are any."""
    if exported.scores is None:
        return
    score = exported.scores.scores[NORMALIZER]
    dataset = {"id": _dataset(exported), "task_id": "automatic-speech-recognition"}
    low, high = score.interval95
    entries = [
        {
            "dataset": dataset,
            "value": round(100 * score.rate(metric), 2),
            "notes": f"{metric.upper()} in %, test split, {score.n} clips, normalizer "
            f"{NORMALIZER}, 30 s context, {_search(exported.scores)}"
            + (_spread(low, high) if metric == "wer" else ""),
        }
        for metric in MEASURES
    ]
    (folder / ".eval_results").mkdir()
    path = folder / ".eval_results" / "test.yaml"
    path.write_text(yaml.safe_dump(entries, sort_keys=False), encoding="utf-8")


def _front(exported: Exported, writer: Exporter) -> Json:
    experiment = exported.tuned.experiment
    front: Json = {
        "language": list(exported.languages),
        # The Hub refuses a card with the path of a folder here.
        **({} if _is_path(experiment.base) else {"base_model": experiment.base}),
        "base_model_relation": "adapter" if writer.needs_base else "finetune",
        "pipeline_tag": "automatic-speech-recognition",
        **({"library_name": writer.library} if writer.library else {}),
        "tags": ["whisper", "automatic-speech-recognition", "mothertongue"],
        "metrics": ["wer", "cer"],
    }
    if exported.scores is not None:
        score = exported.scores.scores[NORMALIZER]
        metrics = [
            {"type": name, "name": name.upper(), "value": round(100 * score.rate(name), 2)}
            for name in MEASURES
        ]
        result = {
            "task": {"type": "automatic-speech-recognition", "name": "Speech recognition"},
            "dataset": {"type": _dataset(exported), "name": _dataset(exported), "split": "test"},
            "metrics": metrics,
        }
        front["model-index"] = [{"name": experiment.name, "results": [result]}]
    return front


def _text(exported: Exported, writer: Exporter, type_: str) -> str:
    experiment, record = exported.tuned.experiment, exported.record
    names = [WHISPER_LANGUAGES.get(code, code).title() for code in exported.languages]
    share = 100 * record.trainable_parameters / record.parameters
    strategy = experiment.strategy.model_dump(mode="json")
    recipe = yaml.safe_dump(
        {"strategy": strategy, "train": experiment.train.model_dump(mode="json")}, sort_keys=False
    )
    base = Path(experiment.base).name if _is_path(experiment.base) else experiment.base
    return f"""# {experiment.name}

{base}, fine-tuned for {", ".join(names)} with mothertongue {__version__}:
strategy `{strategy["kind"]}`, {record.trainable_parameters:,} trained parameters
({share:.3g} %), {record.steps:,} steps. Exported as `{writer.format}`, {type_}: scores are those
of the run, and `verification.json` says how this export compares.

{_scores(exported)}
## How it was made

```yaml
{recipe}```

Trained on {record.device}, {record.train_s / 60:.1f} minutes. Base weights
SHA-256 {record.base_digest}.
{_inputs(exported)}
## Limits

It was tuned on the speech described above. Other speakers, recordings and languages may fare worse
than before tuning, and nothing here measures that unless a figure says so.
{_cut_text(exported)}"""


def _inputs(exported: Exported) -> str:
    """Return the hours whose text a model wrote, and the languages that were replayed."""
    identity = read_identity(RunDir(exported.run))
    lines = []
    if identity.pseudo_labels:
        lines.append(f"\n{identity.pseudo_labels}: a model wrote their text.\n")
    if identity.replay:
        lines.append(f"\nAgainst forgetting, {identity.replay}.\n")
    return "".join(lines)


def _cut_text(exported: Exported) -> str:
    advice = exported.token_limit.advice
    return f"\n{advice}\n" if advice else ""


def _scores(exported: Exported) -> str:
    if exported.scores is None:
        return "It was not scored on a test split.\n"
    rows = "\n".join(
        f"| {name} | {100 * score.wer:.1f} % | {interval(score.interval95)} | "
        f"{100 * score.cer:.1f} % |"
        for name, score in exported.scores.scores.items()
    )
    first = exported.scores.scores[NORMALIZER]
    return (
        f"On {first.n:,} test clips of `{_dataset(exported)}`, {first.reference_words:,} "
        f"words, decoded at 30 s ({_search(exported.scores)}); 95 % intervals by bootstrap over "
        "clips:\n\n"
        f"| normalizer | WER | 95 % | CER |\n| --- | ---: | ---: | ---: |\n{rows}\n"
    )


def _search(scores: SplitScores) -> str:
    """Return how the scored clips were decoded, such as `5 beams, a language model`."""
    settings = scores.decoding
    beams = settings.get("beam_size", 1)
    helped = {"lm_weight": "a language model", "hotwords": "hot words"}
    names = [name for setting, name in helped.items() if settings.get(setting)]
    return ", ".join(["greedy search" if beams == 1 else f"{beams} beams", *names])


def _is_path(base: str) -> bool:
    return Path(base).expanduser().exists()


def _dataset(exported: Exported) -> str:
    """Return the name of the data's folder, without its path on this machine."""
    return ", ".join(path.resolve().name for path in exported.tuned.experiment.manifests)


def _spread(low: float, high: float) -> str:
    return f", 95 % interval {100 * low:.2f} to {100 * high:.2f}"
