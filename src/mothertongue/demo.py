"""The main job on data that comes along: score whisper-base, tune it, score it again."""

import time
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

from mothertongue.devices import best_device, peak_memory_bytes
from mothertongue.engines import open_engine
from mothertongue.evaluation.evaluate import Evaluation
from mothertongue.experiment import Experiment, load_experiment, run
from mothertongue.progress import console, counting, training_progress
from mothertongue.records import RunDir
from mothertongue.scoring import read_split, transcribe_split

EXAMPLES = 3


def demo(out: Path, overrides: Sequence[str] = ()) -> dict[str, Any]:
    """Run it in `out` and return {"before", "after", "wall_s", "peak_memory_bytes", "run", ...}.

    The data is synthetic Swahili (espeak-ng): it shows that everything works, not how good a model
    for real Swahili would be.
    """
    began = time.monotonic()
    experiment = demo_experiment(overrides)
    console.print("1/3  scoring whisper-base, untouched, on the test split")
    before = _score(experiment.base, experiment)
    console.print("2/3  fine-tuning; checkpoints are chosen on the validation split")
    with training_progress() as watcher:
        record = run(experiment, RunDir(out), watcher)
    console.print("3/3  scoring the tuned model on the same test split")
    after = _score(str(out), experiment)
    return {
        "data": "synthetic Swahili, spoken by espeak-ng",
        "before": before.score().to_dict(),
        "after": after.score().to_dict(),
        "wall_s": time.monotonic() - began,
        "peak_memory_bytes": peak_memory_bytes(best_device()),
        "run": str(out),
        "examples": _examples(before, after),
        "train": {key: record[key] for key in ("steps", "best_step", "train_s", "validate_s")},
    }


def demo_experiment(overrides: Sequence[str] = ()) -> Experiment:
    """The experiment of the demo, `recipes/demo.yaml`, on the data in the package."""
    recipes = Path(str(files("mothertongue") / "recipes"))
    data = f"data={recipes / 'demo_data'}"
    return load_experiment(recipes / "demo.yaml", [data, *overrides])


def _score(model: str, experiment: Experiment) -> Evaluation:
    engine = open_engine(model)
    utterances = read_split(experiment.manifests, "test", None)
    with counting("decoding", len(utterances)) as advance:
        return transcribe_split(engine, utterances, "full", experiment.evaluate, advance)


def _examples(before: Evaluation, after: Evaluation) -> list[dict[str, str]]:
    """Clips spread over the test split, not chosen for their result."""
    places = range(0, len(before.utterances), max(1, len(before.utterances) // EXAMPLES))
    return [
        {
            "reference": before.utterances[i].text,
            "before": before.transcripts[i].text,
            "after": after.transcripts[i].text,
        }
        for i in list(places)[:EXAMPLES]
    ]
