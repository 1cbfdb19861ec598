import json
from pathlib import Path

import pytest

from mothertongue.errors import DataError
from mothertongue.manifest import Utterance, manifest_path, read_manifest, write_manifest

FULL = Utterance("a", "audio/a.wav", "ሰላም ọ̀ṣọ́", "am", 1.25, 0.5, "test", "speaker 1", "CC0")
BARE = Utterance("b", "/data/b.flac", "", "sw", 30.0)
LINE = {"id": "a", "audio": "a.wav", "text": "x", "language": "sw", "duration_s": 1.0}


@pytest.fixture
def write(tmp_path: Path):
    def write(*lines: object) -> Path:
        path = tmp_path / "manifest.jsonl"
        texts = [line if isinstance(line, str) else json.dumps(line) for line in lines]
        path.write_text("\n".join(texts), encoding="utf-8")
        return path

    return write


def test_round_trip(tmp_path: Path) -> None:
    write_manifest(tmp_path / "manifest.jsonl", [FULL, BARE])
    assert [*read_manifest(tmp_path)] == [FULL, BARE]
    assert [*read_manifest(tmp_path / "manifest.jsonl")] == [FULL, BARE]


def test_line_is_readable_and_leaves_out_what_is_unset(tmp_path: Path) -> None:
    write_manifest(tmp_path / "m.jsonl", [FULL, BARE])
    first, second = (tmp_path / "m.jsonl").read_text("utf-8").splitlines()
    assert "ሰላም ọ̀ṣọ́" in first
    assert "speaker" not in second
    assert "license" not in second


def test_failed_write_leaves_the_old_manifest(tmp_path: Path) -> None:
    def broken():
        yield BARE
        raise RuntimeError

    path = tmp_path / "m.jsonl"
    write_manifest(path, [FULL])
    with pytest.raises(RuntimeError):
        write_manifest(path, broken())
    assert [*read_manifest(path)] == [FULL]


def test_byte_order_mark_and_empty_lines(write) -> None:
    path = write("\ufeff" + json.dumps(LINE), "", "  ", LINE | {"id": "b"}, "")
    assert [each.id for each in read_manifest(path)] == ["a", "b"]


def test_line_separators_inside_a_text(tmp_path: Path) -> None:
    """Python's splitlines would break the line here; JSON does not."""
    text = "one\u2028two\x85three\nfour"
    write_manifest(tmp_path / "m.jsonl", [Utterance("a", "a.wav", text, "sw", 1.0)])
    assert [each.text for each in read_manifest(tmp_path / "m.jsonl")] == [text]


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"id": 7}, "id is 7, expected text"),
        ({"text": None}, "text is None, expected text"),
        ({"duration_s": "1"}, "duration_s is '1', expected seconds >= 0"),
        ({"duration_s": -1}, "duration_s is -1, expected seconds >= 0"),
        ({"duration_s": True}, "duration_s is True, expected seconds >= 0"),
        ({"start_s": float("nan")}, "start_s is nan, expected seconds >= 0"),
        ({"start_s": float("inf")}, "start_s is inf, expected seconds >= 0"),
        ({"split": "dev"}, "split is 'dev', expected one of train, validation, test"),
        (
            {"language": [], "split": 1},
            "language is [], expected text; split is 1, expected one of train, validation, test",
        ),
    ],
)
def test_fault_of_a_field(write, change: dict, fault: str) -> None:
    path = write(LINE, LINE | change)
    with pytest.raises(DataError) as caught:
        [*read_manifest(path)]
    assert str(caught.value) == f"{path}:2: {fault}; run: mothertongue check"


@pytest.mark.parametrize(
    "line", ["{", "[1]", "7", "null", json.dumps(LINE | {"lang": "sw"}), "{}", "[" * 100_000]
)
def test_line_that_is_no_utterance(write, line: str) -> None:
    path = write(LINE, "", line)
    with pytest.raises(DataError) as caught:
        [*read_manifest(path)]
    assert str(caught.value).startswith(f"{path}:3: not an utterance (")
    assert str(caught.value).endswith("); run: mothertongue check")


def test_good_lines_come_before_the_fault(write) -> None:
    lines = read_manifest(write(LINE, "{"))
    assert next(lines).id == "a"


def test_no_manifest(tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        manifest_path(tmp_path)
    assert str(caught.value) == (
        f"{tmp_path}/manifest.jsonl: no such manifest; make one with: mothertongue prepare SOURCE"
    )
