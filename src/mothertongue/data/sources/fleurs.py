"""FLEURS in both forms that the Hub serves: tsv files with audio/<split>/*.wav, and Parquet."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Literal

from mothertongue.data.manifest import SPLITS, Split
from mothertongue.data.sources.base import Record, Rejection, Row, Source, to_row
from mothertongue.data.sources.columns import split_named
from mothertongue.data.sources.parquet import embedded_column, read_parquet, read_parquet_header
from mothertongue.data.sources.readers import Located, read_delimited, read_header
from mothertongue.errors import Fault

TextField = Literal["transcription", "raw_transcription"]
TEXT_OPTIONS = {"--text-field": "text"}

# The tsv has no header; these are the names of the Parquet's columns. `id` is the sentence's: it
# repeats for every speaker who read it, and is no id of a clip.
TSV_COLUMNS = ("id", "path", "raw_transcription", "transcription", "chars", "num_samples", "gender")
PARQUET_COLUMNS = ("id", "num_samples", "path", "audio", "transcription", "raw_transcription")
TSV_SPLITS = ("train", "dev", "test")
# Below a language's folder: train-00000-of-00002.parquet on the Hub's main branch (in
# parquet-data/), train/0000.parquet or partial-train/0000.parquet on refs/convert/parquet, and
# fleurs-train-00000-of-00002.parquet in that branch's older commits.
PARQUET_NAME = re.compile(
    r"(?:fleurs-|partial-)?(train|validation|dev|test)(?:-\d+-of-\d+)?(?:/\d+)?\.parquet"
)
SAMPLE_RATE_HZ = 16_000

# Rows of train, validation and test: Table 2 of Liu, Yang, Qu 2024 has these seven languages. The
# counts are those of TensorFlow Datasets' catalog (xtreme_s), and of the Hub's viewer.
PAPER_ROWS: dict[str, tuple[int, int, int]] = {
    "af": (1032, 198, 264),
    "be": (2433, 408, 967),
    "is": (926, 36, 46),
    "kk": (3200, 369, 856),
    "mr": (3269, 443, 1015),
    "ne": (3332, 305, 726),
    "sw": (3070, 211, 487),
}
PAPER_FOLDERS = {
    "af_za": "af",
    "be_by": "be",
    "is_is": "is",
    "kk_kz": "kk",
    "mr_in": "mr",
    "ne_np": "ne",
    "sw_ke": "sw",
}


class FleursSource(Source):
    """One language folder of google/fleurs, such as `sw_ke`."""

    examples = (
        {
            "train.tsv": "1\t1.wav\tHe said yes.\the said yes\th e | s\t32000\tMALE\n",
            "dev.tsv": "2\t2.wav\tNo.\tno\tn o\t32000\tFEMALE\n",
            "test.tsv": "3\t3.wav\tMaybe.\tmaybe\tm a y\t32000\tMALE\n",
            "audio/train/1.wav": "",
            "audio/dev/2.wav": "",
            "audio/test/3.wav": "",
        },
    )
    options = TEXT_OPTIONS
    precedence = 30

    kind: Literal["fleurs"] = "fleurs"
    path: Path
    """The language folder."""
    text: TextField = "transcription"
    """`transcription` is lower case without punctuation, as the FLEURS and Whisper papers score;
    `raw_transcription` is as written."""

    @classmethod
    def recognizes(cls, path: Path) -> bool:
        """By the tables' columns. Raises Fault for one file of it, which is not the corpus."""
        if path.is_file() and path.suffix.lower() == ".parquet" and is_fleurs_parquet(path):
            reason = f"{path}: one file of FLEURS; expected the folder of its language"
            fix = "point at the folder that holds all splits, such as sw_ke"
            raise Fault("MAN-FORMAT", reason, fix)
        if not path.is_dir():
            return False
        tables = tsv_tables(path) if (path / "audio").is_dir() else []
        if any(is_fleurs_tsv(table) for _, table in tables):
            return True
        shards = parquet_tables(path)
        return bool(shards) and is_fleurs_parquet(shards[0][1])

    def rows(self) -> Iterator[Row | Rejection]:
        tables = tsv_tables(self.path)
        for split, table in tables:
            _require_unpacked(self.path / "audio", split)
            records = read_delimited(table, "\t", has_quotes=False, header=TSV_COLUMNS)
            yield from self._rows(split, records, _tsv_audio)
        for split, table in [] if tables else parquet_tables(self.path):
            _require_columns(table)
            yield from self._rows(split, read_parquet(table, PARQUET_COLUMNS), _parquet_audio)

    def _rows(
        self,
        split: str,
        records: Iterable[Located | Rejection],
        audio_of: Callable[[str, Record], dict[str, object]],
    ) -> Iterator[Row | Rejection]:
        for item in records:
            if isinstance(item, Rejection):
                yield replace(item, row=item.row | {"split": split})
                continue
            where, record = item
            fields = {
                "text": record[self.text],
                "split": split,
                "duration_s": _seconds(record["num_samples"]),
                "sentence_id": record["id"],
            }
            yield to_row(where, fields | audio_of(split, record))


def tsv_tables(folder: Path) -> list[tuple[str, Path]]:
    """(split, file) of the tsv files that are there."""
    tables = [(split, folder / f"{split}.tsv") for split in TSV_SPLITS]
    return [(split, table) for split, table in tables if table.is_file()]


def parquet_tables(folder: Path) -> list[tuple[str, Path]]:
    """(split, file) of the Parquet files that are named as the Hub names them, by split."""
    found = [
        (match[1], table)
        for table in sorted(folder.glob("*.parquet")) + sorted(folder.glob("*/*.parquet"))
        if (match := PARQUET_NAME.fullmatch(table.relative_to(folder).as_posix()))
    ]
    return sorted(found, key=lambda item: SPLITS.index(_split(item[0])))


def is_fleurs_tsv(table: Path) -> bool:
    """Whether a tsv file looks like one of FLEURS: seven columns, whole numbers in two."""
    first = read_header(table, "\t")
    return len(first) == len(TSV_COLUMNS) and first[0].isdecimal() and first[5].isdecimal()


def is_fleurs_parquet(table: Path) -> bool:
    """Whether a Parquet file has the columns of FLEURS. Raises Fault where it cannot be read."""
    return set(PARQUET_COLUMNS) <= set(read_parquet_header(table))


def paper_language(folder: Path, language: str | None) -> str | None:
    """The language of PAPER_ROWS that a folder has: by its name, else by its language's code."""
    named = PAPER_FOLDERS.get(folder.resolve().name)
    return named or (language if language in PAPER_ROWS else None)


def row_differences(language: str, seen: Mapping[Split, int]) -> tuple[str, ...]:
    """The differences from PAPER_ROWS, one for each split; empty where all rows are there."""
    expected = zip(SPLITS, PAPER_ROWS[language], strict=True)
    return tuple(
        f"{split} has {seen.get(split, 0):,} rows, expected {count:,}"
        for split, count in expected
        if seen.get(split, 0) != count
    )


def _tsv_audio(split: str, record: Record) -> dict[str, object]:
    return {"audio": f"audio/{split}/{record['path']}"}


def _parquet_audio(split: str, record: Record) -> dict[str, object]:
    content = record.get(embedded_column("audio"))
    # `path` is one on the computer that wrote the table: good for a name, and nothing else.
    name = record["audio"] or (None if content is None else record["path"])
    return {"audio": name, "embedded": content}


def _split(name: str) -> Split:
    split = split_named(name)
    assert split is not None
    return split


def _seconds(num_samples: object) -> object:
    """Seconds of a number of samples; anything else as it is, to be refused with the row."""
    text = str(num_samples)
    # float, as int raises on thousands of digits: so many are infinite, and no duration.
    return float(text) / SAMPLE_RATE_HZ if text.isdecimal() else num_samples


def _require_unpacked(folder: Path, name: str) -> None:
    archive = folder / f"{name}.tar.gz"
    if archive.is_file() and not (folder / name).is_dir():
        reason = f"{archive}: not unpacked; expected the folder {folder / name}"
        raise Fault("MAN-FORMAT", reason, f"run: tar -xzf {archive} -C {folder}")


def _require_columns(table: Path) -> None:
    missing = sorted(set(PARQUET_COLUMNS) - set(read_parquet_header(table)))
    if missing:
        reason = f"{table}: no column {', '.join(missing)}; expected those of google/fleurs"
        raise Fault("MAN-COLUMN", reason, "download the file again, or prepare it as a table")
