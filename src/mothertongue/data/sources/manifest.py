"""Our own manifest.jsonl, as a corpus."""

from collections.abc import Iterator
from dataclasses import fields, replace
from pathlib import Path
from typing import Literal

from mothertongue.data.card import read_card
from mothertongue.data.manifest import (
    MANIFEST_NAME,
    Utterance,
    manifest_path,
)
from mothertongue.data.pseudo_labels import is_log_probability
from mothertongue.data.sources.base import Record, Rejection, Row, Source, reject, to_row
from mothertongue.data.sources.readers import read_jsonl
from mothertongue.errors import Fault

FIELDS = tuple(field.name for field in fields(Utterance))


class ManifestSource(Source):
    """A manifest that `prepare` wrote, or one edited by hand since. No split means train."""

    examples = (
        {
            "manifest.jsonl": '{"id": "1", "audio": "a.wav", "text": "hi", "language": "sw", '
            '"duration_s": 1.0, "split": "test"}\n',
            "a.wav": "",
        },
    )
    precedence = 0

    kind: Literal["manifest"] = "manifest"

    @classmethod
    def recognizes(cls, path: Path) -> bool:
        """By the keys of the first line."""
        file = path / MANIFEST_NAME if path.is_dir() else path
        if not file.is_file() or file.suffix != ".jsonl":
            return False
        first = next(read_jsonl(file), None)
        return isinstance(first, tuple) and {"id", "audio", "text", "duration_s"} <= set(first[1])

    @property
    def root(self) -> Path:
        return manifest_path(self.path).parent

    def rows(self) -> Iterator[Row | Rejection]:
        has_pseudo_labels = False
        for item in read_jsonl(manifest_path(self.path)):
            if isinstance(item, Rejection):
                yield item
                continue
            where, record = item
            unknown = sorted(set(record) - set(FIELDS))
            if unknown:
                reason = f"unknown field {unknown[0]!r}; expected {', '.join(FIELDS)}"
                yield reject(where, record, Fault("MAN-FIELD", reason, "remove or rename it"))
            else:
                has_pseudo_labels |= record.get("average_log_probability") is not None
                yield _pseudo_labelled(where, record)
        if has_pseudo_labels:
            card = read_card(self.path)
            self._labelling = card.labelling if card else None


def _pseudo_labelled(where: str, record: Record) -> Row | Rejection:
    """Return the row of a line; a pseudo-label keeps its log-probability."""
    row = to_row(where, {"split": "train", **record})
    value = record.get("average_log_probability")
    if value is None or isinstance(row, Rejection):
        return row
    if not is_log_probability(value):
        reason = f"average_log_probability is {str(value)[:40]!r}, expected a number <= 0"
        return reject(where, record, Fault("MAN-TYPE", reason, "remove the row, or label it again"))
    return replace(row, average_log_probability=float(value))
