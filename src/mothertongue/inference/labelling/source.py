"""Recognized pieces as a corpus that `prepare` reads. No torch."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal

from pydantic import PrivateAttr

from mothertongue.data.pseudo_labels import Labelling
from mothertongue.data.sources.base import Rejection, Row, Source


class PseudoLabels(Source):
    """Rows that a model labelled, and pieces that were dropped. `path` is the folder to write."""

    kind: Literal["label"] = "label"
    _rows: tuple[Row | Rejection, ...] = PrivateAttr(default=())

    @classmethod
    def recognizes(cls, path: Path) -> bool:
        """Return False: nothing on disk has this layout."""
        return False

    @property
    def root(self) -> Path:
        return self.path

    def take(self, rows: Sequence[Row | Rejection], labelling: Labelling) -> None:
        """Set the rows, and how they were labelled."""
        self._rows, self._labelling = tuple(rows), labelling

    def rows(self) -> Iterator[Row | Rejection]:
        yield from self._rows
