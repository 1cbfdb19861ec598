"""The address at which the server listens, and the key that its clients must send."""

import os
import socket
from contextlib import ExitStack
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path

from mothertongue.errors import ConfigError

KEY = "MOTHERTONGUE_API_KEY"
MIN_KEY = 16


@dataclass(frozen=True, slots=True)
class Address:
    """A host and a port, and the key if there is one."""

    host: str
    port: int
    key: str | None


def address(host: str, port: int, key_file: Path | None) -> Address:
    """Return the address with the key from the file or the environment.

    Raises ConfigError where others than this machine could ask without a key, and for a key that
    is too short or that no client can send.
    """
    key = _key(key_file)
    if key is None and not is_loopback(host):
        raise ConfigError(
            f"--host {host} is open to others, and there is no key; set {KEY} or --key-file"
        )
    return Address(host, port, key)


def is_loopback(host: str | None) -> bool:
    """Return whether a host is only for this machine: localhost, 127.0.0.0/8, ::1."""
    try:
        return host == "localhost" or ip_address(host or "").is_loopback
    except ValueError:
        return False


def listen(where: Address) -> list[socket.socket]:
    """Return a socket for each address of the host. Raises ConfigError if it cannot listen."""
    try:
        found = socket.getaddrinfo(where.host, where.port, type=socket.SOCK_STREAM)
        with ExitStack() as stack:
            opened = [
                stack.enter_context(socket.create_server(name, family=family))
                for family, *_, name in dict.fromkeys(found)
            ]
            stack.pop_all()
            return opened
    except OSError as error:
        raise ConfigError(
            f"{where.host}:{where.port}: cannot listen there: {error.strerror}; "
            "give another --port or --host"
        ) from None


def _key(file: Path | None) -> str | None:
    if file is None and KEY not in os.environ:
        return None
    given = file.read_bytes() if file else os.fsencode(os.environ[KEY])
    key, origin = given.decode("utf-8", "replace").strip(), file or KEY
    if not (key.isascii() and key.isprintable()):
        raise ConfigError(
            f"{origin}: other than letters, digits and signs of ASCII; clients send a key in a "
            "header, which has room for those alone"
        )
    if len(key) < MIN_KEY:
        raise ConfigError(f"{origin}: {len(key)} characters; expected a key of at least {MIN_KEY}")
    return key
