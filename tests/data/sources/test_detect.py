"""Test the options of reading, and which sources take them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from clips import tone, write_clip
from pydantic import ValidationError
from workbook_files import workbook

from mothertongue.config import members
from mothertongue.data import sources
from mothertongue.data.manifest import read_manifest
from mothertongue.data.prepare import PrepareOptions, prepare
from mothertongue.data.sources.base import Row, Source
from mothertongue.data.sources.detect import ReadingOptions, detect
from mothertongue.data.sources.lhotse import LhotseSource
from mothertongue.errors import ConfigError

KINDS = members(Source, sources)
TABLE = "audio,text\nclips/a.wav,habari\n"
CUTS = LhotseSource.examples[1]["cuts_test.jsonl"].replace("a.wav", "clips/a.wav")
TABLES: dict[str, Mapping[str, str | bytes]] = {
    "table": {"t.csv": TABLE},
    "tables": {"data/train.csv": TABLE, "data/test.csv": TABLE},
    "audiofolder": {"train/metadata.csv": TABLE, "test/metadata.csv": TABLE},
    "nemo": {"m.json": '{"audio_filepath": "clips/a.wav", "text": "habari"}\n'},
    "kaldi": {"train/wav.scp": "u clips/a.wav\n", "train/text": "u habari\n"},
    "lhotse": {"cuts.jsonl": CUTS},
    "excel": {"t.xlsx": workbook(Clips=[["audio", "text"], ["clips/a.wav", "habari"]])},
    "headerless": {"metadata.csv": "clips/a.wav|habari\n"},
    "json": {"c.json": '[{"audio": "clips/a.wav", "text": "habari"}]'},
    "label_studio": {
        "p.json": '[{"annotations": [{"result": [{"id": "x", "from_name": "t", "type": "textarea",'
        '"value": {"text": ["habari"]}}]}], "data": {"audio": "clips/a.wav"}}]'
    },
}


def corpus(folder: Path, files: Mapping[str, str | bytes]) -> Path:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content.encode() if isinstance(content, str) else content)
    return folder


def test_every_option_is_that_of_some_source() -> None:
    taken = {name for kind in KINDS for name in kind.options}
    values: dict[str, Any] = dict.fromkeys(ReadingOptions.model_fields, "1")
    values |= {"tier": ("1",), "text_field": "transcription", "validated": True}
    assert ReadingOptions(**values).given().keys() == taken


@pytest.mark.parametrize("kind", TABLES)
def test_audio_paths_start_in_the_audio_root(tmp_path: Path, kind: str) -> None:
    tables = corpus(tmp_path / "tables", TABLES[kind])
    write_clip(tmp_path / "sounds/clips/a.wav", tone(1.0))
    source = detect(tables, ReadingOptions(audio_root=tmp_path / "sounds"))
    assert source.layout() == kind
    found = list(source.rows())
    assert found and all(isinstance(row, Row) for row in found), found
    assert {row.audio for row in found if isinstance(row, Row)} == {"clips/a.wav"}
    splits = {row.split for row in found if isinstance(row, Row)}
    assert len(splits) == len(found)
    options = PrepareOptions(language="sw", workers=1, max_reject_fraction=1)
    prepare(source, tmp_path / "out", options, lambda text, language: 9)
    audio = {clip.audio for clip in read_manifest(tmp_path / "out")}
    assert audio <= {str(tmp_path.resolve() / "sounds/clips/a.wav")}
    assert audio or len(found) > 1  # one sound in two splits is a leak


def test_every_source_that_takes_the_audio_root_is_tested() -> None:
    assert {kind.layout() for kind in KINDS if "--audio-root" in kind.options} == set(TABLES)


def test_nothing_outside_the_audio_root_is_read_unless_it_is_allowed(tmp_path: Path) -> None:
    outside, link = tmp_path / "tables/b.wav", tmp_path / "sounds/link.wav"
    lines = ["a.wav,moja", "../tables/b.wav,mbili", f"{outside},tatu", "link.wav,nne"]
    tables = corpus(tmp_path / "tables", {"t.csv": "\n".join(["audio,text", *lines, ""])})
    write_clip(outside, tone(0.5, 300))
    write_clip(tmp_path / "sounds/a.wav", tone(0.5, 200))
    link.symlink_to(outside)
    for allowed, rejected in ((False, {"PATH-OUTSIDE": 3}), (True, {"MAN-CONFLICT": 3})):
        settings = {"language": "sw", "workers": 1, "max_reject_fraction": 1}
        options = PrepareOptions(**settings, allow_outside=allowed)
        source = detect(tables, ReadingOptions(audio_root=tmp_path / "sounds"))
        report = prepare(source, tmp_path / "out", options, lambda text, language: 9)
        assert report.rejected == rejected
        assert [clip.text for clip in read_manifest(tmp_path / "out")] == ["moja"]


def test_an_option_without_effect_is_refused_with_the_sources_that_take_it(tmp_path: Path) -> None:
    corpus(tmp_path, {"a.wav": "", "a.txt": "habari\n"})
    with pytest.raises(ConfigError) as caught:
        detect(tmp_path, ReadingOptions(audio_root=tmp_path))
    assert str(caught.value) == (
        f"{tmp_path}: --audio-root has no effect on a corpus of kind paired, which takes no such "
        "option; expected a corpus of kind audiofolder or excel or headerless or json or "
        "kaldi or label_studio or lhotse or nemo or table or tables; leave it out"
    )
    # A value that a source would take for nothing is still an option that the user gave.
    with pytest.raises(ConfigError, match="--join has no effect on a corpus of kind paired"):
        detect(tmp_path, ReadingOptions(join=0))


def test_an_audio_root_that_is_no_folder_is_refused(tmp_path: Path) -> None:
    corpus(tmp_path, {"t.csv": TABLE})
    for path in (tmp_path / "none", tmp_path / "t.csv"):
        with pytest.raises(ConfigError, match=f"--audio-root {path}: no such folder"):
            detect(tmp_path, ReadingOptions(audio_root=path))


def test_what_was_said_does_not_change() -> None:
    options = ReadingOptions(tier=("words",))
    with pytest.raises(ValidationError, match="frozen"):
        options.tier = ()  # type: ignore[misc]
