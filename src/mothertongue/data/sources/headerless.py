"""Read tables without a header.

LJSpeech, Piper, M-AILABS, LibriSpeech, MLS, OpenSLR, VIVOS and Kathbath have them.
"""

import os
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from itertools import chain, islice
from pathlib import Path
from typing import Literal

from mothertongue.data.sources.audiofolder import unread_remarks
from mothertongue.data.sources.base import ROOT_OPTIONS, Rejection, Row, Source, reject, to_row
from mothertongue.data.sources.columns import COLUMN_NAMES, split_in, splits_in_names
from mothertongue.data.sources.places import Places
from mothertongue.data.sources.readers import read_lines
from mothertongue.data.text_cleaning import sentence_key
from mothertongue.errors import Fault

KNOWN_NAMES = frozenset(name for names in COLUMN_NAMES.values() for name in names)
Second = Literal["speaker", "text"]
"""The second of three fields."""
OFTEN = 0.1  # of the rows
TAKEN = {
    "speaker": "the second of three fields is taken as the speaker",
    "text": "the third of three fields is taken as the text: the second one, normalized",
}


@dataclass(frozen=True, slots=True)
class Layout:
    """The tables of a corpus, by the pattern of their paths, and the places of its sounds.

    A line has an id, in some layouts a speaker, and the text: `widths` are the numbers of fields.
    It may begin with fields that are `skipped`. Places are those of `Places`, without a suffix. The
    first group of `speaker` is the speaker's part of an id; that of `reader` is the speaker in the
    path of the table's folder. `beside` is a folder beside each table, for tables that their names
    alone do not tell.
    """

    tables: str
    delimiter: str
    widths: tuple[int, ...]
    places: tuple[str, ...]
    speaker: re.Pattern[str] | None = None
    beside: str | None = None
    skipped: int = 0
    second: Second = "speaker"
    reader: re.Pattern[str] | None = None


LJSPEECH = Layout("metadata.csv", "|", (2, 3), ("wavs/{id}", "wav/{id}", "{id}"))  # also Piper's
OPENSLR_PLACES = ("wavs/{id}", "{id}", "data/{id:.2}/{id}")
OPENSLR_SPEAKER = re.compile(r"([a-z]+_\d+)_\d")  # of swf_0001_0000000001
LAYOUTS = (
    LJSPEECH,
    replace(
        LJSPEECH,  # M-AILABS
        tables="by_book/**/metadata.csv",
        second="text",
        reader=re.compile(r"(?:^|/)by_book/(?:fe)?male/([^/]+)/"),
    ),
    Layout("line_index*.tsv", "\t", (2, 3), OPENSLR_PLACES, OPENSLR_SPEAKER),
    Layout("line_index*.csv", ",", (2,), (*OPENSLR_PLACES, "*/{id}"), OPENSLR_SPEAKER, skipped=1),
    Layout("utt_spk_text.tsv", "\t", (3,), OPENSLR_PLACES),
    # LibriSpeech, MLS (Multilingual LibriSpeech), VIVOS, Kathbath
    Layout("*/*/*-*.trans.txt", " ", (1, 2), ("{id}",), re.compile("(.+)-.+-")),
    Layout("transcripts.txt", "\t", (2,), ("audio/{0}/{1}/{id}",), re.compile("(.+)_.+_"), "audio"),
    Layout("prompts.txt", " ", (1, 2), ("waves/{0}/{id}",), re.compile("(.+)_"), "waves"),
    Layout(
        "transcription_n2w.txt",
        "\t",
        (2,),
        ("audio/{id}", "audio/{stem}"),  # it names .m4a; people train on .wav
        re.compile(r"\d+-(\d+)-[fm]\b"),
    ),
)
QUOTED = re.compile(r'"((?:[^"]|"")*)"')


class HeaderlessSource(Source):
    """A corpus whose layout, not a header, says what the fields of its tables are.

    The tables are in the folder, or in its folders of splits.
    """

    examples = (
        {
            "metadata.csv": "a|Mwaka 1455.|Mwaka elfu moja.\nb|Habari yako.|Habari yako.\n",
            "wavs/a.wav": "",
            "wavs/b.wav": "",
        },
        {
            "metadata.csv": "a.wav|anna|habari\nb.wav|anna|asante\n",
            "wav/a.wav": "",
            "wav/b.wav": "",
        },
        {
            "train-clean-100/1/2/1-2.trans.txt": "1-2-0000 HABARI YAKO\n",
            "train-clean-100/1/2/1-2-0000.flac": "",
            "test-clean/3/4/3-4.trans.txt": "3-4-0000 ASANTE\n",
            "test-clean/3/4/3-4-0000.flac": "",
        },
        {
            "train/transcripts.txt": "10_20_000000\thabari yako\n",
            "train/audio/10/20/10_20_000000.flac": "",
            "dev/transcripts.txt": "11_21_000000\tasante\n",
            "dev/audio/11/21/11_21_000000.flac": "",
        },
        {
            "line_index_female.tsv": "swf_0001_0000000001\thabari\n",
            "line_index_male.tsv": "swm_0002_0000000002\tasante\n",
            "swf_0001_0000000001.wav": "",
            "wavs/swm_0002_0000000002.wav": "",
        },
        {"utt_spk_text.tsv": "00a1\ts1\thabari\n", "data/00/00a1.flac": ""},
        {
            "train/prompts.txt": "SPK01_R001 HABARI YAKO\n",
            "train/waves/SPK01/SPK01_R001.wav": "",
            "test/prompts.txt": "SPK02_R001 ASANTE\n",
            "test/waves/SPK02/SPK02_R001.wav": "",
        },
        {
            "line_index.csv": "A1, swf_0001_0000000001, Habari, ndugu.\n",
            "female/swf_0001_0000000001.wav": "",
        },
        {
            "by_book/female/anna/hadithi/metadata.csv": "a|Mwaka 1.|Mwaka wa kwanza.\n",
            "by_book/female/anna/hadithi/wavs/a.wav": "",
        },
        {
            "train/transcription_n2w.txt": "8444-513-f.m4a\thabari yako\n",
            "train/audio/8444-513-f.m4a": "",
            "test_known/transcription_n2w.txt": "8445-659-m.m4a\tasante\n",
            "test_known/audio/8445-659-m.wav": "",
        },
    )
    options = ROOT_OPTIONS
    precedence = 8  # before AudioFolder, which takes every metadata.csv

    kind: Literal["headerless"] = "headerless"

    @classmethod
    def recognizes(cls, path: Path) -> bool:
        """Recognize the corpus by the names of its tables, if one begins without a header."""
        return _found(path) is not None

    def rows(self) -> Iterator[Row | Rejection]:
        self._remarks.clear()
        found = _found(self.path)
        if found is None:
            names = ", ".join(layout.tables for layout in LAYOUTS)
            reason = f"{self.path}: no table without a header; expected {names}"
            raise Fault("MAN-FORMAT", reason, "check the path")
        layout, tables = found
        if layout is LJSPEECH:
            width, second = _width_and_second(tables)
            layout = replace(layout, widths=(width,), second=second)
            self._remarks += [TAKEN[second]] if width == 3 else []
        home = self.path if self.path.is_dir() else self.path.parent
        self._remarks += unread_remarks(home, tables) if self.path.is_dir() else []
        folders = [table.parent.relative_to(home).as_posix() for table in tables]
        tops = [folder.partition("/")[0] for folder in folders]
        splits = splits_in_names(tops)
        for table, folder, top in zip(tables, folders, tops, strict=True):
            sounds = Places(self.root, "" if folder == "." else folder, layout.places)
            read_by = layout.reader.search(f"{folder}/") if layout.reader else None
            for row in _rows(table, layout, read_by and read_by[1], sounds):
                yield replace(row, split=splits[top]) if isinstance(row, Row) else row


def _rows(
    table: Path, layout: Layout, reader: str | None, sounds: Places
) -> Iterator[Row | Rejection]:
    for where, line in read_lines(table):
        fields = _fields(line, layout)
        name, *others, text = fields if len(fields) > 1 else [*fields, "", ""][:2]
        other = others[0] if others else ""
        named = layout.speaker.match(name) if layout.speaker else None
        if len(fields) not in layout.widths or (named and other):
            widths = " or ".join(str(layout.skipped + width) for width in layout.widths)
            expected = f"{widths}, the last one the text"
            reason = f"{layout.skipped + len(fields)} fields, expected {expected}"
            fix = "take the delimiter out of the text, or mend the row"
            yield reject(where, {"line": line}, Fault("MAN-RAGGED", reason, fix))
            continue
        record = {"audio": sounds.path_of(name) if name else None, "text": text, "speaker": reader}
        if layout.second == "text":
            record["text"] = text or other
        else:
            record["speaker"] = named[1] if named else other
        yield to_row(where, record)


def _found(path: Path) -> tuple[Layout, list[Path]] | None:
    """Return the layout of a corpus and its tables: a file, a folder's, or its split folders'."""
    folders = [path]
    if path.is_dir():
        below = (each for each in sorted(path.iterdir()) if split_in(each.name))
        folders += [each for each in below if each.is_dir()]
    for layout in LAYOUTS:
        own, *others = ([*_tables(folder, layout)] for folder in folders)
        tables = own or [table for tables in others for table in tables]
        if any(_has_layout(table, layout) for table in tables):
            return layout, tables
    return None


def _tables(path: Path, layout: Layout) -> Iterator[Path]:
    """Yield a file that is named as the tables of a layout, or those in a folder."""
    name = layout.tables.rpartition("/")[2]
    files = sorted(path.glob(layout.tables)) if path.is_dir() else [path]
    # macOS leaves ._1-2.trans.txt beside 1-2.trans.txt.
    named = (each for each in files if fnmatchcase(each.name, name) and each.name[:1] != ".")
    return (file for file in named if file.is_file())


def _has_layout(table: Path, layout: Layout) -> bool:
    if layout.beside is not None:
        return (table.parent / layout.beside).is_dir()
    if layout.delimiter == " ":
        return True  # the names of LibriSpeech's tables are like no others
    try:
        lines = [line for _, line in islice(read_lines(table), 2)]
    except Fault:
        return False  # the source that reads other tables of this name says what is wrong
    rows = [_fields(line, layout) for line in lines]
    return bool(rows) and len(rows[0]) in (2, 3) and not _is_header(rows, table.parent, layout)


def _is_header(rows: Sequence[Sequence[str]], folder: Path, layout: Layout) -> bool:
    """Return whether the first row names columns: no sound has its id, and a name is known.

    Unknown names are a header too if the next row begins with the path of a file.
    """
    first, *others = rows
    if Places(folder, "", layout.places).find(first[0]):
        return False
    if not KNOWN_NAMES.isdisjoint(field.lower() for field in first):
        return True
    return any(row and os.path.isfile(folder / row[0]) for row in others)


def _fields(line: str, layout: Layout) -> list[str]:
    """Return the fields of a line from the id on. Spaces and commas of the text delimit nothing."""
    delimiter = None if layout.delimiter == " " else layout.delimiter
    most = layout.skipped + max(layout.widths) - 1 if layout.delimiter in " ," else -1
    parts = [part.strip() for part in line.split(delimiter, most)][layout.skipped :]
    return [_unquoted(part) for part in parts] if delimiter == "," else parts


def _unquoted(field: str) -> str:
    quoted = QUOTED.fullmatch(field)
    return quoted[1].replace('""', '"').strip() if quoted else field


def _width_and_second(tables: Sequence[Path]) -> tuple[int, Second]:
    """Return how many fields most rows of LJSpeech's tables have, and what the second of three is.

    It is a text if the third one often has the same words. It is a speaker if it often stands with
    different texts and is shorter: a text stands with different speakers. Raises Fault MAN-COLUMN
    if neither is so.
    """
    texts: dict[str, str] = {}
    widths: Counter[int] = Counter()
    alike = again = longer = 0
    for _, line in chain.from_iterable(map(read_lines, tables)):
        fields = _fields(line, LJSPEECH)
        widths[len(fields)] += 1
        if len(fields) == 3 and all(fields):
            _, second, third = fields
            alike += sentence_key(second) == sentence_key(third)
            again += texts.setdefault(second, third) != third
            longer += len(third) - len(second)
    width = max(LJSPEECH.widths, key=widths.__getitem__)
    often = OFTEN * widths[width]
    if width == 2 or alike > often:
        return width, "text"
    if again > often and longer > 0:
        return width, "speaker"
    reason = f"{tables[0]}: the second of three fields may be a speaker, or the text as written"
    fix = "write a first line, such as file_name|speaker|text, and paths such as wavs/a.wav"
    raise Fault("MAN-COLUMN", reason, fix)
