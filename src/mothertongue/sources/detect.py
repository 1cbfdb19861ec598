"""Which layout a path holds, by looking at it."""

from pathlib import Path

from mothertongue.errors import Fault
from mothertongue.sources.audiofolder import AudioFolderSource, metadata_files
from mothertongue.sources.base import Source
from mothertongue.sources.common_voice import CommonVoiceSource
from mothertongue.sources.fleurs import HEADER, FleursSource
from mothertongue.sources.manifest import ManifestSource, is_manifest
from mothertongue.sources.records import read_header
from mothertongue.sources.table import SUFFIXES, TableSource

NUM_LISTED = 12


def detect(path: Path, audio_column: str | None = None, text_column: str | None = None) -> Source:
    """The Source that reads `path`; the columns are for tables and AudioFolders.

    Raises Fault MAN-FORMAT saying what was seen when it is no layout we know.
    """
    if is_manifest(path):
        return ManifestSource(path=path)
    if path.is_file() and path.suffix.lower() in SUFFIXES:
        return TableSource(path=path, audio_column=audio_column, text_column=text_column)
    if path.is_dir():
        found = _folder(path, audio_column, text_column)
        if found is not None:
            return found
    raise Fault(
        "MAN-FORMAT",
        f"{path}: {_seen(path)}; expected a table ({', '.join(SUFFIXES)}), an AudioFolder with "
        "metadata.csv, FLEURS, Common Voice or a manifest",
        "point at the table itself, or at the folder that holds metadata.csv",
    )


def _folder(path: Path, audio_column: str | None, text_column: str | None) -> Source | None:
    if metadata_files(path):
        return AudioFolderSource(path=path, audio_column=audio_column, text_column=text_column)
    tables = [file for file in sorted(path.glob("*.tsv")) if file.is_file()]
    if (path / "clips").is_dir():
        names = {table.stem for table in tables if "client_id" in read_header(table, "\t")}
        if names & {"train", "dev", "test", "validated"}:
            has_splits = bool(names & {"train", "dev", "test"})
            return CommonVoiceSource(path=path, clips="splits" if has_splits else "validated")
    if (path / "audio").is_dir() and any(_is_fleurs(table) for table in tables):
        return FleursSource(path=path)
    tables = [file for file in sorted(path.iterdir()) if file.suffix.lower() in SUFFIXES]
    if len(tables) == 1:
        return TableSource(path=tables[0], audio_column=audio_column, text_column=text_column)
    return None


def _is_fleurs(table: Path) -> bool:
    if table.stem not in ("train", "dev", "test"):
        return False
    first = read_header(table, "\t")
    return len(first) == len(HEADER) and first[0].isdecimal() and first[5].isdecimal()


def _seen(path: Path) -> str:
    if not path.exists():
        return "no such file or folder"
    if path.is_file():
        return f"a {path.suffix or 'nameless'} file"
    names = sorted(entry.name + "/" * entry.is_dir() for entry in path.iterdir())
    more = f" and {len(names) - NUM_LISTED} more" if len(names) > NUM_LISTED else ""
    return f"a folder with {', '.join(names[:NUM_LISTED]) or 'nothing in it'}{more}"
