"""Test data.jsonl, the facts of the clips of a run."""

import json
from pathlib import Path

import pytest
from clips import tone, write_clip

from mothertongue.data.clip_facts import facts_of, read_facts, write_facts
from mothertongue.data.manifest import Utterance
from mothertongue.errors import DataError


@pytest.fixture
def written(tmp_path: Path) -> Path:
    """Write the facts of two clips; return their file."""
    audio = str(write_clip(tmp_path / "a.wav", tone(0.5, 200)))
    clips = [Utterance(name, audio, "habari", "sw", 0.5) for name in ("a", "b")]
    write_facts(tmp_path / "data.jsonl", facts_of(clips))
    return tmp_path / "data.jsonl"


def test_facts_are_read_as_they_were_written(written: Path) -> None:
    first, second = read_facts(written)
    assert (first.id, second.id) == ("a", "b")
    assert first.sha256 == second.sha256 == first.content()


def test_a_line_of_another_shape_is_named(written: Path) -> None:
    lines = written.read_text("utf-8").splitlines()
    lines[1] = json.dumps(json.loads(lines[1]) | {"size": "large"})
    written.write_text("\n".join(lines), "utf-8")
    with pytest.raises(DataError, match=r"data\.jsonl:2: damaged.*size.*train the run again"):
        read_facts(written)


def test_a_run_without_facts_is_of_an_earlier_version(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="of an earlier version"):
        read_facts(tmp_path / "data.jsonl")
