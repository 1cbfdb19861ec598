"""Records of a Parquet file, one at a time, in little memory whatever the file unpacks to."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mothertongue.data.sources.readers import MAX_LINE_BYTES, Located
from mothertongue.errors import Fault

BATCH_ROWS = 1024
BATCH_CLIPS = 4  # of embedded audio: 4 clips of 30 s are 4 MB
BATCH_BYTES = 16 << 20  # of one column's text
BUFFER_BYTES = 1 << 20
# Text packs to a third or a tenth of its size, and what repeats is stored once, unpacked too.
MAX_UNPACKED_BYTES, MAX_UNPACKED_RATIO = 64 << 20, 200


def read_parquet(path: Path, columns: Sequence[str]) -> Iterator[Located]:
    """The rows of a Parquet file; memory holds a batch, and the file's largest page.

    A column of embedded audio, {bytes, path}, becomes two: its own with the path, and
    `embedded_column` with the bytes. Raises Fault MAN-FORMAT, MAN-ENCODING, MAN-COLUMN where a
    column holds lists and the like, or MAN-LINE where a text, or what a row group unpacks to,
    is far too large.
    """
    number = 0
    with _readable(path), _opened(path) as file, _opened(path, _texts(file)) as texts:
        embedded = _embedded(path, file, columns)
        for batch in _batches(path, file, texts, columns, BATCH_CLIPS if embedded else BATCH_ROWS):
            for record in batch:
                number += 1
                for name in record.keys() & embedded:
                    audio = record[name] or {}
                    record[name] = audio.get("path")
                    record[embedded_column(name)] = audio.get("bytes")
                yield f"{path}:{number}", record


def embedded_column(name: str) -> str:
    """The field of a Parquet record with the audio that is embedded in column `name`."""
    return f"{name}.bytes"


def read_parquet_header(path: Path) -> list[str]:
    """The column names of a Parquet file. Raises Fault MAN-FORMAT or MAN-ENCODING."""
    with _readable(path), _opened(path) as file:
        return list(file.schema_arrow.names)


def _batches(
    path: Path, file: Any, texts: Any, columns: Sequence[str], num_rows: int
) -> Iterator[list[dict[str, Any]]]:
    for group in range(file.num_row_groups):
        _require_modest(path, file.metadata.row_group(group))
        # A text that repeats is stored once, and would be unpacked once for each row of a batch.
        longest = _longest(path, next(texts.iter_batches(1, [group], list(columns)), ()))
        size = min(num_rows, max(1, BATCH_BYTES // max(1, longest)))
        for batch in file.iter_batches(size, [group], list(columns)):
            _longest(path, batch)
            yield batch.to_pylist()


def _require_modest(path: Path, group: Any) -> None:
    """Raise Fault MAN-LINE where a row group would unpack to very much more than is stored."""
    # Not by its columns: pyarrow aborts the process on damage in what is written of one.
    packed, unpacked = path.stat().st_size, group.total_byte_size
    if unpacked > max(MAX_UNPACKED_BYTES, MAX_UNPACKED_RATIO * packed):
        reason = (
            f"{path}: its {packed:,} bytes unpack to {unpacked:,} or more; expected at most "
            f"{MAX_UNPACKED_RATIO} times as many"
        )
        raise Fault("MAN-LINE", reason, "write the table again, with row groups of 64 MiB")


def _longest(path: Path, batch: Any) -> int:
    """The bytes of the longest text in a batch. Raises Fault MAN-LINE where it is past 1 MiB."""
    from pyarrow import compute, types

    longest = 0
    for column in batch:
        values = column.dictionary if types.is_dictionary(column.type) else column
        if _is_text(values.type):
            longest = max(longest, compute.max(compute.binary_length(values)).as_py() or 0)
    if longest > MAX_LINE_BYTES:
        reason = f"{path}: a text of {longest:,} bytes; expected at most {MAX_LINE_BYTES:,}"
        raise Fault("MAN-LINE", reason, "write the table again, with one sentence a row")
    return longest


def _is_text(kind: Any) -> bool:
    from pyarrow import types

    return bool(
        types.is_string(kind)
        or types.is_large_string(kind)
        or types.is_binary(kind)
        or types.is_large_binary(kind)
    )


def _texts(file: Any) -> list[str]:
    return [field.name for field in file.schema_arrow if _is_text(field.type)]


def _embedded(path: Path, file: Any, columns: Sequence[str]) -> set[str]:
    """The columns of embedded audio. Raises Fault MAN-COLUMN for others that are nested."""
    from pyarrow import types

    nested = {
        field.name: field.type
        for field in file.schema_arrow
        if field.name in columns and types.is_nested(field.type)
    }
    for name, kind in nested.items():
        if not _is_audio(kind):
            reason = f"{path}: column {name!r} holds {str(kind)[:80]}; expected text"
            raise Fault("MAN-COLUMN", reason, "write text, or audio as {bytes, path}")
    return set(nested)


def _is_audio(kind: Any) -> bool:
    """Whether an Arrow type is what the Hub's `Audio` feature is stored as."""
    from pyarrow import types

    if not types.is_struct(kind) or kind.get_field_index("bytes") < 0:
        return False
    return not any(types.is_nested(field.type) for field in kind)


def _opened(path: Path, as_dictionaries: Sequence[str] = ()) -> Any:
    from pyarrow.parquet import ParquetFile

    # With pre_buffer, its default, pyarrow keeps every row group that it has read: 12 groups
    # of 50 MB took 680 MB, and take 110 MB so.
    return ParquetFile(
        path, pre_buffer=False, buffer_size=BUFFER_BYTES, read_dictionary=list(as_dictionaries)
    )


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    """Inside, what pyarrow raises is a Fault, and so is that it is not installed."""
    try:
        from pyarrow import ArrowException
    except ImportError:
        raise Fault(
            "MAN-FORMAT",
            f"{path}: reading Parquet needs pyarrow, which is not installed",
            "run: pip install 'mothertongue[parquet]'",
        ) from None
    try:
        yield
    except Fault:
        raise
    except UnicodeDecodeError as error:
        fix = "write the table again; its text is not UTF-8"
        raise Fault("MAN-ENCODING", f"{path}: {error}", fix) from None
    except (ArrowException, OSError, ValueError, OverflowError) as error:
        reason = f"{path}: not readable as Parquet: {error}"
        raise Fault("MAN-FORMAT", reason, "download or write the file again") from None
