"""data_card.json: the report of `prepare` beside the manifest that it wrote. No torch."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from mothertongue.data.data_report import DataReport
from mothertongue.data.manifest import MANIFEST_NAME, PREPARE, manifest_path
from mothertongue.system.files import sha256_file, write_json
from mothertongue.system.json_files import FORMAT_VERSION, absent, field_values, read_json

CARD_NAME = "data_card.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Card(DataReport):
    """The result of `prepare`, and the SHA-256 of the manifest that it wrote."""

    format_version: Literal[1] = FORMAT_VERSION
    manifest_sha256: str
    folder: str | None = absent()
    """The name of the manifest's folder, in the record of a comparison."""


def write_card(folder: Path, report: DataReport) -> None:
    """Write the card of the manifest in a folder, with the manifest's SHA-256."""
    digest = sha256_file(folder / MANIFEST_NAME)
    write_json(folder / CARD_NAME, Card(**field_values(report), manifest_sha256=digest))


def read_card(path: Path) -> Card | None:
    """Return the card of a manifest or its folder; None if it has none, or that of another."""
    manifest = manifest_path(path)
    card_path = manifest.parent / CARD_NAME
    if not card_path.is_file():
        return None
    again = f"remove it, or make the manifest again with: {PREPARE}"
    card = read_json(card_path, Card, again)
    return card if card.manifest_sha256 == sha256_file(manifest) else None
