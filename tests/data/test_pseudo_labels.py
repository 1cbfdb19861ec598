"""Pseudo-labels keep their mark until a person writes the text, and are in train only."""

import json
from pathlib import Path
from typing import Any

import pytest
from clips import tone, write_clip

from mothertongue.data.card import read_card
from mothertongue.data.clips import read_split
from mothertongue.data.data_report import DataReport
from mothertongue.data.decisions import Decision, write_decisions
from mothertongue.data.manifest import Utterance, read_manifest, write_manifest
from mothertongue.data.prepare import PrepareOptions, prepare
from mothertongue.data.sources.detect import detect
from mothertongue.errors import DataError
from mothertongue.system.files import sha256_file, write_json
from mothertongue.system.json_files import to_json

FACTS = {"language": "sw", "duration_s": 0.5, "start_s": 0.0}
LABELLING = {"model": "m", "model_sha256": "1", "round": 2, "language": "sw", "settings": {}}
LABELLING |= {"filters": {}, "agree_with": None, "recordings": 2, "recorded_s": 1.0}
LABELLING |= {"pieces": 2, "pieces_s": 1.0, "least_log_probability": -0.4}


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    """Two pseudo-labels, and a clip that a person transcribed."""
    folder = tmp_path / "pseudo"
    rows = []
    for i, (name, value) in enumerate({"a": -0.25, "b": -0.4, "person": None}.items()):
        path = write_clip(folder / f"{name}.wav", tone(0.5, 200 + 50 * i))
        text = "neno " + ["moja", "mbili", "tatu"][i]
        rows.append(Utterance(name, path.name, text, average_log_probability=value, **FACTS))
    write_manifest(folder / "manifest.jsonl", rows)
    return folder


def prepared(corpus: Path, **options: Any) -> tuple[DataReport, dict[str, Utterance]]:
    out = corpus.parent / "out"
    given = PrepareOptions(language="sw", workers=1, max_reject_fraction=1.0, **options)
    report = prepare(detect(corpus), out, given, lambda text, language: len(text) + 5)
    return report, {clip.id: clip for clip in read_manifest(out)}


def test_prepare_keeps_the_mark_and_how_they_were_labelled(corpus: Path) -> None:
    card = {"num_rows": 3, "num_rejected": 0, "rejected": {}, "notes": {}, "warnings": []}
    card |= {"confirmed": [], "split_by": "given", "labelling": LABELLING}
    write_json(
        corpus / "data_card.json",
        card | {"manifest_sha256": sha256_file(corpus / "manifest.jsonl")},
    )
    _, clips = prepared(corpus)
    assert {name: clip.average_log_probability for name, clip in clips.items()} == {
        "a": -0.25,
        "b": -0.4,
        "person": None,
    }
    found = read_card(corpus.parent / "out")
    assert found is not None and to_json(found.labelling) == LABELLING


def test_a_text_that_a_person_wrote_is_no_pseudo_label(corpus: Path) -> None:
    write_decisions(corpus / "d.jsonl", [Decision("a", "fix", "neno jipya"), Decision("b", "drop")])
    _, clips = prepared(corpus, decisions=corpus / "d.jsonl")
    assert [name for name, clip in clips.items() if clip.is_pseudo_labelled] == []
    assert clips.keys() == {"a", "person"}


@pytest.mark.parametrize("split", ["validation", "test"])
def test_no_other_split_takes_them(corpus: Path, split: str) -> None:
    manifest = corpus / "manifest.jsonl"
    lines = [json.loads(line) | {"split": split} for line in manifest.read_text().splitlines()]
    manifest.write_text("\n".join(map(json.dumps, lines)))
    with pytest.raises(DataError, match=f"manifest.jsonl:1: split is '{split}', expected train"):
        list(read_manifest(corpus))
    report, clips = prepared(corpus)
    assert clips.keys() == {"person"} and report.rejected == {"MAN-SPLIT": 2}


@pytest.mark.parametrize("value", [0.1, "high", True])
def test_what_is_no_log_probability(corpus: Path, value: object) -> None:
    manifest = corpus / "manifest.jsonl"
    first, *rest = manifest.read_text().splitlines()
    record = json.loads(first) | {"average_log_probability": value}
    manifest.write_text("\n".join([json.dumps(record), *rest]))
    with pytest.raises(DataError, match=r"average_log_probability is .* expected a number <= 0"):
        list(read_manifest(corpus))
    report, _ = prepared(corpus)
    assert report.rejected == {"MAN-TYPE": 1}


def test_they_are_not_scored_even_as_train(corpus: Path) -> None:
    with pytest.raises(DataError, match="2 of the 3 utterances to score have pseudo-labels"):
        read_split([corpus], "train", None)
