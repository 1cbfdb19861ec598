"""Records on disk: their version is written, and one of a newer version is refused."""

from pathlib import Path
from typing import Any

import pytest

from mothertongue.comparison.schema import Comparison
from mothertongue.data.manifest import Card
from mothertongue.errors import DataError
from mothertongue.experiment.records import (
    Analysis,
    ClipSet,
    Identity,
    RunRecord,
    Scores,
    Selection,
)
from mothertongue.system.files import write_json
from mothertongue.system.json_files import FORMAT_VERSION, read_json

RECORDS = [Analysis, Card, ClipSet, Comparison, Identity, RunRecord, Scores, Selection]


@pytest.mark.parametrize("record", RECORDS)
def test_a_newer_format_is_refused(tmp_path: Path, record: Any) -> None:
    write_json(tmp_path / "x.json", {"format_version": FORMAT_VERSION + 1})
    with pytest.raises(DataError, match=r"x\.json: .* format_version: Input should be 1"):
        read_json(tmp_path / "x.json", record)


@pytest.mark.parametrize("record", [Identity, Selection])
def test_a_record_of_a_release_before_the_versions_is_read(tmp_path: Path, record: Any) -> None:
    value = {"base_digest": "x", "manifest_sha256": "y", "choices": []}
    write_json(tmp_path / "x.json", value)
    assert read_json(tmp_path / "x.json", record) == value
