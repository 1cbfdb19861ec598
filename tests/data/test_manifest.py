import hashlib
import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from mothertongue.data.manifest import (
    Utterance,
    data_digest,
    is_ours,
    manifest_path,
    read_data,
    read_manifest,
    write_manifest,
)
from mothertongue.errors import DataError

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
        f"{tmp_path}/manifest.jsonl: no such manifest; make one with: "
        "mothertongue prepare SOURCE --language CODE --out FOLDER"
    )


def test_a_table_is_no_manifest(tmp_path: Path) -> None:
    table = tmp_path / "corpus.csv"
    table.write_text("audio,text\na.wav,moja\n", encoding="utf-8")
    with pytest.raises(DataError) as caught:
        manifest_path(table)
    assert str(caught.value) == (
        f"{table}: not a manifest, whose name ends in .jsonl; make one with: "
        f"mothertongue prepare {table} --language CODE --out FOLDER"
    )


def save(folder: Path, *ids: str, language: str = "sw") -> Path:
    """A manifest of clips that differ in their ids alone; returns its folder."""
    clips = [Utterance(each, f"audio/{each}.wav", "x", language, 1.0) for each in ids]
    write_manifest(folder / "manifest.jsonl", clips)
    return folder


def test_data_of_one_manifest_has_absolute_audio(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_manifest(tmp_path / "manifest.jsonl", [FULL, BARE])
    expected = [replace(FULL, audio=f"{tmp_path}/audio/a.wav"), BARE]
    assert read_data([tmp_path]) == expected
    monkeypatch.chdir(tmp_path)
    assert read_data([Path()]) == read_data([Path("manifest.jsonl")]) == expected


def test_data_of_several_manifests(tmp_path: Path) -> None:
    twi = save(tmp_path / "twi", "0001", "0002", language="tw")
    yoruba = save(tmp_path / "yoruba", "0002", "0003", language="yo")
    found = read_data([twi, yoruba / "manifest.jsonl"])
    assert [(each.id, each.audio, each.language) for each in found] == [
        ("0001", f"{twi}/audio/0001.wav", "tw"),
        ("twi/0002", f"{twi}/audio/0002.wav", "tw"),
        ("yoruba/0002", f"{yoruba}/audio/0002.wav", "yo"),
        ("0003", f"{yoruba}/audio/0003.wav", "yo"),
    ]


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        (["a", "b"], ["b"], "x/b"),  # two folders of one name
        (["a", "a"], ["c"], "a"),  # twice in one manifest
        (["a", "y/a"], ["a"], "y/a"),  # an id that looks like a prefixed one
    ],
)
def test_ids_that_stay_ambiguous(tmp_path: Path, first, second, expected) -> None:
    other = "y" if "y/" in expected else "x"
    paths = [save(tmp_path / "x", *first), save(tmp_path / "more" / other, *second)]
    with pytest.raises(DataError) as caught:
        read_data(paths)
    assert str(caught.value) == (
        f"{paths[0]}, {paths[1]}: 1 ids are not unique; expected every clip once: give each "
        "manifest once, in folders with different names, and give the clips of a manifest "
        f"different ids:\n  {expected}: 2 times"
    )


@pytest.mark.parametrize("audio", ["{}/a.wav", "../a.wav", "link.wav", "https://x.org/a.wav"])
def test_a_manifest_that_is_not_ours_names_its_own_folder_only(tmp_path: Path, audio: str) -> None:
    folder = tmp_path / "theirs"
    folder.mkdir()
    (tmp_path / "a.wav").touch()
    (folder / "link.wav").symlink_to(tmp_path / "a.wav")
    clip = Utterance("7", audio.format(tmp_path), "x", "sw", 1.0)
    (folder / "manifest.jsonl").write_text(json.dumps(LINE | {"id": "7", "audio": clip.audio}))
    with pytest.raises(DataError) as caught:
        read_data([save(tmp_path / "ours", "a"), folder])
    assert str(caught.value).startswith(f"{folder}/manifest.jsonl: clip 7: '{clip.audio}' ")
    assert str(caught.value).endswith(
        f"mothertongue prepare {folder}/manifest.jsonl --language sw --out FOLDER --allow-outside"
    )
    write_manifest(folder / "manifest.jsonl", [clip])
    assert [each.audio for each in read_data([folder])] == [str(folder / clip.audio)]


def test_a_manifest_that_is_not_ours_may_name_what_lies_in_its_folder(write) -> None:
    path = write(LINE, LINE | {"id": "b", "audio": "x/../a.wav"})
    assert [each.id for each in read_data([path])] == ["a", "b"]


def test_a_manifest_is_ours_by_either_of_our_folders_and_nowhere_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = ("MOTHERTONGUE_CACHE", "XDG_STATE_HOME")
    for name in names:
        monkeypatch.setenv(name, str(tmp_path / name))
    folder = save(tmp_path / "x", "a")
    for name in names:
        with monkeypatch.context() as patch:
            patch.setenv(name, str(tmp_path / "other"))
            assert is_ours(folder)
    for name in names:
        monkeypatch.setenv(name, str(tmp_path / "other"))
    assert not is_ours(folder)
    shutil.copytree(folder, tmp_path / "copy")
    for name in names:
        monkeypatch.setenv(name, str(tmp_path / name))
    assert is_ours(tmp_path / "copy")


def test_where_nothing_can_be_remembered_a_manifest_is_written_and_not_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    for name in ("MOTHERTONGUE_CACHE", "XDG_STATE_HOME"):
        monkeypatch.setenv(name, str(tmp_path / "file"))
    folder = save(tmp_path / "x", "a")
    assert not is_ours(folder)
    assert [each.id for each in read_data([folder])] == ["a"]


def test_data_without_a_manifest(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such manifest"):
        read_data([save(tmp_path / "x", "a"), tmp_path / "nowhere"])


def test_digest_of_one_manifest_is_that_of_its_file(tmp_path: Path) -> None:
    folder = save(tmp_path / "x", "a")
    content = (folder / "manifest.jsonl").read_bytes()
    assert data_digest([folder]) == hashlib.sha256(content).hexdigest()


def test_digest_of_several_manifests_tells_contents_and_order_apart(tmp_path: Path) -> None:
    a, b, c = (save(tmp_path / name, name) for name in "abc")
    digest = data_digest([a, b])
    assert data_digest([save(tmp_path / "moved", "a"), b]) == digest
    assert len({digest, data_digest([b, a]), data_digest([a, c]), data_digest([a])}) == 4
    assert len(digest) == 64


@pytest.mark.parametrize("encoding", ["latin-1", "utf-16"])
def test_another_encoding(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "manifest.jsonl"
    line = json.dumps(LINE | {"text": "é"}, ensure_ascii=False) + "\n"
    path.write_bytes((line * 3).encode(encoding))
    with pytest.raises(DataError, match=r"manifest\.jsonl: not UTF-8 .*; save it as UTF-8, or"):
        list(read_manifest(path))
