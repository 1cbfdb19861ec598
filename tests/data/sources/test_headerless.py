from collections.abc import Mapping
from pathlib import Path

import pytest
from clips import tone, write_clip

from mothertongue.data.manifest import read_manifest
from mothertongue.data.prepare import PrepareOptions, prepare
from mothertongue.data.sources.audiofolder import AudioFolderSource
from mothertongue.data.sources.base import Rejection, Row
from mothertongue.data.sources.detect import ReadingOptions, detect
from mothertongue.data.sources.headerless import HeaderlessSource
from mothertongue.data.sources.table import TableSource
from mothertongue.errors import Fault


def corpus(folder: Path, files: Mapping[str, str]) -> Path:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return folder


def rows(path: Path, **options: object) -> list[Row]:
    source = detect(path, ReadingOptions.model_validate(options))
    assert isinstance(source, HeaderlessSource)
    found = list(source.rows())
    assert all(isinstance(row, Row) for row in found), found
    return [row for row in found if isinstance(row, Row)]


def told(path: Path, **options: object) -> list[tuple[str | None, ...]]:
    return [(row.audio, row.text, row.speaker, row.split) for row in rows(path, **options)]


def test_ljspeech_has_the_normalized_text(tmp_path: Path) -> None:
    table = (
        "a|Mwaka 1455, ndiyo.|Mwaka elfu moja, ndiyo.\nb|Habari yako.|Habari yako.\nc|Asante.|\n"
    )
    sounds = {f"wavs/{name}.wav": "" for name in "abc"}
    folder = corpus(tmp_path, {"metadata.csv": table, **sounds})
    expected = [
        ("wavs/a.wav", "Mwaka elfu moja, ndiyo.", None, None),
        ("wavs/b.wav", "Habari yako.", None, None),
        ("wavs/c.wav", "Asante.", None, None),
    ]
    assert told(folder) == told(folder / "metadata.csv") == expected
    source = HeaderlessSource(path=folder)
    assert [row.where for row in source.rows()][1] == f"{folder}/metadata.csv:2"
    assert source.remarks == (
        "the third of three fields is taken as the text: the second one, normalized",
    )


@pytest.mark.parametrize(
    ("ids", "sounds"),
    [
        (("a", "b"), ("wav/a.wav", "wav/b.wav")),
        (("a", "b"), ("wavs/a.flac", "wavs/b.WAV")),
        (("a.wav", "b.wav"), ("wavs/a.wav", "wav/b.wav")),
        (("a.v2", "b.v2"), ("wav/a.v2.mp3", "b.v2.ogg")),
        (("wavs/a.wav", "wavs/b.wav"), ("wavs/a.wav", "wavs/b.wav")),
        (("x{0}", "y{1!r}"), ("wav/x{0}.wav", "wav/y{1!r}.wav")),
    ],
)
def test_pipers_ids_with_and_without_an_extension(
    tmp_path: Path, ids: tuple[str, str], sounds: tuple[str, str]
) -> None:
    table = f'{ids[0]}|Alisema "habari\n{ids[1]}|asante\n'
    folder = corpus(tmp_path, {"metadata.csv": table, **dict.fromkeys(sounds, "")})
    first, second = sounds
    assert told(folder) == [(first, 'Alisema "habari', None, None), (second, "asante", None, None)]


def test_pipers_speakers_are_those_with_several_texts(tmp_path: Path) -> None:
    table = "a|anna|habari\nb|ben|asante\nc|anna|jambo\n"
    folder = corpus(tmp_path, {"metadata.csv": table, "wav/a.wav": "", "wav/b.wav": ""})
    assert [(text, speaker) for _, text, speaker, _ in told(folder)] == [
        ("habari", "anna"),
        ("asante", "ben"),
        ("jambo", "anna"),
    ]
    source = HeaderlessSource(path=folder)
    list(source.rows())
    assert source.remarks == ("the second of three fields is taken as the speaker",)
    # A split with each speaker once is read as the others.
    (folder / "metadata.csv").unlink()
    corpus(folder, {"train/metadata.csv": table, "test/metadata.csv": "d|eva|njema\n"})
    assert [(speaker, split) for _, _, speaker, split in told(folder)] == [
        ("eva", "test"),
        ("anna", "train"),
        ("ben", "train"),
        ("anna", "train"),
    ]


def test_three_fields_that_do_not_say_what_they_are_are_refused(tmp_path: Path) -> None:
    corpus(tmp_path, {"metadata.csv": "a|anna|habari\nb|ben|asante\n", "wavs/a.wav": ""})
    with pytest.raises(Fault, match=r"MAN-COLUMN: .*may be a speaker, or the text as"):
        list(detect(tmp_path).rows())


def test_a_speaker_behind_the_text_is_not_taken_for_the_text(tmp_path: Path) -> None:
    prompts = ("habari yako leo", "asante sana rafiki")
    table = "".join(
        f"{who}{i}|{x}|{who}\n" for who in ("ana", "ben") for i, x in enumerate(prompts)
    )
    corpus(tmp_path, {"metadata.csv": table, "wavs/ana0.wav": ""})
    with pytest.raises(Fault, match="MAN-COLUMN"):
        list(detect(tmp_path).rows())


def test_librispeech_has_speakers_and_splits_in_its_folders(tmp_path: Path) -> None:
    files = {
        "train-clean-100/10/20/10-20.trans.txt": "10-20-0000 HABARI YAKO\n10-20-0001 ASANTE SANA\n",
        "train-clean-100/10/20/10-20-0000.flac": "",
        "train-clean-100/10/20/10-20-0001.flac": "",
        "dev-clean/11/21/11-21.trans.txt": "11-21-0000 NDIYO\n",
        "dev-clean/11/21/11-21-0000.wav": "",
        "test-other/12/22/12-22.trans.txt": "12-22-0000 HAPANA\n",
        "test-other/12/22/12-22-0000.flac": "",
        "test-other/12/22/._12-22.trans.txt": "left by macOS\n",
        "SPEAKERS.TXT": "; about the readers\n",
    }
    folder = corpus(tmp_path, files)
    assert told(folder) == [
        ("dev-clean/11/21/11-21-0000.wav", "NDIYO", "11", "validation"),
        ("test-other/12/22/12-22-0000.flac", "HAPANA", "12", "test"),
        ("train-clean-100/10/20/10-20-0000.flac", "HABARI YAKO", "10", "train"),
        ("train-clean-100/10/20/10-20-0001.flac", "ASANTE SANA", "10", "train"),
    ]
    # One of its splits is a corpus without splits.
    assert told(folder / "dev-clean") == [("11/21/11-21-0000.wav", "NDIYO", "11", None)]
    assert told(folder / "dev-clean/11/21/11-21.trans.txt") == [
        ("11-21-0000.wav", "NDIYO", "11", None)
    ]


def test_mls_has_folders_of_speakers_and_books(tmp_path: Path) -> None:
    files = {}
    for split, name in (("train", "10_20_000001"), ("dev", "11_21_000002"), ("test", "12_22_3")):
        speaker, book, _ = name.split("_")
        files[f"{split}/transcripts.txt"] = f"{name}\tneno la {name}\n"
        files[f"{split}/audio/{speaker}/{book}/{name}.opus"] = ""
    assert told(corpus(tmp_path, files)) == [
        ("dev/audio/11/21/11_21_000002.opus", "neno la 11_21_000002", "11", "validation"),
        ("test/audio/12/22/12_22_3.opus", "neno la 12_22_3", "12", "test"),
        ("train/audio/10/20/10_20_000001.opus", "neno la 10_20_000001", "10", "train"),
    ]


def test_openslr_has_its_sounds_beside_below_and_in_shards(tmp_path: Path) -> None:
    table = "swf_0001_00000000012 \t habari\nswf_0001_00000000013\t\tasante\n"
    sounds = ("wavs/swf_0001_00000000012.wav", "swf_0001_00000000013.wav")
    one = corpus(tmp_path / "one", {"line_index.tsv": table, **dict.fromkeys(sounds, "")})
    assert told(one) == [
        (sounds[0], "habari", "swf_0001", None),
        (sounds[1], "asante", "swf_0001", None),
    ]
    table = '00a1\t5ffe\tAlisema "habari\nfb02\t5fff\tasante\n'
    sounds = ("data/00/00a1.flac", "data/fb/fb02.flac")
    two = corpus(tmp_path / "two", {"utt_spk_text.tsv": table, **dict.fromkeys(sounds, "")})
    assert told(two) == told(two / "utt_spk_text.tsv")
    assert told(two) == [
        (sounds[0], 'Alisema "habari', "5ffe", None),
        (sounds[1], "asante", "5fff", None),
    ]


@pytest.mark.parametrize(
    ("name", "table"),
    [
        ("line_index.tsv", "swf_0001_01\thabari\tyako\na\tb\tc\td\n"),
        ("utt_spk_text.tsv", "a\thabari\nb\n"),
        ("dev/transcripts.txt", "1_2_3\thabari\tyako\n1_2_4\n"),
    ],
)
def test_a_tab_in_a_text_takes_nothing_away_from_it(tmp_path: Path, name: str, table: str) -> None:
    folder = corpus(tmp_path, {name: table, "dev/audio/x.wav": ""})
    found = list(HeaderlessSource(path=folder / name).rows())
    assert [row.code for row in found if isinstance(row, Rejection)] == ["MAN-RAGGED"] * 2


def test_vivos_has_folders_of_speakers(tmp_path: Path) -> None:
    files = {
        "train/prompts.txt": "SPK01_R001 HABARI YAKO\n",
        "train/waves/SPK01/SPK01_R001.wav": "",
        "test/prompts.txt": "DEV02_R003  ASANTE\n",
        "test/waves/DEV02/DEV02_R003.wav": "",
    }
    assert told(corpus(tmp_path, files)) == [
        ("test/waves/DEV02/DEV02_R003.wav", "ASANTE", "DEV02", "test"),
        ("train/waves/SPK01/SPK01_R001.wav", "HABARI YAKO", "SPK01", "train"),
    ]


def test_what_is_unlike_the_layout_costs_its_row(tmp_path: Path) -> None:
    lines = ["good|habari yako", "gone|asante", "empty|", "alone", "one|a|b", "|njema"]
    folder = corpus(tmp_path / "corpus", {"metadata.csv": "\n".join(lines)})
    for number, name in enumerate(("good", "empty", "alone", "one")):
        write_clip(folder / f"wavs/{name}.wav", tone(0.5, 200 + number))
    write_clip(tmp_path / "outside.wav", tone(0.5, 300))
    with (folder / "metadata.csv").open("a") as table:
        table.write("\n../../outside.wav|nje\n")
    settings = PrepareOptions(language="sw", workers=1, max_reject_fraction=1)
    report = prepare(detect(folder), tmp_path / "out", settings, lambda text, language: 9)
    assert [clip.id for clip in read_manifest(tmp_path / "out")] == ["good"]
    expected = {"AUD-MISSING": 2, "TXT-EMPTY": 1, "MAN-RAGGED": 2, "PATH-OUTSIDE": 1}
    assert report.rejected == expected
    assert f"{folder}/wavs/gone.wav" in (tmp_path / "out/rejected.jsonl").read_text()


def test_a_corpus_whose_first_sound_is_missing_is_read(tmp_path: Path) -> None:
    folder = corpus(tmp_path, {"metadata.csv": "a|habari\nb|asante\n", "wavs/b.wav": ""})
    assert [row.text for row in rows(folder)] == ["habari", "asante"]


def test_a_word_that_is_also_a_columns_name_is_a_text(tmp_path: Path) -> None:
    folder = corpus(tmp_path, {"metadata.csv": "a|start\nb|end\n", "wavs/a.wav": ""})
    assert [row.text for row in rows(folder)] == ["start", "end"]


@pytest.mark.parametrize(
    ("name", "table", "kind"),
    [
        ("metadata.csv", "file_name|text\na.wav|habari\n", AudioFolderSource),
        ("metadata.csv", "file_name|speaker|text\na.wav|s|habari\n", AudioFolderSource),
        ("metadata.csv", "clip|words\na.wav|habari\n", AudioFolderSource),
        ("metadata.csv", "a.wav,habari\n", AudioFolderSource),
        ("metadata.csv", "a|b|c|d\n", AudioFolderSource),
        ("line_index.tsv", "path\tsentence\na.wav\thabari\n", TableSource),
        ("line_index.tsv", "clip\twords\na.wav\thabari\n", TableSource),
        ("utt_spk_text.tsv", "", TableSource),
        ("other.csv", "a|habari\n", TableSource),
    ],
)
def test_a_table_with_a_header_and_other_tables_are_read_as_before(
    tmp_path: Path, name: str, table: str, kind: type
) -> None:
    folder = corpus(tmp_path, {name: table, "a.wav": ""})
    assert type(detect(folder)) is kind
    options = ReadingOptions(audio_column="clip", text_column="words")
    if "clip" in table:
        assert [getattr(row, "text", None) for row in detect(folder, options).rows()] == ["habari"]


def test_a_table_of_another_encoding_is_refused_with_its_place(tmp_path: Path) -> None:
    (tmp_path / "metadata.csv").write_bytes(b"a|caf\xe9\n")
    with pytest.raises(Fault, match=r"metadata\.csv:1: byte 0xe9 at byte offset 5 is not UTF-8"):
        list(detect(tmp_path).rows())
    corpus(tmp_path / "mls", {"dev/audio/1/2/1_2_3.flac": ""})
    (tmp_path / "mls/dev/transcripts.txt").write_bytes(b"1_2_3\tcaf\xe9\n")
    with pytest.raises(Fault, match=r"dev/transcripts\.txt:1: byte 0xe9"):
        list(detect(tmp_path / "mls").rows())


def test_a_damaged_table_among_others_is_not_left_out(tmp_path: Path) -> None:
    folder = corpus(tmp_path, {"line_index_female.tsv": "a\thabari\n", "a.wav": ""})
    (folder / "line_index_male.tsv").write_bytes(b"b\tcaf\xe9\n")
    with pytest.raises(Fault, match=r"line_index_male\.tsv:1: byte 0xe9"):
        list(detect(folder).rows())


def test_what_is_no_such_corpus_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Fault, match="no table without a header; expected metadata"):
        list(HeaderlessSource(path=tmp_path).rows())
    # The names alone do not tell: MLS and VIVOS have a folder of sounds beside the table.
    corpus(tmp_path, {"train/transcripts.txt": "a\thabari\n", "train/prompts.txt": "a habari\n"})
    assert not HeaderlessSource.recognizes(tmp_path)


def test_such_a_corpus_may_be_a_part_of_a_mixture(tmp_path: Path) -> None:
    cue = "1\n00:00:00,100 --> 00:00:00,900\nasante\n"
    files = {"lj/metadata.csv": "a|habari\n", "lj/wavs/a.wav": "", "s/b.srt": cue, "s/b.wav": ""}
    source = detect(corpus(tmp_path, files))
    found = [row for row in source.rows() if isinstance(row, Row)]
    assert source.layout() == "mixed"
    assert sorted(f"{row.home or source.root}/{row.audio}" for row in found) == [
        f"{tmp_path}/lj/wavs/a.wav",
        f"{tmp_path}/s/b.wav",
    ]


def test_sounds_may_be_elsewhere_in_the_same_folders(tmp_path: Path) -> None:
    tables = corpus(
        tmp_path / "tables",
        {
            "train/1/2/1-2.trans.txt": "1-2-0 HABARI\n",
            "test/3/4/3-4.trans.txt": "3-4-0 ASANTE\n",
        },
    )
    sounds = corpus(tmp_path / "s", {"train/1/2/1-2-0.mp3": "", "test/3/4/3-4-0.mp3": ""})
    source = detect(tables, ReadingOptions(audio_root=sounds))
    found = [row for row in source.rows() if not isinstance(row, Rejection)]
    assert [row.audio for row in found] == ["test/3/4/3-4-0.mp3", "train/1/2/1-2-0.mp3"]
    assert source.root == sounds
