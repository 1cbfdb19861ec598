"""Tables of strangers in CSV, TSV, JSON, JSONL and Parquet, and manifests that were ours once."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from faults.home import Home
from faults.inputs import BAD_USE, Input, Write
from faults.sounds import whole
from faults.workbooks import workbooks

GOOD = "clip.wav"
ONE_ROW = f"audio,text\n{GOOD},habari\n"
ROW = {"audio": GOOD, "text": "habari"}
OURS = {"id": "a", "audio": GOOD, "text": "habari", "language": "sw", "duration_s": 1.0}
DEEP = 100_000
Record = dict[str, Any]


def inputs() -> Iterator[Input]:
    """Every one of them."""
    for name, data in (*_texts().items(), *_lines().items(), *_lists().items()):
        yield Input("table", name, beside_a_clip(data))
    for name, data in _only_noted().items():
        yield Input("table", name, beside_a_clip(data), code=0)
    for name, table in (*_parquets().items(), *workbooks().items()):
        yield Input("table", name, table)
    for name, data in _manifests().items():
        yield Input("manifest", name, beside_a_clip(data))
    for name, (change, shown) in _clips_of_manifests().items():
        data = json.dumps(OURS | change) + "\n"
        # What is wrong with a clip is told of the clip.
        yield Input("manifest", name, beside_a_clip(data), names=shown, only=("train", "evaluate"))
        yield Input("manifest", f"check-{name}", beside_a_clip(data), only=("check",))
    unknown = beside_a_clip(json.dumps(OURS | {"language": "klingon!"}) + "\n")
    codes = {"evaluate": BAD_USE}  # it is told how to name one, by an option
    yield Input("manifest", "language.jsonl", unknown, codes=codes, names="klingon!")
    empty = beside_a_clip(json.dumps(OURS | {"text": ""}) + "\n")
    yield Input("manifest", "text-empty.jsonl", empty, only=("check", "train"))
    # The train split alone is asked for, by a run that has no other name for it.
    none = beside_a_clip(b"")
    yield Input("manifest", "nothing.jsonl", none, names="no ", only=("train", "evaluate"))


def beside_a_clip(data: bytes | str) -> Write:
    """Write the table, and the clip that its good rows name."""
    raw = data.encode("utf-8", "surrogatepass") if isinstance(data, str) else data

    def write(path: Path, home: Home) -> None:
        (path.parent / GOOD).write_bytes(whole("wav"))
        path.write_bytes(raw)

    return write


def _texts() -> dict[str, bytes | str]:
    """CSV and TSV."""
    bad_paths = {
        "up": "../../etc/passwd",
        "absolute": "/etc/hostname",
        "home": "~/a.wav",
        "url": "http://127.0.0.1:9/a.wav",
        "file-url": "file:///etc/hostname",
        "share": "\\\\host\\share\\a.wav",
        "null-byte": "a\0.wav",
        "nameless": "",
        "dot": ".",
        "very-long": "a" * 5000 + ".wav",
        "two-forms": "e\u0301\u00e9.wav",
    }
    bad_texts = {
        "empty": "",
        "blank": " \t\u00a0\u3000 ",
        "controls": "\x01\x02\x1b",
        "invisible": "\u200b\u200e\u2060",
        "noncharacters": "\uffff\ufdd0",
        "endless": "neno " * 2000,
        "punctuation": "?! ...",
    }
    found: dict[str, bytes | str] = {
        "nothing.csv": b"",
        "header-alone.csv": "audio,text\n",
        "blank-lines.csv": "\n\n\n",
        "utf16-bare.csv": ONE_ROW.encode("utf-16-le"),
        "utf32.csv": ONE_ROW.encode("utf-32"),
        "latin1.csv": f"audio,text\n{GOOD},mañana\n".encode("latin-1"),
        "zeros.csv": bytes(2000),
        "half-a-letter.csv": ONE_ROW.encode() + b"\xc3",
        "overlong.csv": f"audio,text\n{GOOD},".encode() + b"\xc0\xaf\n",
        "no-audio-column.csv": "name,text\nx,habari\n",
        "no-text-column.csv": f"audio,length\n{GOOD},1\n",
        "twice-a-column.csv": f"audio,text,text\n{GOOD},habari,kwaheri\n",
        "nameless-columns.csv": f",\n{GOOD},habari\n",
        "too-many-fields.csv": f"audio,text\n{GOOD},habari,ya,asubuhi\n",
        "too-few-fields.csv": f"audio,text\n{GOOD}\n",
        "open-quote.csv": f'audio,text\n{GOOD},"habari\n',
        "open-quote-in-header.csv": f'audio,"text\n{GOOD},habari\n',
        "quote-inside.csv": f'audio,text\n{GOOD},"ha"bari\n',
        "long-field.csv": f"audio,text\n{GOOD},{'a' * 200_000}\n",
        "one-line.csv": b"audio,text" + b"a," * 600_000,
        "half-a-table.csv": ONE_ROW + "clip",
        "same-clip-two-texts.csv": ONE_ROW + f"{GOOD},kwaheri\n",
        "language-unknown.csv": f"audio,text,language\n{GOOD},habari,klingon!\n",
        "split-unknown.csv": f"audio,text,split\n{GOOD},habari,later\n",
        "start-negative.csv": f"audio,text,start,duration\n{GOOD},habari,-1,1\n",
        "start-late.csv": f"audio,text,start,duration\n{GOOD},habari,99,1\n",
        "start-word.csv": f"audio,text,start,duration\n{GOOD},habari,soon,1\n",
        "duration-nan.csv": f"audio,text,start,duration\n{GOOD},habari,0,nan\n",
        "duration-inf.csv": f"audio,text,start,duration\n{GOOD},habari,0,inf\n",
        "duration-zero.csv": f"audio,text,start,duration\n{GOOD},habari,0,0\n",
    }
    found |= {
        f"path-{key}.csv": f"audio,text\n{value},habari\n" for key, value in bad_paths.items()
    }
    found |= {
        f"text-{key}.csv": f"audio,text\n{GOOD},{value}\n" for key, value in bad_texts.items()
    }
    return found


def _lines() -> dict[str, bytes | str]:
    """JSONL."""
    return {
        "no-json.jsonl": "habari\n",
        "half-a-line.jsonl": json.dumps(ROW)[:20],
        "list.jsonl": "[1, 2]\n",
        "number.jsonl": "7\n",
        "null.jsonl": "null\n",
        "deep.jsonl": "[" * DEEP + "\n",
        "deep-object.jsonl": '{"a":' * DEEP + "\n",
        "long-number.jsonl": '{"audio": "clip.wav", "text": ' + "9" * 5000 + "}\n",
        "path-number.jsonl": json.dumps(ROW | {"audio": 7}) + "\n",
        "path-null.jsonl": json.dumps(ROW | {"audio": None}) + "\n",
        "path-list.jsonl": json.dumps(ROW | {"audio": [GOOD]}) + "\n",
        "text-number.jsonl": json.dumps(ROW | {"text": {"sw": "habari"}}) + "\n",
        "text-null.jsonl": json.dumps(ROW | {"text": None}) + "\n",
        "half-a-surrogate.jsonl": '{"audio": "clip.wav", "text": "\\ud800"}\n',
        "surrogate-path.jsonl": '{"audio": "\\ud800.wav", "text": "habari"}\n',
        "path-up.jsonl": json.dumps(ROW | {"audio": "../../etc/passwd"}) + "\n",
        # What looks like a manifest of ours has no leave to open what it likes.
        "ours-absolute.jsonl": json.dumps(OURS | {"audio": "/etc/hostname"}) + "\n",
        "ours-up.jsonl": json.dumps(OURS | {"audio": "../../etc/passwd"}) + "\n",
    }


def _lists() -> dict[str, bytes | str]:
    """JSON."""
    return {
        "nothing.json": b"",
        "half-a-list.json": json.dumps([ROW])[:30],
        "lines.json": (json.dumps(ROW) + "\n") * 2,
        "number.json": "7",
        "one-object.json": json.dumps(ROW),
        "columns.json": json.dumps({key: {"0": value} for key, value in ROW.items()}),
        "two-lists.json": json.dumps({"train": [ROW], "test": [ROW]}),
        "list-of-numbers.json": "[1, 2]",
        "other-keys.json": json.dumps([{"name": GOOD, "length": 1}]),
        "deep.json": "[" * DEEP,
        "deep-object.json": '[{"a":' * DEEP,
        "long-number.json": '[{"audio": "clip.wav", "text": ' + "9" * 5000 + "}]",
        "utf16.json": json.dumps([ROW]).encode("utf-16"),
        "half-a-surrogate.json": '[{"audio": "clip.wav", "text": "\\ud800"}]',
        "path-up.json": json.dumps([ROW | {"audio": "../../etc/passwd"}]),
    }


def _only_noted() -> dict[str, bytes | str]:
    """Return tables that are taken: each has one right reading."""
    many = "".join(f"{GOOD},habari\n" for _ in range(1))
    return {
        "control-tokens.csv": f"audio,text\n{GOOD},<|endoftext|> habari\n",
        "utf16.csv": ONE_ROW.encode("utf-16"),
        "list.json": json.dumps([ROW]),
        "object-with-a-list.json": json.dumps({"version": 1, "data": [ROW]}),
        "mark.csv": b"\xef\xbb\xbf" + ONE_ROW.encode(),
        "returns.csv": ONE_ROW.replace("\n", "\r\n"),
        "semicolons.csv": ONE_ROW.replace(",", ";"),
        "no-last-line-feed.csv": ONE_ROW.rstrip("\n"),
        "separator.csv": f"audio,text\n{GOOD},habari\u2028ya asubuhi\n",
        "formula.csv": f"audio,text\n{GOOD},=HYPERLINK() habari\n",
        "markup.csv": f"audio,text\n{GOOD},[bold]habari[/y] <script>\n",
        "right-to-left.csv": f"audio,text\n{GOOD},\u202ehabari\n",
        "decomposed.csv": f"audio,text\n{GOOD},cafe\u0301\n",
        "again.csv": "audio,text\n" + many,
    }


def _parquets() -> dict[str, Write]:
    def columns(**values: list[Any]) -> Callable[[Path], None]:
        return lambda path: pq.write_table(pa.table(values), path)

    def damaged(change: Callable[[bytes], bytes]) -> Callable[[Path], None]:
        def write(path: Path) -> None:
            pq.write_table(pa.table({"audio": [GOOD], "text": ["habari"]}), path)
            path.write_bytes(change(path.read_bytes()))

        return write

    sound = whole("wav")
    found = {
        "nothing.parquet": lambda path: path.write_bytes(b""),
        "words.parquet": lambda path: path.write_text("habari"),
        "magic.parquet": lambda path: path.write_bytes(b"PAR1" + bytes(100) + b"PAR1"),
        "half.parquet": damaged(lambda data: data[: len(data) // 2]),
        "no-start.parquet": damaged(lambda data: bytes(4) + data[4:]),
        "footer-huge.parquet": damaged(lambda data: data[:-8] + b"\xff\xff\xff\x7fPAR1"),
        "footer-damaged.parquet": damaged(lambda data: data[:-60] + bytes(30) + data[-30:]),
        "page-damaged.parquet": damaged(lambda data: data[:4] + b"\xff" * 40 + data[44:]),
        "no-rows.parquet": columns(audio=pa.array([], "string"), text=pa.array([], "string")),
        "other-columns.parquet": columns(a=[1], b=[2]),
        "numbers.parquet": columns(audio=[7], text=["habari"]),
        "bytes.parquet": columns(audio=[GOOD.encode()], text=[b"\xff\xfe"]),
        "path-up.parquet": columns(audio=["../../etc/passwd"], text=["habari"]),
        "embedded-nothing.parquet": columns(audio=[{"bytes": b"", "path": GOOD}], text=["a b"]),
        "embedded-null.parquet": columns(
            audio=pa.array([None], pa.struct([("bytes", pa.binary()), ("path", pa.string())])),
            text=["habari"],
        ),
        "embedded-cut.parquet": columns(
            audio=[{"bytes": sound[:9000], "path": GOOD}], text=["habari"]
        ),
        "embedded-words.parquet": columns(audio=[{"bytes": b"habari", "path": GOOD}], text=["a"]),
    }
    return {name: _alone(write) for name, write in found.items()}


def _alone(write: Callable[[Path], object]) -> Write:
    return lambda path, home: write(path)


def _manifests() -> dict[str, bytes | str]:
    def line(**changes: Any) -> str:
        return json.dumps(OURS | changes) + "\n"

    wrong: Record = {
        "duration-negative": {"duration_s": -1},
        "duration-word": {"duration_s": "long"},
        "duration-true": {"duration_s": True},
        "duration-huge": {"duration_s": 1e300},
        "start-word": {"start_s": "soon"},
        "split-unknown": {"split": "later"},
        "split-list": {"split": []},
        "text-number": {"text": 7},
        "language-number": {"language": 7},
        "audio-null": {"audio": None},
        "audio-null-byte": {"audio": "a\0b.wav"},
        "id-list": {"id": []},
        "field-unknown": {"colour": "red"},
    }
    found: dict[str, bytes | str] = {
        "words.jsonl": "habari\n",
        "half.jsonl": line()[:40],
        "latin1.jsonl": json.dumps(OURS | {"text": "mañana"}, ensure_ascii=False).encode("latin-1"),
        "utf16.jsonl": line().encode("utf-16"),
        "twice.jsonl": line() + line(text="kwaheri"),
        "deep.jsonl": "[" * DEEP,
        "nan.jsonl": line().replace("1.0", "NaN"),
        "missing-field.jsonl": json.dumps(ROW) + "\n",
    }
    return found | {f"{name}.jsonl": line(**change) for name, change in wrong.items()}


def _clips_of_manifests() -> dict[str, tuple[Record, str]]:
    """Fields that contradict the clip, and the part that the message shows."""
    return {
        "duration-other.jsonl": ({"duration_s": 7.0}, GOOD),
        "start-late.jsonl": ({"start_s": 99.0}, GOOD),
        "too-long.jsonl": ({"duration_s": 31.0}, "too-long.jsonl"),
        "audio-missing.jsonl": ({"audio": "nowhere.wav"}, "nowhere.wav"),
    }
