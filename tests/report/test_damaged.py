"""Records that are damaged, foreign or of another version: one message with the path, never more.

Every file that a page is made of, with every kind of damage.
"""

from collections.abc import Callable
from pathlib import Path

import pytest
from known_corpus import card, spoken
from report_folders import analysis, comparison_folder, finished_run, score_run

from mothertongue.data.card import write_card
from mothertongue.data.data_report import DataReport
from mothertongue.errors import DataError
from mothertongue.report.inputs import read_parts
from mothertongue.system.files import write_json
from mothertongue.system.json_files import built


@pytest.fixture(scope="module")
def comparison(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = comparison_folder(tmp_path_factory.mktemp("damaged") / "first")
    write_json(folder / "analysis.json", analysis())
    write_card(folder / "data", built(card(), "card", DataReport))
    for name in ("test", "base-test"):
        score_run(finished_run(folder / "one"), name, spoken())
    return folder


def half(content: bytes) -> bytes:
    return content[: len(content) // 2] + b"\xe1"


def emptied(content: bytes) -> bytes:
    return b"{}"


def of_another_encoding(content: bytes) -> bytes:
    return content.decode().encode("utf-16")


def of_another_kind(content: bytes) -> bytes:
    return b"[null]"


def nested(content: bytes) -> bytes:
    return b"[" * 100_000


DAMAGES = [half, emptied, of_another_encoding, of_another_kind, nested]
OF_COMPARISON = ["comparison.json", "clips.json", "analysis.json"]
OF_RUN = ["record.json", "identity.json", "metrics.jsonl", "eval/test.json", "eval/base-test.json"]
OF_DATA = ["manifest.jsonl", "data_card.json"]


def test_whole_ones_are_read(comparison: Path) -> None:
    assert [len(part.clip_sets) for part in read_parts([comparison, comparison / "one"], [])]


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("name", [*OF_COMPARISON, *OF_RUN, *OF_DATA])
def test_a_damaged_record_is_named(
    comparison: Path, name: str, damage: Callable[[bytes], bytes]
) -> None:
    homes = {"": OF_COMPARISON, "one": OF_RUN, "data": OF_DATA}
    (home,) = [each for each, names in homes.items() if name in names]
    path = comparison / home / name
    whole = path.read_bytes()
    path.write_bytes(damage(whole))
    try:
        with pytest.raises(DataError) as raised:
            read_parts([comparison if home == "" else comparison / "one"], [])
    finally:
        path.write_bytes(whole)
    # Another manifest than the run's own is told before its lines are read.
    assert str(path) in str(raised.value) or name == "manifest.jsonl"


@pytest.mark.parametrize("name", ["grid.yaml", "one/experiment.yaml"])
def test_settings_in_another_encoding_are_named(comparison: Path, name: str) -> None:
    path = comparison / name
    whole = path.read_bytes()
    path.write_bytes("name: é\n".encode("latin-1"))
    try:
        with pytest.raises(DataError, match=r"yaml: damaged.*not UTF-8"):
            read_parts([comparison, comparison / "one"], [])
    finally:
        path.write_bytes(whole)


def test_a_finished_run_without_any_line_of_metrics_is_damaged(comparison: Path) -> None:
    path = comparison / "one/metrics.jsonl"
    whole = path.read_bytes()
    path.write_bytes(b"")
    try:
        with pytest.raises(DataError, match=r"metrics\.jsonl: damaged: no line"):
            read_parts([comparison / "one"], [])
    finally:
        path.write_bytes(whole)
