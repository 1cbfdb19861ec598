"""Records of a CSV, TSV, JSONL or Parquet file, one at a time, each with its file:line."""

import csv
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from mothertongue.errors import Fault
from mothertongue.sources.base import Rejection, reject

Located = tuple[str, dict[str, Any]]
MAX_LINE_BYTES = 1 << 20
BATCH_ROWS = 1024
BATCH_CLIPS = 16  # of embedded audio: 16 clips of 30 s are 15 MB
BUFFER_BYTES = 1 << 20
DELIMITERS = ",;\t|"


def read_lines(path: Path) -> Iterator[tuple[str, str]]:
    """(file:line, line) of every line that is not blank, without its end; a UTF-8 BOM is dropped.

    A line ends at a line feed only: U+2028 and the like are part of a transcript. Raises Fault
    MAN-ENCODING with the byte offset where the file is not UTF-8, MAN-LINE past 1 MiB a line.
    """
    offset = 0
    with path.open("rb") as file:
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
            record = json.loads(line)
            if not isinstance(record, dict):
                raise ValueError(f"a {type(record).__name__}, expected an object")
        except (ValueError, RecursionError) as error:
            fault = Fault("MAN-JSON", f"not a JSON object ({error})", "write one {...} a line")
            yield reject(where, {"line": line}, fault)
        else:
            yield where, record


def read_delimited(
    path: Path, delimiter: str, has_quotes: bool, header: Sequence[str] | None = None
) -> Iterator[Located | Rejection]:
    """The records of a CSV or TSV file; without `header`, its first line names the columns.

    A row with too few or too many fields is a Rejection MAN-RAGGED. Every row is one line: a
    quote that is left open (MAN-QUOTE) then costs its own row, and not the ones below it.
    """
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
            reason = f"{len(fields)} fields, expected {len(header)}: {', '.join(header)}"
            fault = Fault(
                "MAN-RAGGED", reason, "quote fields that hold the delimiter, or mend the row"
            )
            yield reject(where, {"line": line}, fault)
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


def sniff_delimiter(path: Path) -> str:
    """A tab for .tsv; else what the first line holds most of, for CSV exports with semicolons."""
    if path.suffix.lower() == ".tsv":
        return "\t"
    first = next((line for _, line in read_lines(path)), "")
    return max(DELIMITERS, key=first.count)


def read_parquet(path: Path, columns: Sequence[str]) -> Iterator[Located]:
    """The rows of a Parquet file; memory holds a batch, and the file's largest page.

    A column of embedded audio, {bytes, path}, becomes two: its own with the path, and
    `embedded_column` with the bytes. Raises Fault MAN-FORMAT or MAN-ENCODING.
    """
    number = 0
    with _parquet_file(path) as file:
        embedded = [field.name for field in file.schema_arrow if _is_embedded(field.type)]
        for batch in _batches(path, file, columns, BATCH_CLIPS if embedded else BATCH_ROWS):
            for record in batch:
                number += 1
                for name in record.keys() & set(embedded):
                    audio = record[name] or {}
                    record[name] = audio.get("path")
                    record[embedded_column(name)] = audio.get("bytes")
                yield f"{path}:{number}", record


def embedded_column(name: str) -> str:
    """The field of a Parquet record with the audio that is embedded in column `name`."""
    return f"{name}.bytes"


def read_parquet_header(path: Path) -> list[str]:
    """The column names of a Parquet file. Raises Fault MAN-FORMAT."""
    with _parquet_file(path) as file:
        return list(file.schema_arrow.names)


def _batches(
    path: Path, file: Any, columns: Sequence[str], size: int
) -> Iterator[list[dict[str, Any]]]:
    from pyarrow import ArrowException

    try:
        for batch in file.iter_batches(batch_size=size, columns=list(columns)):
            yield batch.to_pylist()
    except UnicodeDecodeError as error:
        fix = "write the table again; its text is not UTF-8"
        raise Fault("MAN-ENCODING", f"{path}: {error}", fix) from None
    except (ArrowException, OSError) as error:
        raise _unreadable(path, error) from None


def _is_embedded(kind: Any) -> bool:
    """Whether an Arrow type is what the Hub's `Audio` feature is stored as."""
    from pyarrow.types import is_struct

    return bool(is_struct(kind) and kind.get_field_index("bytes") >= 0)


def _parquet_file(path: Path) -> Any:
    try:
        from pyarrow import ArrowException
        from pyarrow.parquet import ParquetFile
    except ImportError:
        raise Fault(
            "MAN-FORMAT",
            f"{path}: reading Parquet needs pyarrow, which is not installed",
            "run: pip install 'mothertongue[parquet]'",
        ) from None
    try:
        # With pre_buffer, its default, pyarrow keeps every row group that it has read: 12 groups
        # of 50 MB took 680 MB, and take 110 MB so.
        return ParquetFile(path, pre_buffer=False, buffer_size=BUFFER_BYTES)
    except (ArrowException, OSError) as error:
        raise _unreadable(path, error) from None


def _unreadable(path: Path, error: Exception) -> Fault:
    reason = f"{path}: not readable as Parquet: {error}"
    return Fault("MAN-FORMAT", reason, "download or write the file again")


def _fields(line: str, delimiter: str, has_quotes: bool) -> list[str]:
    # csv takes a lone carriage return for a new row; in a transcript it is white space.
    lines = [line.replace("\r", " ")]
    if has_quotes:
        return next(csv.reader(lines, delimiter=delimiter, strict=True))
    return next(csv.reader(lines, delimiter=delimiter, quoting=csv.QUOTE_NONE, strict=True))


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
        "save the table as UTF-8; we do not guess encodings, as a wrong guess garbles every label",
    )
