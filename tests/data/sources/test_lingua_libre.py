"""Test the names of Lingua Libre's sounds."""

from pathlib import Path

from mothertongue.data.sources.base import Row
from mothertongue.data.sources.detect import detect
from mothertongue.data.sources.lingua_libre import LinguaLibreSource
from mothertongue.data.sources.paired import PairedSource
from mothertongue.data.sources.table import TableSource


def sounds(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return folder


def told(source: object) -> list[tuple[str | None, ...]]:
    assert isinstance(source, LinguaLibreSource)
    rows = [row for row in source.rows() if isinstance(row, Row)]
    return [(row.text, row.speaker, row.language, row.aside) for row in rows]


def test_names_say_the_word_the_speaker_and_the_language(tmp_path: Path) -> None:
    folder = sounds(
        tmp_path,
        "LL-Q7930 (mlg)-Anna B-trano.wav",
        "LL-Q7930_(mlg)-Anna_B-trano_kely.ogg",
        "mg/LL-Q36 (mis)-Ben-été.flac",
    )
    assert told(detect(folder)) == [
        ("trano", "Anna B", "mlg", None),
        ("trano kely", "Anna B", "mlg", None),
        ("été", "Ben", None, None),
    ]


def test_several_hyphens_are_split_behind_a_known_speaker_or_are_for_review(tmp_path: Path) -> None:
    names = ("Anna-trano", "Anna-mora-mora", "Jean-Paul-rano", "Eva-x", "Eva-Anna-x-y")
    folder = sounds(tmp_path, *(f"LL-Q7930 (mlg)-{name}.wav" for name in names), "other.wav")
    source = detect(folder)
    assert told(source) == [
        ("mora-mora", "Anna", "mlg", None),
        ("trano", "Anna", "mlg", None),
        ("Anna-x-y", "Eva", "mlg", None),
        ("x", "Eva", "mlg", None),
        (None, None, None, "untranscribed"),
        (None, None, None, "untranscribed"),
    ]
    assert [each.rpartition(": ")[2] for each in source.remarks] == ["1"]


def test_tables_and_texts_say_more_than_names(tmp_path: Path) -> None:
    folder = sounds(tmp_path, "LL-Q7930 (mlg)-Anna-trano.wav")
    (folder / "LL-Q7930 (mlg)-Anna-trano.txt").write_text("ny trano")
    assert isinstance(detect(folder), PairedSource)
    (folder / "t.csv").write_text("audio,text\nLL-Q7930 (mlg)-Anna-trano.wav,ny trano\n")
    assert isinstance(detect(folder), TableSource)
