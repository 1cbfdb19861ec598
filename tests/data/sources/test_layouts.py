import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

import pytest
import soundfile
from tiny import noise

from mothertongue.config import members
from mothertongue.data import sources
from mothertongue.data.manifest import Utterance, write_manifest
from mothertongue.data.sources.audiofolder import AudioFolderSource
from mothertongue.data.sources.base import Rejection, Row, Source
from mothertongue.data.sources.common_voice import CommonVoiceSource
from mothertongue.data.sources.detect import detect
from mothertongue.data.sources.fleurs import FleursSource
from mothertongue.data.sources.manifest import ManifestSource
from mothertongue.data.sources.table import TableSource
from mothertongue.errors import Fault, MothertongueError


def write(path: Path, content: str | bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def fleurs(folder: Path) -> Path:
    line = '1\t{}.wav\tHe said "yes.\the said yes\th e | s\t32000\tMALE\n'
    for split in ("train", "dev", "test"):
        write(folder / f"{split}.tsv", line.format(f"{split}1") + line.format(f"{split}2"))
    (folder / "audio").mkdir()
    return folder


def common_voice(folder: Path) -> Path:
    header = "client_id\tpath\tsentence_id\tsentence\tlocale\n"
    for name in ("train", "dev", "test", "validated"):
        write(folder / f"{name}.tsv", f'{header}s-{name}\t{name}.mp3\tx1\t"Ndiyo\tsw\n')
    (folder / "clips").mkdir()
    return folder


def audio_folder(folder: Path) -> Path:
    for split in ("train", "dev"):
        write(folder / split / "metadata.csv", "file_name,transcription\na.wav,hi\n")
    return folder


def manifest(folder: Path) -> Path:
    folder.mkdir()
    clip = Utterance("1", "/data/a.wav", "hi", "sw", 1.0, split="test", speaker="s")
    write_manifest(folder / "manifest.jsonl", [clip])
    return folder


KINDS = members(Source, sources)


def made(folder: Path, example: Mapping[str, str | bytes]) -> Path:
    """An example's files, the sounds with a second of noise."""
    for name, content in example.items():
        path = write(folder / name, content)
        if path.suffix == ".wav":
            soundfile.write(path, noise(1.0), 16_000)
    return folder


@pytest.mark.parametrize(
    ("kind", "example"),
    [
        pytest.param(kind, example, id=f"{kind.model_fields['kind'].default}-{number}")
        for kind in KINDS
        for number, example in enumerate(kind.examples)
    ],
)
def test_every_example_is_recognized_and_read(
    tmp_path: Path, kind: type[Source], example: Mapping[str, str | bytes]
) -> None:
    source = detect(made(tmp_path / "corpus", example))
    assert type(source) is kind
    rows = list(source.rows())
    assert rows and all(isinstance(row, Row) for row in rows)
    for row in rows:
        assert row.text and ((row.home or source.root) / row.audio).is_file(), row


APPLE_DOUBLE = b"\0\5\x16\7\0\2\0\0Mac OS X        \0\2\0\0\0\x09\0\0\0\x32\xff\xfe"


def with_junk(folder: Path) -> Path:
    """The folder, with what macOS, Windows and Jupyter leave beside files."""
    for file in [each for each in folder.rglob("*") if each.is_file()]:
        below = file.relative_to(folder)
        write(file.with_name(f"._{file.name}"), APPLE_DOUBLE)
        write(folder / "__MACOSX" / below.with_name(f"._{file.name}"), APPLE_DOUBLE)
        write(folder / "__MACOSX" / folder.name / below.with_name(f"._{file.name}"), APPLE_DOUBLE)
        copy = file.parent / ".ipynb_checkpoints" / f"{file.stem}-checkpoint{file.suffix}"
        write(copy, file.read_bytes())
        for name in (".DS_Store", "Thumbs.db", "desktop.ini"):
            write(file.with_name(name), APPLE_DOUBLE)
    return folder


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.layout())
def test_what_operating_systems_leave_is_not_read(tmp_path: Path, kind: type[Source]) -> None:
    for number, example in enumerate(kind.examples):
        folder = made(tmp_path / f"{number}/corpus", example)
        source = detect(folder)
        clean = list(source.rows()), source.remarks
        source = detect(with_junk(folder))
        assert type(source) is kind
        assert (list(source.rows()), source.remarks) == clean


DAMAGES: dict[str, Callable[[bytes], bytes | None]] = {
    "empty": lambda data: b"",
    "cut": lambda data: data[: len(data) // 2],
    "binary": lambda data: b"\xff\x00\x80" * 100,
    "deep": lambda data: b"[" * 100_000,
    "another header": lambda data: b"x" + data,
    "another kind": lambda data: b'{"id": 1, "start": [], "sources": {}, "data": null}\n',
    "gone": lambda data: None,
}


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.layout())
def test_a_damaged_file_is_a_message_or_a_rejection(
    tmp_path: Path, kind: type[Source], damage: str
) -> None:
    for number, example in enumerate(kind.examples):
        for name, whole in example.items():
            if not whole:
                continue
            folder = made(tmp_path / f"{number}-{name.replace('/', '-')}", example)
            content = DAMAGES[damage](whole.encode() if isinstance(whole, str) else whole)
            if content is None:
                (folder / name).unlink()
            else:
                (folder / name).write_bytes(content)
            with suppress(MothertongueError):
                for row in detect(folder).rows():
                    assert isinstance(row, Row) or (row.code and row.reason and row.fix)


def test_every_source_has_an_example() -> None:
    assert KINDS and all(kind.examples for kind in KINDS)


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_is_recognized_in_an_empty_folder_or_where_nothing_is(
    tmp_path: Path, kind: type[Source]
) -> None:
    assert not kind.recognizes(tmp_path)
    assert not kind.recognizes(tmp_path / "nothing")


def test_fleurs_rows(tmp_path: Path) -> None:
    path = fleurs(tmp_path / "sw_ke")
    first, second, *_ = FleursSource(path=path).rows()
    assert first == Row(
        f"{path}/train.tsv:1",
        audio="audio/train/train1.wav",
        text="he said yes",
        split="train",
        duration_s=2.0,
        sentence_id="1",
    )
    assert isinstance(second, Row)
    assert second.id is None
    raw = next(FleursSource(path=path, text="raw_transcription").rows())
    assert isinstance(raw, Row)
    assert raw.text == 'He said "yes.'
    write(path / "dev.tsv", "1\ta.wav\tonly three\n")
    faults = [row for row in FleursSource(path=path).rows() if isinstance(row, Rejection)]
    assert [(fault.code, fault.where) for fault in faults] == [("MAN-RAGGED", f"{path}/dev.tsv:1")]
    assert faults[0].row["split"] == "dev"


def test_common_voice_rows(tmp_path: Path) -> None:
    path = common_voice(tmp_path / "sw")
    rows = list(CommonVoiceSource(path=path).rows())
    assert rows[1] == Row(
        f"{path}/dev.tsv:2",
        audio="clips/dev.mp3",
        text='"Ndiyo',
        language="sw",
        speaker="s-dev",
        split="dev",
    )


def test_common_voice_with_validated_only_is_split_anew(tmp_path: Path) -> None:
    path = common_voice(tmp_path / "sw")
    for name in ("train", "dev", "test"):
        (path / f"{name}.tsv").unlink()
    source = detect(path)
    assert isinstance(source, CommonVoiceSource)
    assert source.clips == "validated"
    with pytest.raises(Fault, match=r"none of train.tsv, dev.tsv, test.tsv"):
        list(CommonVoiceSource(path=path).rows())


def test_audio_folder_with_split_folders(tmp_path: Path) -> None:
    path = audio_folder(tmp_path / "corpus")
    assert list(AudioFolderSource(path=path).rows()) == [
        Row(f"{path}/dev/metadata.csv:2", audio="dev/a.wav", text="hi", split="dev"),
        Row(f"{path}/train/metadata.csv:2", audio="train/a.wav", text="hi", split="train"),
    ]


def test_audio_folder_with_one_table_takes_splits_from_paths(tmp_path: Path) -> None:
    write(tmp_path / "metadata.csv", "file_name,text\ntest/a.wav,hi\nother/b.wav,yo\n")
    rows = list(AudioFolderSource(path=tmp_path).rows())
    assert [row.split for row in rows if isinstance(row, Row)] == ["test", None]


def test_two_metadata_files_are_one_too_many(tmp_path: Path) -> None:
    for name in ("metadata.csv", "metadata.jsonl"):
        write(tmp_path / name, "")
    with pytest.raises(Fault, match=r"metadata.csv and metadata.jsonl; expected one of them"):
        list(AudioFolderSource(path=tmp_path).rows())
    with pytest.raises(Fault, match="no metadata file"):
        list(AudioFolderSource(path=tmp_path.parent).rows())


def test_audio_root_moves_where_a_tables_paths_start(tmp_path: Path) -> None:
    path = write(tmp_path / "t.csv", "audio,text\na.wav,hi\n")
    assert TableSource(path=path).root == tmp_path
    assert TableSource(path=path, audio_root=tmp_path / "x").root == tmp_path / "x"


def test_manifest_with_a_foreign_field_rejects_that_row(tmp_path: Path) -> None:
    path = manifest(tmp_path / "out") / "manifest.jsonl"
    with path.open("a") as file:
        file.write('{"id": "2", "audio": "b.wav", "text": "x", "speakr": "s"}\n')
    good, bad = ManifestSource(path=path).rows()
    assert isinstance(good, Row)
    assert (good.audio, good.split) == ("/data/a.wav", "test")
    assert isinstance(bad, Rejection)
    assert bad.code == "MAN-FIELD"
    assert "unknown field 'speakr'" in bad.reason


@pytest.mark.parametrize(
    ("make", "seen"),
    [
        (lambda path: path, "no such file or folder"),
        (lambda path: write(path / "a.wav", "").parent, "a folder with a.wav;"),
        (lambda path: write(path.with_suffix(".docx"), ""), "a .docx file"),
        (lambda path: os.mkfifo(path) or path, "neither a file nor a folder"),
        (
            lambda path: [write(path / f"{n:02}.csv", "audio,text\n") for n in range(20)] and path,
            "11.csv and 8 more",
        ),
    ],
)
def test_what_is_no_layout_is_described(tmp_path: Path, make, seen: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(Fault) as caught:
        detect(make(tmp_path / "corpus"))
    assert caught.value.code == "MAN-FORMAT"
    assert seen in f"{caught.value.reason};"
