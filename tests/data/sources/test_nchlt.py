"""Test the XML transcriptions of NCHLT."""

from pathlib import Path

import pytest
from clips import tone, write_clip

from mothertongue.data.manifest import read_manifest
from mothertongue.data.prepare import PrepareOptions, prepare
from mothertongue.data.sources.base import Rejection, Row
from mothertongue.data.sources.detect import detect
from mothertongue.data.sources.nchlt import NchltSource
from mothertongue.errors import Fault


def recording(name: str, text: str, more: str = "") -> str:
    path = f"nchlt_zul/audio/{name[:3]}/nchlt_zul_{name}.wav"
    return f'<recording audio="{path}" {more}><orth>{text}</orth></recording>'


def xml(**speakers: str) -> str:
    said = "".join(
        f'<speaker id="{name[1:]}" age="-1" gender="female" location="Pretoria">{each}</speaker>'
        for name, each in speakers.items()
    )
    return f'<?xml version="1.0" encoding="utf-8"?>\n<corpus name="nchlt_zul">{said}</corpus>\n'


def corpus(folder: Path, **files: str) -> Path:
    (folder / "transcriptions").mkdir(parents=True)
    for name, text in files.items():
        path = folder / "transcriptions" / f"nchlt_zul.{name}.xml"
        path.write_text(text, encoding="utf-8")
    return folder


def test_the_files_give_the_splits_and_the_speakers(tmp_path: Path) -> None:
    folder = corpus(
        tmp_path / "zulu",
        trn=xml(
            _001=recording("001f_0001", "sawubona &amp; yebo", 'duration="0.5" pdp_score="-1"'),
            _002=recording("002m_0001", "ngiyabonga") + recording("002m_0002", ""),
        ),
        tst=xml(_500=recording("500f_0001", "hamba kahle")),
    )
    (folder / "transcriptions/._nchlt_zul.trn.xml").write_bytes(b"\0\5\x16\7left by macOS")
    for number, name in enumerate(("001f_0001", "002m_0001", "500f_0001")):
        write_clip(folder / f"audio/{name[:3]}/nchlt_zul_{name}.wav", tone(0.5, 200 + 90 * number))
    source = detect(folder)
    assert isinstance(source, NchltSource)
    options = PrepareOptions(language="zu", workers=1, max_reject_fraction=1)
    report = prepare(source, tmp_path / "out", options, lambda text, language: 9)
    assert [(clip.split, clip.speaker, clip.text) for clip in read_manifest(tmp_path / "out")] == [
        ("train", "001", "sawubona & yebo"),
        ("train", "002", "ngiyabonga"),
        ("test", "500", "hamba kahle"),
    ]
    assert report.rejected == {"TXT-EMPTY": 1}
    assert report.first_rejections[0].where.endswith("nchlt_zul.trn.xml:nchlt_zul_002m_0002.wav")
    assert "MAN-DURATION" not in report.notes


def test_one_file_is_a_corpus_without_splits(tmp_path: Path) -> None:
    folder = corpus(tmp_path, trn=xml(_001=recording("001f_0001", "yebo", 'duration="x"')))
    corpus(tmp_path / "b", tst=xml(_001=recording("001f_0001", "yebo")))
    source = detect(tmp_path / "b/transcriptions/nchlt_zul.tst.xml")
    (row,) = source.rows()
    assert isinstance(row, Row)
    assert (source.root, row.audio, row.split) == (
        tmp_path / "b",
        "audio/001/nchlt_zul_001f_0001.wav",
        None,
    )
    (row,) = detect(folder).rows()
    assert isinstance(row, Rejection)
    assert (row.code, row.row["audio"]) == ("MAN-TYPE", "audio/001/nchlt_zul_001f_0001.wav")


@pytest.mark.parametrize("damaged", ["", "<corpus><speaker", "<other/>"])
def test_a_damaged_file_among_others_is_not_left_out(tmp_path: Path, damaged: str) -> None:
    folder = corpus(tmp_path, trn=xml(_001=recording("001f_0001", "yebo")), tst=damaged)
    with pytest.raises(Fault, match=r"MAN-FORMAT: .*nchlt_zul\.tst\.xml: "):
        list(detect(folder).rows())


def test_other_xml_is_no_such_corpus(tmp_path: Path) -> None:
    corpus(tmp_path, trn="<Trans/>")
    assert not NchltSource.recognizes(tmp_path)
