"""The demo: score whisper-base on the package's data, tune it, score it again."""

import time
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path

from mothertongue.evaluation.rates import UtteranceRow
from mothertongue.evaluation.records import SplitScores
from mothertongue.experiment.config import Experiment, load_experiment
from mothertongue.experiment.run_dir import BASE_PREFIX, TEST_SCORES, RunDir
from mothertongue.inference.open_model import open_model
from mothertongue.inference.score_split import evaluate_model
from mothertongue.model.devices import best_device, peak_memory_bytes
from mothertongue.report.tables.verb_tables import DemoResult
from mothertongue.system.console import console
from mothertongue.system.files import write_json
from mothertongue.training.progress import training_progress
from mothertongue.training.run import run

EXAMPLES = 3


def demo(out: Path, overrides: Sequence[str] = ()) -> DemoResult:
    """Run the demo in `out`, and return both scores and the costs.

    The data is synthetic Swahili (espeak-ng): it shows that everything works, not how good a model
    for real Swahili would be.
    """
    began = time.monotonic()
    experiment, run_dir = demo_experiment(overrides), RunDir(out)
    console.print("1/3  scoring whisper-base before tuning on the test split")
    before = _score(experiment.base, experiment, run_dir.evaluation(BASE_PREFIX + TEST_SCORES))
    console.print("2/3  fine-tuning; checkpoints are chosen on the validation split")
    with training_progress() as watcher:
        record = run(experiment, run_dir, watcher)
    console.print("3/3  scoring the tuned model on the same test split")
    after = _score(str(out), experiment, run_dir.evaluation(TEST_SCORES))
    return DemoResult(
        data="synthetic Swahili, spoken by espeak-ng",
        before=before.scores["strict"],
        after=after.scores["strict"],
        wall_s=time.monotonic() - began,
        peak_memory_bytes=peak_memory_bytes(best_device()),
        run=str(out),
        examples=_examples(before.utterances, after.utterances),
        train={
            key: getattr(record, key) for key in ("steps", "best_step", "train_s", "validate_s")
        },
    )


def demo_experiment(overrides: Sequence[str] = ()) -> Experiment:
    """Return the experiment of the demo, `recipes/demo.yaml`, on the data in the package."""
    recipes = Path(str(files("mothertongue") / "recipes"))
    data = f"data={recipes / 'demo_data'}"
    return load_experiment(recipes / "demo.yaml", [data, *overrides])


def _score(model: str, experiment: Experiment, stored: Path) -> SplitScores:
    """Score a model on the test split and keep the scores in the run for its page."""
    engine = open_model(model)
    result = evaluate_model(model, engine, experiment.manifests, "test", experiment.evaluate, None)
    write_json(stored, result)
    return result


def _examples(
    before: Sequence[UtteranceRow], after: Sequence[UtteranceRow]
) -> list[dict[str, str]]:
    """Return clips spread over the test split, not chosen for their result."""
    places = range(0, len(before), max(1, len(before) // EXAMPLES))
    return [
        {
            "reference": before[i].reference,
            "before": before[i].hypothesis,
            "after": after[i].hypothesis,
        }
        for i in list(places)[:EXAMPLES]
    ]
