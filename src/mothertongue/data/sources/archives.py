"""Name the commands that unpack archives. Nothing is unpacked here: they may hold anything."""

import shlex
from pathlib import Path

from mothertongue.data.folders import shown

TAR = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz", ".tar.zst")
COMMANDS = {
    ".zip": "unzip {archive} -d {folder}",
    ".7z": "7z x {archive} -o{folder}",
    ".rar": "mkdir -p {folder} && unrar x {archive} {folder}/",
    **dict.fromkeys(TAR, "mkdir -p {folder} && tar -xf {archive} -C {folder}"),
    **dict.fromkeys((".csv.gz", ".tsv.gz", ".txt.gz", ".json.gz"), "gunzip --keep {archive}"),
}


def is_archive(path: Path) -> bool:
    """Return whether a path is a file that is called as archives are."""
    return path.name.lower().endswith(tuple(COMMANDS)) and path.is_file()


def archives_in(folder: Path) -> list[Path]:
    """Return the archives in a folder, without its subfolders."""
    return [each for each in shown(folder) if is_archive(each)]


def unpack_command(archive: Path) -> str:
    """Return the command that unpacks an archive to a folder of its name beside it."""
    end = max((end for end in COMMANDS if archive.name.lower().endswith(end)), key=len)
    folder = archive.with_name(archive.name[: -len(end)] or "unpacked")
    quoted = {"archive": shlex.quote(str(archive)), "folder": shlex.quote(str(folder))}
    return COMMANDS[end].format(**quoted)
