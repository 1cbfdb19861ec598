"""Records of a CSV, TSV or JSONL file, one at a time, each with its file:line."""

import csv
import gzip
import json
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from io import BufferedIOBase
from pathlib import Path
from typing import Any, NoReturn

from mothertongue.data.sources.base import Rejection, reject
from mothertongue.errors import Fault

Located = tuple[str, dict[str, Any]]
MAX_LINE_BYTES = 1 << 20
DELIMITERS = ",;\t|"
NUM_SHOWN, NAME_CHARACTERS = 40, 100  # of the names of columns, in a message
csv.field_size_limit(MAX_LINE_BYTES)  # its own limit, 128 KiB, is told as a quote left open


def read_lines(path: Path) -> Iterator[tuple[str, str]]:
    """(file:line, line) of every line that is not blank, without its end; a UTF-8 BOM is dropped.

    A file named .gz is unpacked on the way. A line ends at a line feed only: U+2028 and the like
    are part of a transcript. Raises Fault MAN-ENCODING with the byte offset where the file is not
    UTF-8, MAN-LINE past 1 MiB a line, MAN-FORMAT where a .gz file is damaged or cut.
    """
    offset = 0
    with _opened(path) as file:
        for number, raw in enumerate(iter(lambda: file.readline(MAX_LINE_BYTES), b""), start=1):
            where = f"{path}:{number}"
            if len(raw) == MAX_LINE_BYTES:
                reason = (
                    f"{where}: a line of over {MAX_LINE_BYTES:,} bytes; expected one row a line"
                )
                raise Fault("MAN-LINE", reason, "write the table with a line feed after each row")
            line = _decoded(raw, where, offset).rstrip("\r\n")
            offset += len(raw)
            if line.strip():
                yield where, line


def read_jsonl(path: Path) -> Iterator[Located | Rejection]:
    """The object on each line; a line that holds no object is a Rejection MAN-JSON."""
    for where, line in read_lines(path):
        try:
            record = json.loads(line, parse_constant=_no_number)
            if not isinstance(record, dict):
                raise ValueError(f"a {type(record).__name__}, expected an object")
        except (ValueError, RecursionError) as error:
            fault = Fault("MAN-JSON", f"not a JSON object ({error})", "write one {...} a line")
            yield reject(where, {"line": line}, fault)
        else:
            yield where, record


def first_object(path: Path) -> dict[str, Any]:
    """The object on the first line of a JSONL file; empty where it has none.

    Raises Fault for a damaged .gz file only: another file may be of any kind.
    """
    try:
        first = next(read_jsonl(path), None)
    except Fault:
        if path.suffix == ".gz":
            raise
        return {}
    return first[1] if isinstance(first, tuple) else {}


def unread_remarks(files: Sequence[Path]) -> list[str]:
    """Return a remark on files that do not begin with a JSON object, if there are some."""
    names = [file.name for file in files if file.stat().st_size and not first_object(file)]
    told = f"files that do not begin with a JSON object, not read: {', '.join(names)}"
    return [told] if names else []


def _no_number(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON, expected a number or null")


def read_delimited(
    path: Path, delimiter: str, has_quotes: bool, header: Sequence[str] | None = None
) -> Iterator[Located | Rejection]:
    """The records of a CSV or TSV file; without `header`, its first line names the columns.

    A row with too few or too many fields is a Rejection MAN-RAGGED. Every row is one line: a
    quote that is left open (MAN-QUOTE) then costs its own row, and not the ones below it.
    """
    mend = (
        "quote fields that hold the delimiter, or mend the row"
        if has_quotes
        else "take the delimiter out of the field (quotes are plain characters), or mend the row"
    )
    for where, line in read_lines(path):
        try:
            fields = _fields(line, delimiter, has_quotes)
        except csv.Error as error:
            fault = Fault("MAN-QUOTE", str(error), "close the quote on its own line, or double it")
            yield reject(where, {"line": line}, fault)
            continue
        if header is None:
            header = fields
        elif len(fields) != len(header):
            reason = f"{len(fields):,} fields, expected {len(header):,}: {shown_names(header)}"
            yield reject(where, {"line": line}, Fault("MAN-RAGGED", reason, mend))
        else:
            yield where, dict(zip(header, fields, strict=True))


def read_header(path: Path, delimiter: str | None = None) -> list[str]:
    """The column names on the first line of a CSV or TSV file; empty for an empty file."""
    delimiter = delimiter or sniff_delimiter(path)
    for where, line in read_lines(path):
        try:
            return _fields(line, delimiter, has_quotes=delimiter != "\t")
        except csv.Error as error:
            raise Fault("MAN-QUOTE", f"{where}: {error}", "mend the header's quotes") from None
    return []


def shown_names(names: Sequence[str]) -> str:
    """Return the first names of columns as text, and how many more there are."""
    more = f" and {len(names) - NUM_SHOWN:,} more" if len(names) > NUM_SHOWN else ""
    return ", ".join(name[:NAME_CHARACTERS] for name in names[:NUM_SHOWN]) + more


def sniff_delimiter(path: Path) -> str:
    """A tab for .tsv; else what the first line holds most of, for CSV exports with semicolons."""
    if path.suffix.lower() == ".tsv":
        return "\t"
    first = next((line for _, line in read_lines(path)), "")
    return max(DELIMITERS, key=first.count)


def _fields(line: str, delimiter: str, has_quotes: bool) -> list[str]:
    # csv takes a lone carriage return for a new row; in a transcript it is white space.
    lines = [line.replace("\r", " ")]
    if has_quotes:
        return next(csv.reader(lines, delimiter=delimiter, strict=True))
    return next(csv.reader(lines, delimiter=delimiter, quoting=csv.QUOTE_NONE, strict=True))


@contextmanager
def _opened(path: Path) -> Iterator[BufferedIOBase]:
    if path.suffix != ".gz":
        with path.open("rb") as file:
            yield file
        return
    try:
        with gzip.open(path) as unpacked:
            yield unpacked
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        reason = f"{path}: not a whole gzip file ({error})"
        raise Fault("MAN-FORMAT", reason, "download or pack the file again") from None


def _decoded(raw: bytes, where: str, offset: int) -> str:
    if offset == 0 and raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise _encoding(where, 0, "a UTF-16 byte order mark")
    try:
        return raw.decode().removeprefix("\ufeff" if offset == 0 else "")
    except UnicodeDecodeError as error:
        found = f"byte 0x{raw[error.start]:02x}"
        raise _encoding(where, offset + error.start, found) from None


def _encoding(where: str, offset: int, found: str) -> Fault:
    return Fault(
        "MAN-ENCODING",
        f"{where}: {found} at byte offset {offset:,} is not UTF-8",
        "save the file as UTF-8; we do not guess encodings, as a wrong guess garbles every label",
    )
