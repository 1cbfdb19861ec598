"""The demo's data is what its README says: synthetic, small, and clean between splits."""

import csv
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

from mothertongue.data.manifest import SPLITS, Utterance, read_manifest

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT / "src" / "mothertongue" / "recipes" / "demo_data"
MAX_BYTES = 5_000_000


@pytest.fixture(scope="module")
def utterances() -> list[Utterance]:
    return list(read_manifest(DATA))


@pytest.fixture(scope="module")
def sentences() -> dict[str, str]:
    with (ROOT / "tools" / "demo_sentences.tsv").open(encoding="utf-8", newline="") as file:
        rows = csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
        return {row["text"]: row["split"] for row in rows}


def by_split(utterances: list[Utterance], field: str) -> dict[str, set[str]]:
    values = defaultdict(set)
    for utterance in utterances:
        values[utterance.split].add(getattr(utterance, field))
    return values


def test_is_small() -> None:
    assert sum(path.stat().st_size for path in DATA.rglob("*") if path.is_file()) <= MAX_BYTES


def test_has_the_promised_clips(utterances: list[Utterance]) -> None:
    counts = {split: sum(u.split == split for u in utterances) for split in SPLITS}
    assert counts == {"train": 480, "validation": 30, "test": 50}
    assert len({u.id for u in utterances}) == len(utterances)


def test_says_every_sentence_in_its_split(
    utterances: list[Utterance], sentences: dict[str, str]
) -> None:
    assert {u.text: u.split for u in utterances} == sentences
    texts = by_split(utterances, "text")
    assert {split: len(texts[split]) for split in SPLITS} == {
        "train": 240,
        "validation": 30,
        "test": 50,
    }


def test_shares_no_speaker_between_splits(utterances: list[Utterance]) -> None:
    speakers = by_split(utterances, "speaker")
    assert {split: len(speakers[split]) for split in SPLITS} == {
        "train": 6,
        "validation": 2,
        "test": 3,
    }
    assert len(set.union(*speakers.values())) == 11


def test_shares_no_sentence_between_splits(utterances: list[Utterance]) -> None:
    folded = [(u.split, "".join(filter(str.isalpha, u.text.casefold()))) for u in utterances]
    assert len({text for _, text in folded}) == len(set(folded)) == 320


def test_the_test_words_are_mostly_known_from_train(utterances: list[Utterance]) -> None:
    words = {
        split: [w for u in utterances if u.split == split for w in u.text.casefold().split()]
        for split in SPLITS
    }
    known = set(words["train"])
    share = sum(word in known for word in words["test"]) / len(words["test"])
    assert 0.7 < share < 0.95


def test_is_labelled_synthetic(utterances: list[Utterance]) -> None:
    for utterance in utterances:
        assert utterance.license is not None and "synthetic" in utterance.license
        assert utterance.speaker is not None and utterance.speaker.startswith("espeak-")
        assert utterance.language == "sw"
    assert "synthetic" in (DATA / "README.md").read_text(encoding="utf-8")


def test_every_clip_is_there_and_as_long_as_listed(utterances: list[Utterance]) -> None:
    for utterance in utterances:
        info = sf.info(DATA / utterance.audio)
        assert (info.samplerate, info.channels, info.subtype) == (16_000, 1, "OPUS")
        assert info.frames / info.samplerate == pytest.approx(utterance.duration_s, abs=1e-6)
        assert 1.5 <= utterance.duration_s <= 6.0
    assert {DATA / u.audio for u in utterances} == set((DATA / "audio").iterdir())


def test_clips_decode_to_sound(utterances: list[Utterance]) -> None:
    for utterance in utterances[::10]:
        samples_S, _ = sf.read(DATA / utterance.audio, dtype="float32")
        assert np.isfinite(samples_S).all()
        assert np.sqrt(np.mean(samples_S**2)) > 0.01 and np.abs(samples_S).max() <= 1.05


def test_the_maker_names_a_missing_espeak(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "tools" / "make_demo_data.py", tmp_path / "out"],
        env={"PATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.strip() == "espeak-ng: no such program; apt install espeak-ng"
    assert not (tmp_path / "out").exists()
