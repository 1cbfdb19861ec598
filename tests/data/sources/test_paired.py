from pathlib import Path

import pytest
from clips import tone, write_clip

from mothertongue.data.manifest import read_manifest
from mothertongue.data.prepare import PrepareOptions, prepare
from mothertongue.data.sources.base import Rejection, Row
from mothertongue.data.sources.detect import ReadingOptions, detect
from mothertongue.data.sources.paired import PairedSource
from mothertongue.data.sources.table import TableSource


def write(folder: Path, **texts: str | bytes | None) -> Path:
    """Write a sound and its text for each name; no sound if the name ends with an underscore."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        if not name.endswith("_"):
            (folder / f"{name}.wav").touch()
        if text is not None:
            content = text if isinstance(text, bytes) else text.encode()
            (folder / f"{name.removesuffix('_')}.txt").write_bytes(content)
    return folder


def test_texts_are_read_from_any_depth(tmp_path: Path) -> None:
    write(tmp_path, a="\ufeffhabari\r\n\nyako\n")
    write(tmp_path / "mama/2", b="asante", c=None, d="สวัสดี\r\nครับ\n")
    write(tmp_path / ".git", x="no")
    source = detect(tmp_path)
    assert isinstance(source, PairedSource)
    assert list(source.rows()) == [
        Row(f"{tmp_path}/a.txt:1", audio="a.wav", text="habari yako"),
        Row(f"{tmp_path}/mama/2/b.txt:1", audio="mama/2/b.wav", text="asante"),
        Row(f"{tmp_path}/mama/2/c.wav:1", audio="mama/2/c.wav", aside="untranscribed"),
        Row(f"{tmp_path}/mama/2/d.txt:1", audio="mama/2/d.wav", text="สวัสดีครับ"),
    ]


@pytest.mark.parametrize(("sound", "text"), [("\u00e9", "e\u0301"), ("e\u0301", "\u00e9")])
def test_names_in_two_unicode_forms_are_a_pair(tmp_path: Path, sound: str, text: str) -> None:
    (tmp_path / f"{sound}.wav").touch()
    (tmp_path / f"{text}.txt").write_text("habari")
    assert list(detect(tmp_path).rows()) == [
        Row(f"{tmp_path}/{text}.txt:1", audio=f"{sound}.wav", text="habari")
    ]


def test_what_cannot_be_paired_or_read_is_a_rejection(tmp_path: Path) -> None:
    write(tmp_path, a="ndiyo", b=b"caf\xe9", lost_="peke yake", README_="A corpus.", d="x")
    outside = tmp_path.parent / "secret.txt"
    outside.write_text("siri")
    (tmp_path / "d.txt").unlink()
    (tmp_path / "d.txt").symlink_to(outside)
    found = list(PairedSource(path=tmp_path).rows())
    rejected = {row.where.rsplit("/")[-1]: row for row in found if isinstance(row, Rejection)}
    assert {where: row.code for where, row in rejected.items()} == {
        "b.txt:1": "MAN-ENCODING",
        "d.txt:1": "PATH-OUTSIDE",
        "lost.txt:1": "AUD-MISSING",
    }
    assert "no sound of that name" in rejected["lost.txt:1"].reason
    assert "siri" not in str(rejected)
    assert len(found) == 4


@pytest.mark.parametrize(
    "line",
    [
        "speech\t\t00:00:00.500\t0.5\t00:00:02.500\t2.5\thabari",  # ELAN's tab-delimited text
        "habari\t0,5\t2,5",
        "500\t2500\thabari",
        "0 46797 Habari yako.",  # TIMIT: the first and the last sample
    ],
)
def test_times_in_a_text_are_no_transcript(tmp_path: Path, line: str) -> None:
    write(tmp_path, a=f"Tier\tBegin\n{line}\n", b="Namba 0 46797\t12 na 7:30 9:30\n0 12 moja")
    bad, good = PairedSource(path=tmp_path).rows()
    assert isinstance(bad, Rejection)
    assert (bad.code, repr(line[:20])[1:-1] in bad.reason) == ("MAN-FORMAT", True)
    assert isinstance(good, Row)


def test_split_folders_give_the_splits(tmp_path: Path) -> None:
    for number, split in enumerate(("train", "validation", "test")):
        folder = write(tmp_path / "corpus" / split / "p1", **{f"c{number}": f"neno {split}"})
        write_clip(folder / f"c{number}.wav", tone(0.5, 200 + 80 * number))
    options = PrepareOptions(language="sw", workers=1)
    source = detect(tmp_path / "corpus")
    report = prepare(source, tmp_path / "out", options, lambda text, language: 9)
    assert (report.source, report.rejected) == ("paired", {})
    found = [(clip.split, clip.text) for clip in read_manifest(tmp_path / "out")]
    assert sorted(found) == [(split, f"neno {split}") for split in ("test", "train", "validation")]


def test_a_table_beside_the_texts_is_read_instead(tmp_path: Path) -> None:
    write(tmp_path, a="habari")
    assert isinstance(detect(tmp_path), PairedSource)
    (tmp_path / "corpus.csv").write_text("audio,text\na.wav,asante\n")
    assert isinstance(detect(tmp_path), TableSource)
    assert isinstance(detect(tmp_path, ReadingOptions(layout="paired")), PairedSource)
