"""Records of a CSV, TSV or JSONL file, one at a time, each with its file:line."""

import csv
import json
import zlib
from codecs import BOM_UTF16_BE, BOM_UTF16_LE, BOM_UTF32_BE, BOM_UTF32_LE, getincrementaldecoder
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from gzip import BadGzipFile, GzipFile
from io import BufferedReader
from pathlib import Path
from typing import Any, NoReturn

from mothertongue.data.sources.base import Rejection, reject
from mothertongue.errors import Fault

Located = tuple[str, dict[str, Any]]
MAX_LINE_BYTES = 1 << 20
CHUNK_BYTES = 1 << 16
DELIMITERS = ",;\t|"
NUM_SHOWN, NAME_CHARACTERS = 40, 100  # of the names of columns, in a message
csv.field_size_limit(MAX_LINE_BYTES)  # its own limit, 128 KiB, is told as a quote left open


def read_lines(path: Path) -> Iterator[tuple[str, str]]:
    """(file:line, line) of every line that is not blank, without its end and byte order mark.

    A file is UTF-8, or UTF-16 that begins with its byte order mark, as Excel's Unicode text does. A
    file named .gz is unpacked on the way. A line ends at a line feed only: U+2028 and the like are
    part of a transcript. Raises Fault MAN-ENCODING for another encoding, with the byte offset where
    it is not UTF-8, MAN-LINE past 1 MiB a line, MAN-FORMAT where a .gz file is damaged or cut.
    """
    with _opened(path) as file:
        if _is_utf16(file):
            yield from _utf16_lines(path, file)
        else:
            yield from _utf8_lines(path, file)


def is_utf16(path: Path) -> bool:
    """Whether a file begins with a byte order mark of UTF-16."""
    with _opened(path) as file:
        return _is_utf16(file)


def read_jsonl(path: Path) -> Iterator[Located | Rejection]:
    """The object on each line; a line that holds no object is a Rejection MAN-JSON.

    The file is UTF-8. Raises Fault as `read_lines` does.
    """
    with _opened(path) as file:
        for where, line in _utf8_lines(path, file):
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
def _opened(path: Path) -> Iterator[BufferedReader | GzipFile]:
    if path.suffix != ".gz":
        with path.open("rb") as file:
            yield file
        return
    try:
        with GzipFile(path) as unpacked:
            yield unpacked
    except (EOFError, zlib.error, BadGzipFile) as error:
        reason = f"{path}: not a whole gzip file ({error})"
        raise Fault("MAN-FORMAT", reason, "download or pack the file again") from None


def _is_utf16(file: BufferedReader | GzipFile) -> bool:
    head = file.peek(4)[:4]
    # The mark of UTF-32 begins as that of UTF-16 does.
    return head.startswith((BOM_UTF16_LE, BOM_UTF16_BE)) and head != BOM_UTF32_LE


def _utf16_lines(path: Path, file: BufferedReader | GzipFile) -> Iterator[tuple[str, str]]:
    for number, raw in enumerate(_utf16_raw_lines(path, file), start=1):
        where = f"{path}:{number}"
        if len(raw) >= MAX_LINE_BYTES // 2:
            raise _too_long(where)
        line = raw.rstrip("\r")
        if line.strip():
            yield where, line


def _utf16_raw_lines(path: Path, file: BufferedReader | GzipFile) -> Iterator[str]:
    """The lines of a file, and the part of a line as soon as it is too long."""
    decoder, rest, is_end = getincrementaldecoder("utf-16")(), "", False
    while not is_end:
        chunk = file.read(CHUNK_BYTES)
        is_end = not chunk
        try:
            rest += decoder.decode(chunk, final=is_end)
        except UnicodeDecodeError as error:
            reason = f"{path}: not whole UTF-16 before byte offset {file.tell():,}"
            raise _encoding(f"{reason} ({error.reason})") from None
        *lines, rest = rest.split("\n")
        yield from lines
        if is_end or len(rest) >= MAX_LINE_BYTES // 2:
            yield rest


def _utf8_lines(path: Path, file: BufferedReader | GzipFile) -> Iterator[tuple[str, str]]:
    offset = 0
    for number, raw in enumerate(iter(lambda: file.readline(MAX_LINE_BYTES), b""), start=1):
        where = f"{path}:{number}"
        if len(raw) == MAX_LINE_BYTES:
            raise _too_long(where)
        line = _decoded(raw, where, offset).rstrip("\r\n")
        offset += len(raw)
        if line.strip():
            yield where, line


def _too_long(where: str) -> Fault:
    reason = f"{where}: a line of over {MAX_LINE_BYTES:,} bytes; expected one row a line"
    return Fault("MAN-LINE", reason, "write the table with a line feed after each row")


def _decoded(raw: bytes, where: str, offset: int) -> str:
    if offset == 0 and (found := _other_utf(raw)):
        raise _encoding(f"{where}: {found} at byte offset 0 is not UTF-8")
    try:
        return raw.decode().removeprefix("\ufeff" if offset == 0 else "")
    except UnicodeDecodeError as error:
        found = f"byte 0x{raw[error.start]:02x} at byte offset {offset + error.start:,}"
        raise _encoding(f"{where}: {found} is not UTF-8") from None


def _other_utf(raw: bytes) -> str | None:
    if raw.startswith((BOM_UTF32_LE, BOM_UTF32_BE)):
        return "a UTF-32 byte order mark"
    if raw.startswith((BOM_UTF16_LE, BOM_UTF16_BE)):
        return "a UTF-16 byte order mark"
    # An ASCII letter is one of these two; as UTF-8 it would be read with a NUL beside each letter.
    is_letter = len(raw) > 1 and (raw[0] == 0) != (raw[1] == 0)
    return "UTF-16 without a byte order mark" if is_letter else None


def _encoding(reason: str) -> Fault:
    return Fault(
        "MAN-ENCODING",
        reason,
        "save the file as UTF-8; we do not guess encodings, as a wrong guess garbles every label",
    )
