"""The card of an export: what it says of the base, and of how the scores came about."""

import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml
from report_folders import score_run

from mothertongue.data.manifest import Utterance, read_data
from mothertongue.evaluation.rates import Score
from mothertongue.evaluation.records import SplitScores
from mothertongue.experiment.load import load_run
from mothertongue.experiment.run_dir import TEST_SCORES, RunDir
from mothertongue.export.base import Exported, exporters
from mothertongue.export.export import trained_languages
from mothertongue.export.model_card import write_card
from mothertongue.export.token_limit import count_labels
from mothertongue.system.json_files import read_json


def card(run: Path, folder: Path, decoding: dict[str, Any]) -> str:
    """The card of a copy of a run, scored with these settings."""
    copied = shutil.copytree(run, folder / "run")
    rates = {"wer": 0.25, "interval95": (0.2, 0.3), "cer": 0.1, "cer_interval95": (0.0, 0.2)}
    counts = {"substitutions": 3, "deletions": 0, "insertions": 0, "interval95_by_speaker": None}
    counts |= {"n": 3, "reference_words": 12, "reference_characters": 50, "context": "full"}
    score = Score(**rates, **counts, normalizer="strict", normalizer_version="1")
    score_run(copied, "test", [], scores={"strict": score}, decoding=decoding)
    tuned, writer = load_run(copied), exporters()["hf"]
    corpus = read_data(tuned.experiment.manifests)
    exported = Exported(
        tuned=tuned,
        run=copied,
        record=RunDir(copied).read_record(),
        scores=read_json(RunDir(copied).evaluation(TEST_SCORES), SplitScores),
        token_limit=count_labels(corpus, tuned.base.tokens, writer),
        languages=("sw", "yo"),
    )
    (out := folder / "out").mkdir()
    write_card(exported, writer, "float32", out)
    (first, _) = yaml.safe_load((out / ".eval_results/test.yaml").read_text())
    return (out / "README.md").read_text() + first["notes"]


@pytest.mark.parametrize(
    ("decoding", "said"),
    [
        ({"beam_size": 1}, "greedy search"),
        ({"beam_size": 5}, "5 beams"),
        ({"beam_size": 5, "lm": "lm/sw", "lm_weight": 0.0}, "5 beams"),
        (
            {"beam_size": 5, "lm": "lm/sw", "lm_weight": 0.2, "hotwords": "names.txt"},
            "5 beams, a language model, hot words",
        ),
    ],
)
def test_the_card_says_how_its_scores_were_decoded(
    tiny_runs: dict[str, Path], tmp_path: Path, decoding: dict[str, Any], said: str
) -> None:
    text = card(tiny_runs["full"], tmp_path, decoding)
    assert text.count(f", decoded at 30 s ({said});") == 1
    assert text.count(f"30 s context, {said}, 95 %") == 1
    assert text.count("greedy") == (2 if said == "greedy search" else 0)


def test_a_card_names_all_languages_that_trained(
    tiny_runs: dict[str, Path], tmp_path: Path
) -> None:
    text = card(tiny_runs["full"], tmp_path, {})
    assert yaml.safe_load(text.split("---")[1])["language"] == ["sw", "yo"]
    assert "fine-tuned for Swahili, Yoruba with" in text
    corpus = [
        Utterance(f"{i}", "clip.wav", "moja", language, 1.0, split=split)
        for i, (language, split) in enumerate(
            [("yo", "train"), ("yo", "train"), ("sw", "train"), ("fr", "validation")]
        )
    ]
    experiment = load_run(tiny_runs["full"]).experiment
    assert trained_languages(corpus, experiment) == ("sw", "yo")


def test_a_base_in_a_folder_is_no_base_model_of_the_hub(
    tiny_runs: dict[str, Path], tmp_path: Path
) -> None:
    base = Path(load_run(tiny_runs["full"]).experiment.base)
    assert base.is_dir()
    text = card(tiny_runs["full"], tmp_path, {})
    front = yaml.safe_load(text.split("---")[1])
    assert "base_model" not in front
    assert f"{base.name}, fine-tuned for" in text
    assert str(base.parent) not in text
