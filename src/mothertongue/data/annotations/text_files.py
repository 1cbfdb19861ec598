"""Read the text of annotation files. The first character is always ASCII; this reveals UTF-16."""

import codecs
from pathlib import Path

from mothertongue.errors import ConfigError, Fault

MAX_BYTES = 1 << 26  # 64 MiB; a day of words with times takes 10 MiB


def read_bytes(path: Path) -> bytes:
    """Return the content of a file. Raises Fault MAN-LINE over 64 MiB, MAN-FORMAT if unreadable."""
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise Fault("MAN-FORMAT", f"{path}: {error.strerror}", "change its permissions") from None
    if len(content) > MAX_BYTES:
        reason = f"{path}: over {MAX_BYTES:,} bytes; expected the annotations of one recording"
        raise Fault("MAN-LINE", reason, "cut it into several files")
    return content


def read_text(path: Path, encoding: str | None = None) -> str:
    """Return a file's text with \\n at the end of lines and no byte order mark.

    It is UTF-8 or UTF-16, with or without a byte order mark; `encoding` is that of other files, as
    a folder may hold both. Raises Fault MAN-ENCODING with the byte offset if the file is neither.
    """
    content = read_bytes(path)
    name = _unicode(content)
    if encoding and name == "utf-8" and not _must_be_utf8(content):
        name = encoding
    try:
        text = content.decode(name)
    except UnicodeDecodeError as error:
        reason = f"{path}: byte 0x{content[error.start]:02x} at byte offset {error.start:,}"
        fix = "save it as UTF-8, or say what it is, such as --encoding cp1252; we do not guess"
        raise Fault("MAN-ENCODING", f"{reason} is not {name.upper()}", fix) from None
    return text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")


def check_encoding(name: str | None) -> str | None:
    """Return the name of a text encoding that Python knows. Raises ConfigError for another name."""
    try:
        b"a".decode(name or "utf-8", "ignore")
    except LookupError:
        raise ConfigError(
            f"--encoding {name}: no text encoding; expected one such as cp1252 or cp1256"
        ) from None
    return name


def _unicode(content: bytes) -> str:
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    if content[1:2] == b"\0":
        return "utf-16-le"
    return "utf-16-be" if content[:1] == b"\0" else "utf-8"


def _must_be_utf8(content: bytes) -> bool:
    """Return whether bytes are UTF-8 that no other encoding is likely to write: more than ASCII."""
    try:
        return not content.decode().isascii()
    except UnicodeDecodeError:
        return False
