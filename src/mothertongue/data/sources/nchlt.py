"""Read NCHLT, the speech of South Africa's languages: transcriptions/*.xml beside audio/."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Literal
from xml.etree.ElementTree import Element

from mothertongue.data.annotations.xml_files import parse_xml
from mothertongue.data.sources.base import Rejection, Row, Source, to_row
from mothertongue.data.sources.columns import splits_in_names
from mothertongue.data.sources.json_list import head_of
from mothertongue.errors import Fault


class NchltSource(Source):
    """One language folder of a release, such as `nchlt_zul`.

    `nchlt_zul.trn.xml` is train, `nchlt_zul.tst.xml` is test.
    """

    examples = (
        {
            "transcriptions/nchlt_zul.trn.xml": '<?xml version="1.0" encoding="utf-8"?>\n'
            '<corpus name="nchlt_zul"><speaker id="001" age="30" gender="female" location="KZN">'
            '<recording audio="nchlt_zul/audio/001/a.wav" duration="1.0" md5sum="0" pdp_score="0">'
            "<orth>sawubona</orth></recording></speaker></corpus>\n",
            "transcriptions/nchlt_zul.tst.xml": '<corpus name="nchlt_zul"><speaker id="500">'
            '<recording audio="nchlt_zul/audio/500/b.wav"><orth>yebo</orth></recording>'
            "</speaker></corpus>\n",
            "audio/001/a.wav": "",
            "audio/500/b.wav": "",
        },
    )

    kind: Literal["nchlt"] = "nchlt"
    path: Path
    """The language folder, or one of its files of transcriptions."""

    @classmethod
    def recognizes(cls, path: Path) -> bool:
        """Recognize the corpus by the beginning of its files."""
        heads = map(head_of, _files(path))
        return any(b"<corpus" in head and b"<speaker" in head for head in heads)

    @property
    def root(self) -> Path:
        """Return the language folder."""
        return self.path if self.path.is_dir() else self.path.parent.parent

    def rows(self) -> Iterator[Row | Rejection]:
        files = _files(self.path)
        if not files:
            reason = f"{self.path}: no transcriptions; expected transcriptions/*.xml"
            raise Fault("MAN-FORMAT", reason, "unpack one language's archive to one folder")
        splits = splits_in_names([file.stem for file in files])
        for file in files:
            corpus = parse_xml(file, "corpus", "the corpus' archive")
            for speaker in corpus.iter("speaker"):
                for recording in speaker.iter("recording"):
                    row = _row(file, speaker.get("id"), recording)
                    split = splits[file.stem]
                    yield replace(row, split=split) if isinstance(row, Row) else row


def _files(path: Path) -> list[Path]:
    found = sorted(path.glob("transcriptions/*.xml")) if path.is_dir() else [path]
    return [file for file in found if file.suffix == ".xml" and file.name[0] != "."]


def _row(file: Path, speaker: str | None, recording: Element) -> Row | Rejection:
    # Paths begin with the name that the language folder had in the archive.
    audio = recording.get("audio", "").partition("/")[2]
    fields = {
        "audio": audio,
        "text": recording.findtext("orth"),
        "speaker": speaker,
        "duration_s": recording.get("duration"),
    }
    return to_row(f"{file}:{audio.rpartition('/')[2]}", fields)
