"""Archives, and the folders in folders that they unpack to."""

import subprocess
import tarfile
from pathlib import Path

import pytest

from mothertongue.config import members
from mothertongue.data import sources
from mothertongue.data.sources.archives import unpack_command
from mothertongue.data.sources.base import Row, Source
from mothertongue.data.sources.detect import ReadingOptions, detect
from mothertongue.data.sources.elan import EXAMPLE
from mothertongue.data.sources.textgrid import EXAMPLE as GRID
from mothertongue.errors import Fault

TABLE = "file_name,text\na.wav,habari\n"
FLEURS = next(kind for kind in members(Source, sources) if kind.layout() == "fleurs").examples[0]


def corpus(folder: Path, files: dict[str, str | bytes]) -> Path:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    return folder


def below(files: object, folder: str) -> dict[str, str | bytes]:
    return {f"{folder}/{name}": content for name, content in dict(files).items()}  # type: ignore[call-overload]


@pytest.mark.parametrize(
    ("layout", "files"),
    [
        ("audiofolder", {"metadata.csv": TABLE}),
        ("table", {"clips.csv": "path,text\na.wav,habari\n"}),
        ("kaldi", {"wav.scp": "u a.wav\n", "text": "u habari\n"}),
        ("fleurs", FLEURS),  # the folder above would be taken for tables of splits
    ],
)
def test_the_only_folder_in_a_folder_is_read(
    tmp_path: Path, layout: str, files: dict[str, str | bytes]
) -> None:
    beside = {"corpus-1.0.zip": "PK", "README.md": "# Corpus", ".DS_Store": "", "__MACOSX/._x": ""}
    path = corpus(tmp_path / "corpus", below(below(files, "corpus-1.0"), "archive"))
    corpus(path, {**beside})
    source = detect(path)
    inner = detect(path / "archive/corpus-1.0")
    assert (source.layout(), source.path, source.root) == (layout, inner.path, inner.root)
    assert list(source.rows()) == list(inner.rows())
    assert source.remarks == (
        f"the folder archive/corpus-1.0 was read, the only one in {path}",
        *inner.remarks,
    )
    assert detect(path, ReadingOptions(layout=layout)).path == inner.path


@pytest.mark.parametrize(
    "beside",
    [{"a.csv": TABLE, "b.csv": TABLE}, {"c.wav": ""}, {"other/notes.txt": ""}],
    ids=["tables", "sounds", "folders"],
)
def test_a_folder_beside_data_is_not_read_alone(
    tmp_path: Path, beside: dict[str, str | bytes]
) -> None:
    path = corpus(tmp_path / "corpus", {"in/clips.csv": "path,text\na.wav,habari\n", **beside})
    with pytest.raises(Fault, match=r"MAN-FORMAT: .*a folder with"):
        detect(path)


def test_a_link_to_a_folder_is_not_followed(tmp_path: Path) -> None:
    corpus(tmp_path / "elsewhere", {"clips.csv": "path,text\na.wav,habari\n"})
    (tmp_path / "corpus").mkdir()
    (tmp_path / "corpus/link").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(Fault, match="MAN-FORMAT"):
        detect(tmp_path / "corpus")


def test_a_folder_keeps_its_layout_if_the_inner_one_has_the_same(tmp_path: Path) -> None:
    path = corpus(tmp_path / "field", {"day 1/a.eaf": EXAMPLE, "day 1/a.wav": ""})
    (row,) = detect(path).rows()
    assert isinstance(row, Row)
    assert (detect(path).path, row.audio) == (path, "day 1/a.wav")


@pytest.mark.parametrize(
    ("name", "command"),
    [
        ("my corpus.zip", "unzip '{0}/my corpus.zip' -d '{0}/my corpus'"),
        ("c.tar.gz", "mkdir -p {0}/c && tar -xf {0}/c.tar.gz -C {0}/c"),
        ("c.TGZ", "mkdir -p {0}/c && tar -xf {0}/c.TGZ -C {0}/c"),
        ("c.7z", "7z x {0}/c.7z -o{0}/c"),
        ("c.csv.gz", "gunzip --keep {0}/c.csv.gz"),
    ],
)
def test_an_archive_is_refused_with_the_command_that_unpacks_it(
    tmp_path: Path, name: str, command: str
) -> None:
    path = corpus(tmp_path / "x", {name: "PK"}) / name
    for source in (path, path.parent):
        with pytest.raises(Fault) as caught:
            detect(source)
        expected = f"unpack it first, and give the folder: {command.format(path.parent)}"
        assert (caught.value.code, caught.value.fix) == ("MAN-FORMAT", expected)


def test_the_command_for_tar_unpacks(tmp_path: Path) -> None:
    folder = corpus(tmp_path / "my files", {"a.txt": "habari"})
    with tarfile.open(folder / "two.tar.gz", "w:gz") as packed:
        packed.add(folder / "a.txt", "in/a.txt")
    subprocess.run(unpack_command(folder / "two.tar.gz"), shell=True, check=True)
    assert (folder / "two/in/a.txt").read_text() == "habari"


def test_archives_in_a_corpus_are_told(tmp_path: Path) -> None:
    path = corpus(tmp_path, {"metadata.csv": TABLE, "clips.tar": "", "more.zip": ""})
    (remark,) = detect(path).remarks
    assert remark.startswith("archives that were not read: clips.tar, more.zip; to unpack one: mk")


def test_files_of_other_formats_for_the_same_names_are_told(tmp_path: Path) -> None:
    files = {"d/a.eaf": EXAMPLE, "d/a.TextGrid": GRID, "d/a.wav": ""}
    path = corpus(tmp_path, {**files})
    source = detect(path)
    list(source.rows())
    assert source.layout() == "elan"
    assert source.remarks[0] == (
        "textgrid files for the same names, such as d/a, not read: 1; --source textgrid reads them "
        "instead"
    )
    other = detect(path, ReadingOptions(layout="textgrid"))
    assert [row.text for row in other.rows() if isinstance(row, Row)] == ["habari"]
    assert not any("same names" in each for each in other.remarks)
