"""Read a table in a JSON file: a list of objects, or an object that holds one such list."""

import json
import re
from codecs import BOM_UTF8
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from mothertongue.data.folders import shown
from mothertongue.data.sources.base import Rejection, Row, reject
from mothertongue.data.sources.columns import COLUMN_NAMES, ColumnSource, splits_in_names
from mothertongue.data.sources.readers import Located
from mothertongue.data.sources.table import SUFFIXES, table_rows
from mothertongue.errors import Fault

MAX_BYTES = 64 << 20
HEAD_BYTES = 1 << 16
LIST = re.compile(rb"\[\s*\{")
AUDIO = re.compile(
    rb'"\s*(%s)\s*"\s*:' % "|".join(map(re.escape, COLUMN_NAMES["audio"])).encode(), re.IGNORECASE
)


class JsonListSource(ColumnSource):
    """A JSON file, or a folder with one; several must all be named for splits.

    A file is in memory as a whole, and has at most 64 MiB. A table takes six times its size, and
    the worst file, of empty lists, 26 times: 1.7 GB.
    """

    examples = (
        {"corpus.json": '[{"audio": "a.wav", "text": "hi"}]', "a.wav": ""},
        {
            "corpus.json": '{"version": 1, "data": [{"path": "a.wav", "sentence": "hi"}]}',
            "a.wav": "",
        },
        {
            "train.json": '[{"audio": "a.wav", "text": "hi"}]',
            "test.json": '[{"audio": "b.wav", "text": "yo"}]',
            "a.wav": "",
            "b.wav": "",
        },
    )
    precedence = 96

    kind: Literal["json"] = "json"

    @classmethod
    def recognizes(cls, path: Path) -> bool:
        """Recognize a .json file, and a folder by a list of objects that name audio."""
        return bool(_files(path))

    def rows(self) -> Iterator[Row | Rejection]:
        files = _files(self.path)
        splits = splits_in_names([file.stem for file in files])
        for file in files:
            records = _objects(file, read_json(file, MAX_BYTES))
            header = next(tuple(record) for record in records if isinstance(record, dict))
            for row in table_rows(file, header, _located(file, records), self.chosen):
                if isinstance(row, Row) and row.split is None:
                    row = replace(row, split=splits[file.stem])
                yield row


def read_json(path: Path, max_bytes: int) -> Any:
    """Return the value in a UTF-8 JSON file.

    Raises Fault MAN-LINE if the file is larger than `max_bytes`, MAN-ENCODING or MAN-JSON.
    """
    size = path.stat().st_size
    if size > max_bytes:
        reason = f"{path}: {size:,} bytes; expected at most {max_bytes:,}"
        raise Fault("MAN-LINE", reason, "cut it into several files; a table may also be JSONL")
    try:
        return json.loads(path.read_bytes().decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        reason = f"{path}: byte 0x{error.object[error.start]:02x} at byte offset {error.start:,}"
        raise Fault("MAN-ENCODING", f"{reason} is not UTF-8", "save it as UTF-8") from None
    except (ValueError, RecursionError) as error:
        fix = "write it again; if it has an object on each line, name it .jsonl"
        raise Fault("MAN-JSON", f"{path}: not whole JSON ({error})", fix) from None


def head_of(file: Path) -> bytes:
    """Return the first 64 KiB of a file, without a byte order mark; nothing if it is no file."""
    if not file.is_file():
        return b""
    with file.open("rb") as content:
        return content.read(HEAD_BYTES).removeprefix(BOM_UTF8).lstrip()


def _files(path: Path) -> list[Path]:
    if path.is_file():
        return [path] if path.suffix == ".json" else []
    names = shown(path) if path.is_dir() else []
    if any(each.suffix.lower() in SUFFIXES for each in names):
        return []
    found = [each for each in names if each.suffix == ".json" and _names_audio(each)]
    are_splits = None not in splits_in_names([each.stem for each in found]).values()
    return found if len(found) == 1 or are_splits else []


def _names_audio(file: Path) -> bool:
    """Return whether a file begins as JSON with a list of objects, with a key for audio."""
    head = head_of(file)
    return bool(head.startswith((b"[", b"{")) and LIST.search(head) and AUDIO.search(head))


def _objects(path: Path, value: Any) -> list[Any]:
    """Return the list of objects in a JSON value. Raises Fault MAN-JSON if there is not one."""
    if _is_list(value):
        return list(value)
    if isinstance(value, dict):
        lists = [key for key in value if _is_list(value[key])]
        if len(lists) == 1:
            return list(value[lists[0]])
        keys = ", ".join(repr(key)[:40] for key in (lists or list(value))[:8])
        seen = f"several lists of objects: {keys}" if lists else f"an object with {keys}"
    else:
        seen = "a list without objects" if isinstance(value, list) else json.dumps(value)[:40]
    reason = f'{path}: {seen}; expected a list of objects: [{{"audio": ..., "text": ...}}, ...]'
    fix = "write it so (pandas: to_json(orient='records')), or as CSV; one file for each split"
    raise Fault("MAN-JSON", reason, fix)


def _is_list(value: Any) -> bool:
    return isinstance(value, list) and any(isinstance(each, dict) for each in value)


def _located(path: Path, records: list[Any]) -> Iterator[Located | Rejection]:
    for number, record in enumerate(records, start=1):
        where = f"{path}:{number}"
        if isinstance(record, dict):
            yield where, record
        else:
            shown = "a list" if isinstance(record, list) else json.dumps(record)[:40]
            fix = "write one {...} for each clip"
            fault = Fault("MAN-JSON", f"{shown}, expected an object", fix)
            yield reject(where, {"row": shown}, fault)
