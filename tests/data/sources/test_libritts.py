"""Test the layout of LibriTTS."""

from pathlib import Path

from mothertongue.data.sources.base import Rejection, Row
from mothertongue.data.sources.detect import detect
from mothertongue.data.sources.libritts import LibriTtsSource
from mothertongue.data.sources.paired import PairedSource


def clip(folder: Path, name: str, **texts: str | bytes) -> None:
    """Write a sound, and its texts by their kind: normalized, original."""
    speaker, chapter, *_ = name.split("_")
    chapter_folder = folder / speaker / chapter
    chapter_folder.mkdir(parents=True, exist_ok=True)
    (chapter_folder / f"{name}.wav").touch()
    for kind, text in texts.items():
        content = text if isinstance(text, bytes) else text.encode()
        (chapter_folder / f"{name}.{kind}.txt").write_bytes(content)


def told(path: Path) -> list[tuple[str | None, ...]]:
    source = detect(path)
    assert isinstance(source, LibriTtsSource)
    rows = [row for row in source.rows() if isinstance(row, Row)]
    return [(row.audio, row.text, row.speaker, row.split) for row in rows]


def test_the_normalized_text_is_taken_and_no_list_of_speakers(tmp_path: Path) -> None:
    clip(tmp_path / "train-clean-100", "10_2_0_1", normalized="elfu moja\n", original="1000\n")
    clip(tmp_path / "dev-clean", "11_2_0_1", normalized="ndiyo", original="Ndiyo!")
    (tmp_path / "speakers.tsv").write_text("READER\tGENDER\tSUBSET\tNAME\n10\tF\tx\tAnna\n")
    (tmp_path / "eval_sentences10.tsv").write_text("11_2_0_1\n")
    (tmp_path / "train-clean-100/10/2/10_2.trans.tsv").write_text("10_2_0_1\t1000\telfu moja\n")
    (tmp_path / "NOTE.txt").write_text("About the corpus.")
    assert told(tmp_path) == [
        ("dev-clean/11/2/11_2_0_1.wav", "ndiyo", "11", "validation"),
        ("train-clean-100/10/2/10_2_0_1.wav", "elfu moja", "10", "train"),
    ]
    # One of its splits is a corpus without splits.
    assert told(tmp_path / "dev-clean") == [("11/2/11_2_0_1.wav", "ndiyo", "11", None)]


def test_what_cannot_be_read_costs_its_clip(tmp_path: Path) -> None:
    clip(tmp_path, "10_2_0_1", normalized="habari")
    clip(tmp_path, "10_2_0_2", original="Bila.")
    clip(tmp_path, "10_2_0_3", normalized=b"caf\xe9")
    clip(tmp_path, "10_2_0_4", normalized="peke yake")
    (tmp_path / "10/2/10_2_0_4.wav").unlink()
    good, untranscribed, *bad = LibriTtsSource(path=tmp_path).rows()
    assert isinstance(good, Row) and isinstance(untranscribed, Row)
    assert (good.text, untranscribed.audio, untranscribed.aside) == (
        "habari",
        "10/2/10_2_0_2.wav",
        "untranscribed",
    )
    codes = [row.code for row in bad if isinstance(row, Rejection)]
    assert codes == ["MAN-ENCODING", "AUD-MISSING"]


def test_pairs_of_other_names_are_read_as_before(tmp_path: Path) -> None:
    (tmp_path / "a/b").mkdir(parents=True)
    for name in ("one.wav", "one.txt", "two.normalized.txt"):
        (tmp_path / "a/b" / name).write_text("habari")
    assert isinstance(detect(tmp_path), PairedSource)
