"""Which layout a path holds, by looking at it."""

from pathlib import Path

from mothertongue.data.sources.audiofolder import AudioFolderSource, metadata_files
from mothertongue.data.sources.base import Source
from mothertongue.data.sources.common_voice import CommonVoiceSource
from mothertongue.data.sources.fleurs import (
    FleursSource,
    TextField,
    is_fleurs_parquet,
    is_fleurs_tsv,
    parquet_tables,
    tsv_tables,
)
from mothertongue.data.sources.manifest import ManifestSource, is_manifest
from mothertongue.data.sources.readers import read_header
from mothertongue.data.sources.table import SUFFIXES, TableSource
from mothertongue.errors import ConfigError, Fault

NUM_LISTED = 12


def detect(
    path: Path,
    audio_column: str | None = None,
    text_column: str | None = None,
    text_field: TextField | None = None,
) -> Source:
    """The Source that reads `path`. Columns are for tables and AudioFolders, text_field for FLEURS.

    Raises Fault MAN-FORMAT saying what was seen when it is no layout we know, and ConfigError
    where an option has no effect on what was found.
    """
    source = _file(path, audio_column, text_column)
    if source is None and path.is_dir():
        source = _folder(path, audio_column, text_column, text_field)
    if source is None:
        raise Fault(
            "MAN-FORMAT",
            f"{path}: {_seen(path)}; expected a table ({', '.join(SUFFIXES)}), an AudioFolder with "
            "metadata.csv, FLEURS, Common Voice or a manifest",
            "point at the table itself, or at the folder that holds metadata.csv",
        )
    options = {"--audio-column": audio_column, "--text-column": text_column}
    _require_effect(source, options | {"--text-field": text_field})
    return source


def _require_effect(source: Source, options: dict[str, str | None]) -> None:
    takes = {"--audio-column", "--text-column"}
    if isinstance(source, FleursSource):
        takes = {"--text-field"}
    elif not isinstance(source, TableSource | AudioFolderSource):
        takes = set()
    useless = [name for name, value in options.items() if value is not None and name not in takes]
    if useless:
        kind = type(source).model_fields["kind"].default
        expected = " and ".join(sorted(takes)) or "neither a column nor a field"
        raise ConfigError(
            f"{source.path}: {useless[0]} has no effect on a corpus of kind {kind}; expected "
            f"{expected}; leave it out"
        )


def _file(path: Path, audio_column: str | None, text_column: str | None) -> Source | None:
    if is_manifest(path):
        return ManifestSource(path=path)
    if not path.is_file() or path.suffix.lower() not in SUFFIXES:
        return None
    if path.suffix.lower() == ".parquet" and is_fleurs_parquet(path):
        reason = f"{path}: one file of FLEURS; expected the folder of its language"
        raise Fault(
            "MAN-FORMAT", reason, "point at the folder that holds all splits, such as sw_ke"
        )
    return TableSource(path=path, audio_column=audio_column, text_column=text_column)


def _folder(
    path: Path, audio_column: str | None, text_column: str | None, text_field: TextField | None
) -> Source | None:
    if metadata_files(path):
        return AudioFolderSource(path=path, audio_column=audio_column, text_column=text_column)
    if (path / "clips").is_dir():
        tables = [file for file in sorted(path.glob("*.tsv")) if file.is_file()]
        names = {table.stem for table in tables if "client_id" in read_header(table, "\t")}
        if names & {"train", "dev", "test", "validated"}:
            has_splits = bool(names & {"train", "dev", "test"})
            return CommonVoiceSource(path=path, clips="splits" if has_splits else "validated")
    if _is_fleurs(path):
        return FleursSource(path=path, text=text_field or "transcription")
    tables = [file for file in sorted(path.iterdir()) if file.suffix.lower() in SUFFIXES]
    if len(tables) == 1:
        return TableSource(path=tables[0], audio_column=audio_column, text_column=text_column)
    return None


def _is_fleurs(path: Path) -> bool:
    if (path / "audio").is_dir() and any(is_fleurs_tsv(table) for _, table in tsv_tables(path)):
        return True
    shards = parquet_tables(path)
    return bool(shards) and is_fleurs_parquet(shards[0][1])


def _seen(path: Path) -> str:
    if not path.exists():
        return "no such file or folder"
    if path.is_file():
        return f"a {path.suffix or 'nameless'} file"
    if not path.is_dir():
        return "neither a file nor a folder"
    names = sorted(entry.name + "/" * entry.is_dir() for entry in path.iterdir())
    more = f" and {len(names) - NUM_LISTED} more" if len(names) > NUM_LISTED else ""
    return f"a folder with {', '.join(names[:NUM_LISTED]) or 'nothing in it'}{more}"
