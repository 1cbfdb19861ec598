from pathlib import Path

import pytest
from clips import tone, write_clip

from mothertongue.data.manifest import read_manifest
from mothertongue.data.prepare import PrepareOptions, prepare
from mothertongue.data.sources.base import Rejection, Row
from mothertongue.data.sources.common_voice import CommonVoiceSource
from mothertongue.data.sources.detect import ReadingOptions, detect
from mothertongue.errors import ConfigError, Fault

COLUMNS = "client_id\tpath\tsentence_id\tsentence\tlocale"
# speaker, clip, sentence. `validated` has all of them and four more; those of the published splits
# are one a sentence. `d2` is another reading by a speaker of dev, `x1` one of a sentence of test.
PUBLISHED = {
    "train": [("a", "t1", "Moja."), ("b", "t2", "Mbili.")],
    "dev": [("c", "d1", "Tatu.")],
    "test": [("d", "e1", "Nne.")],
}
MORE = [("a", "v1", "Moja."), ("c", "d2", "Tano."), ("b", "x1", "nne"), ("", "v2", "Sita.")]


def release(folder: Path) -> Path:
    tables = PUBLISHED | {"validated": [clip for clips in PUBLISHED.values() for clip in clips]}
    tables["validated"] += MORE
    for name, clips in tables.items():
        lines = [f"{speaker}\t{clip}.wav\tx\t{text}\tsw" for speaker, clip, text in clips]
        (folder / f"{name}.tsv").write_text("\n".join([COLUMNS, *lines]) + "\n")
    for number, (_, clip, _) in enumerate(tables["validated"]):
        write_clip(folder / "clips" / f"{clip}.wav", tone(0.5, hertz=200 + 40 * number))
    return folder


def rows(folder: Path, **settings: str) -> list[Row]:
    found = list(CommonVoiceSource.model_validate({"path": folder, **settings}).rows())
    assert not any(isinstance(row, Rejection) for row in found)
    return [row for row in found if isinstance(row, Row)]


def test_validated_keeps_the_published_test_and_holds_its_speakers_out(tmp_path: Path) -> None:
    found = rows(release(tmp_path), clips="validated")
    assert [(row.audio, row.split, row.aside) for row in found] == [
        ("clips/d1.wav", "dev", None),
        ("clips/e1.wav", "test", None),
        ("clips/t1.wav", "train", None),
        ("clips/t2.wav", "train", None),
        ("clips/v1.wav", "train", None),
        ("clips/d2.wav", "train", "held-out speaker"),
        ("clips/x1.wav", "train", "held-out sentence"),
        ("clips/v2.wav", "train", None),
    ]
    held_out = {row.speaker for row in found if row.split != "train"}
    trained = {row.speaker for row in found if row.split == "train" and row.aside is None}
    assert held_out == {"c", "d"} and trained == {"a", "b", None}


def test_validated_gains_clips_and_counts_what_it_leaves_out(tmp_path: Path) -> None:
    release(tmp_path)
    options = PrepareOptions(language="sw", workers=1)
    kept = {}
    for validated in (False, True):
        source = detect(tmp_path, ReadingOptions(validated=validated))
        report = prepare(source, tmp_path / "out", options, lambda text, language: 9)
        kept[validated] = [clip.id for clip in read_manifest(tmp_path / "out")]
    assert kept == {
        False: ["t1", "t2", "d1", "e1"],
        True: ["d1", "e1", "t1", "t2", "v1", "v2"],
    }
    assert report.rejected == {}
    assert report.aside == {"held-out sentence": 1, "held-out speaker": 1}
    assert (report.rows, report.kept) == (8, 6)
    # They have a transcript, but must not be trained on, so they are not for review.
    assert (tmp_path / "out/review.jsonl").read_text() == ""


def test_validated_without_published_splits_is_split_anew(tmp_path: Path) -> None:
    release(tmp_path)
    for name in PUBLISHED:
        (tmp_path / f"{name}.tsv").unlink()
    found = rows(tmp_path, clips="validated")
    assert len(found) == 8
    assert {(row.split, row.aside) for row in found} == {(None, None)}


def test_validated_is_refused_where_it_has_no_effect(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("audio,text\n")
    with pytest.raises(ConfigError, match="--validated has no effect on a corpus of kind table"):
        detect(tmp_path / "t.csv", ReadingOptions(validated=True))
    release(tmp_path)
    (tmp_path / "validated.tsv").unlink()
    with pytest.raises(Fault, match=r"none of validated\.tsv"):
        rows(tmp_path, clips="validated")
