"""Folders, archives and names that a corpus or a recording may come in."""

import os
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

from faults.home import Home
from faults.inputs import Input, Write, content
from faults.sounds import whole

ODD_NAMES = {
    "newline": "a\nb.wav",
    "escape": "\x1b]0;title\x07\x1b[2J.wav",
    "markup": "a [/y] [bold].wav",
    "quotes": "a'\"`$(true).wav",
    "spaces": " a b .wav",
    "dash": "-rf.wav",
    "star": "*.wav",
    "percent": "%s%n{0}.wav",
    "right-to-left": "\u202evaw.a.wav",
    "emoji": "\U0001f9d1\u200d\U0001f4bb.wav",
    "not-utf8": os.fsdecode(b"a\xff\xfe.wav"),
    "longest": "a" * 251 + ".wav",
    "dots": "...wav",
    "two-ends": "a.mp3.wav",
    "windows": "CON.wav",
    "tilde": "~.wav",
}


def inputs() -> Iterator[Input]:
    """Every one of them."""
    for name, write in _folders().items():
        yield Input("folder", name, write)
    for name, write in _archives().items():
        yield Input("folder", name, write)
    for name, write in _recordings().items():
        yield Input("recordings", name, write)
    for key, name in ODD_NAMES.items():
        # A name is no fault: the recording is read, and a damaged one of that name is named.
        yield Input("recordings", f"good-{key}", _named(name, whole("wav")), 0, {"label": None})
        cut = _named(name, whole("wav")[:9000])
        if key == "not-utf8":  # no manifest can hold it, and `label` writes one
            yield Input("recordings", f"label-{key}", cut, names="PATH-NAME", only=("label",))
            yield Input("recordings", f"cut-{key}", cut, names="AUD-", only=("transcribe",))
        else:
            yield Input("recordings", f"cut-{key}", cut, names="AUD-")


def _folders() -> dict[str, Write]:
    return {
        "nothing": lambda path, home: None,
        "empty": lambda path, home: path.mkdir(),
        "of-words": _filled({"a.txt": "habari"}),
        "of-tables": _filled({"a.csv": "audio,text\n", "b.csv": "audio,text\n"}),
        "of-folders": _filled({"audio/b/c.txt": ""}),
        "metadata-empty": _filled({"metadata.csv": ""}),
        "metadata-header": _filled({"metadata.csv": "file_name,text\n"}),
        "metadata-missing-clip": _filled({"metadata.csv": "file_name,text\na.wav,habari\n"}),
        "metadata-up": _filled({"metadata.csv": "file_name,text\n../../etc/passwd,habari\n"}),
        "metadata-folder": _filled({"metadata.csv/a": ""}),
        "voice-empty": _filled({"clips/a.mp3": "", "train.tsv": "client_id\tpath\tsentence\n"}),
        "voice-ragged": _filled(
            {"clips/a.mp3": "", "train.tsv": "client_id\tpath\tsentence\nx\ta.mp3\n"}
        ),
        "voice-bad-clip": _filled(
            {"clips/a.mp3": "no", "train.tsv": "client_id\tpath\tsentence\nx\ta.mp3\thabari\n"}
        ),
        "in-a-folder": _filled({"in/metadata.csv": "file_name,text\na.wav,habari\n"}),
        "in-folders-empty": _filled({"in/in/in/in/in/a.txt": ""}),
        "archive-inside": _filled({"in.tar.gz": "no", "in.zip": "no"}),
        "stm-channels": _filled({"a.stm": "a A x 0 1 moja\na B y 0 1 mbili\n"}),
        "stm-binary": _filled({"a.stm": "\0\1\2"}),
        "manifest-folder": _filled({"manifest.jsonl/a": ""}),
        "socket-beside": _filled({"a.csv/b": ""}),
        "link-to-itself": lambda path, home: path.symlink_to(path.name),
        "device": lambda path, home: path.symlink_to("/dev/null"),
        "pipe.csv": lambda path, home: os.mkfifo(path),
        "pipe.jsonl": lambda path, home: os.mkfifo(path),
    }


def _archives() -> dict[str, Write]:
    """Never unpacked: an archive is told to be none of the layouts."""

    def tarred(kind: bytes, name: str, link: str = "") -> Write:
        def write(path: Path, home: Home) -> None:
            with tarfile.open(path, "w") as archive:
                member = tarfile.TarInfo(name)
                member.type, member.linkname = kind, link
                archive.addfile(member)

        return write

    def zipped(members: dict[str, bytes]) -> Write:
        def write(path: Path, home: Home) -> None:
            with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
                for name, data in members.items():
                    archive.writestr(name, data)

        return write

    return {
        "up.tar": tarred(tarfile.REGTYPE, "../../x.wav"),
        "absolute.tar": tarred(tarfile.REGTYPE, "/tmp/x.wav"),
        "link.tar": tarred(tarfile.SYMTYPE, "a.wav", "/etc/passwd"),
        "hard-link.tar": tarred(tarfile.LNKTYPE, "a.wav", "/etc/passwd"),
        "device.tar": tarred(tarfile.CHRTYPE, "a.wav"),
        "up.zip": zipped({"../../x.wav": b"x"}),
        "bomb.zip": zipped({"a.wav": bytes(10_000_000)}),
        "many.zip": zipped({f"{i}.wav": b"" for i in range(1000)}),
        "cut.zip": content(b"PK\x03\x04" + bytes(30)),
        "squeezed.tar.gz": content(b"\x1f\x8b\x08\0" + bytes(30)),
    }


def _recordings() -> dict[str, Write]:
    return {
        "nothing": lambda path, home: None,
        "empty": lambda path, home: path.mkdir(),
        "of-words": _filled({"a.txt": "habari"}),
        "one-bad.wav": content(b"habari"),
    }


def _filled(files: dict[str, str]) -> Write:
    def write(path: Path, home: Home) -> None:
        for name, text in files.items():
            (path / name).parent.mkdir(parents=True, exist_ok=True)
            (path / name).write_text(text, "utf-8")

    return write


def _named(name: str, data: bytes) -> Callable[[Path, Home], None]:
    """A folder with one recording of that name."""

    def write(path: Path, home: Home) -> None:
        (path / name).parent.mkdir(parents=True)
        (path / name).write_bytes(data)

    return write
