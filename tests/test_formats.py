"""Records on disk: their version is written, and one of a newer version is refused."""

from pathlib import Path
from typing import Any

import pytest

from mothertongue.analysis.records import Analysis
from mothertongue.comparison.clips import ClipSet
from mothertongue.comparison.schema import Comparison
from mothertongue.comparison.selection import Selection
from mothertongue.data.card import Card
from mothertongue.diagnosis.records import DoctorRecord
from mothertongue.errors import DataError
from mothertongue.evaluation.records import LongScores, SplitScores
from mothertongue.experiment.records import Identity, RunRecord
from mothertongue.export.records import Verification
from mothertongue.system.files import write_json
from mothertongue.system.json_files import FORMAT_VERSION, read_json

DOCUMENTS = [
    *(
        Analysis,
        Card,
        ClipSet,
        Comparison,
        DoctorRecord,
        Identity,
        LongScores,
        RunRecord,
        Selection,
    ),
    *(SplitScores, Verification),
]


@pytest.mark.parametrize("document", DOCUMENTS)
def test_a_newer_format_is_refused(tmp_path: Path, document: Any) -> None:
    write_json(tmp_path / "x.json", {"format_version": FORMAT_VERSION + 1})
    with pytest.raises(DataError, match=r"x\.json: .* format_version: Input should be 1"):
        read_json(tmp_path / "x.json", document)


def test_a_document_of_a_release_before_the_versions_is_read(tmp_path: Path) -> None:
    write_json(tmp_path / "x.json", {"base_digest": "x", "manifest_sha256": "y"})
    found = read_json(tmp_path / "x.json", Identity)
    assert found == Identity("x", "y")
    write_json(tmp_path / "x.json", found)
    assert '"format_version": 1,' in (tmp_path / "x.json").read_text()
