from pathlib import Path

import pytest
from clips import tone, write_clip

from mothertongue.data.manifest import read_manifest
from mothertongue.data.prepare import PrepareOptions, prepare
from mothertongue.data.sources.base import Rejection, Row
from mothertongue.data.sources.detect import detect
from mothertongue.data.sources.kaldi import KaldiSource
from mothertongue.errors import Fault

FILES = {
    "wav.scp": "r1 a.wav\nr2\tb.wav\n",
    "segments": "u1 r1 0.0 0.5\nu2 r1 0.5 1.25\nu3 r2 0.1 0.4\nu4 r2 0.5 0.9\n",
    "text": "u1 bábá yako\nu2 \u0645\u0631\u062d\u0628\u0627\nu3  mama\u3000wangu \n",
    "utt2spk": "u1 s1\nu2 s2\n",
    "utt2lang": "u2 ar\n",
}


def write(folder: Path, files: dict[str, str]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")
    return folder


def rows(folder: Path, **files: str) -> list[Row | Rejection]:
    changed = {name.replace("_", "."): text for name, text in files.items()}
    return list(KaldiSource(path=write(folder, FILES | changed)).rows())


def test_segments_speakers_and_languages_are_read(tmp_path: Path) -> None:
    text = tmp_path / "text"
    assert rows(tmp_path) == [
        Row(f"{text}:1", "a.wav", "bábá yako", "u1", None, "s1", start_s=0.0, duration_s=0.5),
        Row(f"{text}:2", "a.wav", "مرحبا", "u2", "ar", "s2", start_s=0.5, duration_s=0.75),
        Row(f"{text}:3", "b.wav", "mama\u3000wangu", "u3", start_s=0.1, duration_s=0.3),
        Row(
            f"{tmp_path}/segments:4",
            *("b.wav", None, "u4"),
            start_s=0.5,
            duration_s=0.4,
            aside="untranscribed",
        ),
    ]


# The faults, by (code, text of the message, the files)
ROW_FAULTS = {
    "pipe": ("MAN-COMMAND", "no command of a corpus is run", {"wav_scp": "r1 touch pwned |\n"}),
    "write": ("MAN-COMMAND", "wav.scp:1: a command", {"wav_scp": "r1 | cat > x\n"}),
    "stdin": ("MAN-COMMAND", "a command, '-'", {"wav_scp": "r1 -\n"}),
    "archive": ("MAN-COMMAND", "a place in an archive", {"wav_scp": "r1 raw.ark:42\n"}),
    "no recording": ("MAN-KALDI", "no line of wav.scp is about r1", {"wav_scp": "r9 a.wav\n"}),
    "no segment": ("MAN-KALDI", "no line of segments is about u1", {"segments": "u9 r1 0 1\n"}),
    "fields": ("MAN-RAGGED", "expected RECORDING START END", {"segments": "u1 r1 0\n"}),
    "words": ("MAN-RAGGED", "'r1 a b'", {"segments": "u1 r1 a b\n"}),
    "to the end": ("MAN-SEGMENT", "from 1 s to -1 s", {"segments": "u1 r1 1 -1\n"}),
    "no number": ("MAN-SEGMENT", "from nan s to 1 s", {"segments": "u1 r1 nan 1\n"}),
    "endless": ("MAN-TYPE", "duration_s is 'inf'", {"segments": "u1 r1 0 inf\n"}),
}


@pytest.mark.parametrize("name", ROW_FAULTS)
def test_fault_of_an_utterance_costs_that_one(tmp_path: Path, name: str) -> None:
    code, message, files = ROW_FAULTS[name]
    first = rows(tmp_path, **files)[0]
    assert isinstance(first, Rejection)
    assert (first.code, first.where, first.row["id"]) == (code, f"{tmp_path}/text:1", "u1")
    assert message in first.reason
    assert not (tmp_path / "pwned").exists()


def test_a_name_on_two_lines_and_a_missing_text_are_refused(tmp_path: Path) -> None:
    with pytest.raises(Fault, match=r"MAN-DUP: .*segments:2: u1 is already at .*segments:1"):
        rows(tmp_path, segments="u1 r1 0 1\nu1 r1 1 2\n")
    (tmp_path / "segments").unlink()
    (tmp_path / "text").unlink()
    with pytest.raises(Fault, match=r"wav\.scp, but no text; expected a line UTTERANCE TRANSCRIPT"):
        list(detect(tmp_path).rows())
    (tmp_path / "text").write_bytes(b"u1 caf\xe9\n")
    with pytest.raises(Fault, match="text:1: byte 0xe9"):
        list(detect(tmp_path).rows())


def test_splits_are_the_names_of_folders_and_nothing_is_lost(tmp_path: Path) -> None:
    corpus = tmp_path / "data"
    for number, split in enumerate(("train", "dev", "test")):
        names = [f"{split}{i}" for i in (1, 2)]
        scp = f"{names[0]} wav/{names[0]}.wav\n{names[1]} {names[1]}.wav\n"
        text = "".join(f"{name} neno {name}\n" for name in names)
        write(corpus / split, {"wav.scp": scp, "text": text})
        # One path starts in the given folder, the other in the data directory.
        write_clip(corpus / f"wav/{names[0]}.wav", tone(0.5, 200 + 80 * number))
        write_clip(corpus / split / f"{names[1]}.wav", tone(0.5, 240 + 80 * number))
    with (corpus / "test/text").open("a") as text:
        text.write("test1 neno jingine\n")
    with (corpus / "test/wav.scp").open("a") as scp:
        scp.write(f"test3 {tmp_path}/outside.wav\ntest4 none.wav\n")
    write_clip(tmp_path / "outside.wav", tone())
    options = PrepareOptions(language="sw", workers=1, max_reject_fraction=1)
    report = prepare(detect(corpus), tmp_path / "out", options, lambda text, language: 9)
    assert report.source == "kaldi"
    found = {clip.id: clip.split for clip in read_manifest(tmp_path / "out")}
    trained = dict.fromkeys(("train1", "train2"), "train")
    assert found == trained | {"dev1": "validation", "dev2": "validation", "test2": "test"}
    # test1 has two texts for one sound.
    assert report.rejected == {"MAN-CONFLICT": 2, "AUD-MISSING": 1, "PATH-OUTSIDE": 1}


def test_data_directories_of_other_names_are_told(tmp_path: Path) -> None:
    for name in ("train", "dev", "test_clean"):
        write(tmp_path / name, {"wav.scp": f"{name} a.wav\n", "text": f"{name} neno\n"})
    source = detect(tmp_path)
    assert len(list(source.rows())) == 2
    assert source.remarks == (
        "data directories that were not read: test_clean; name them train, dev or test, or point "
        "at one",
    )
