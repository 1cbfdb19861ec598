"""The server listens for this machine, or with a key that clients can send."""

from pathlib import Path
from typing import Any

import pytest
from serving_client import KEY, LIMITS, Slow, ask
from serving_fixtures import running

from mothertongue.errors import ConfigError
from mothertongue.model.tokenizer import Tokens
from mothertongue.serving.address import Address, address, listen
from mothertongue.serving.models import ModelRegistry, ServedModel

ENV = "MOTHERTONGUE_API_KEY"


@pytest.fixture(autouse=True)
def no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(ENV, raising=False)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.7", "speech.example"])
def test_others_need_a_key(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match="there is no key"):
        address(host, 8000, None)
    monkeypatch.setenv(ENV, KEY)
    assert address(host, 8000, None).key == KEY


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.2", "::1", "localhost"])
def test_this_machine_needs_none(host: str) -> None:
    assert address(host, 8000, None) == Address(host, 8000, None)


@pytest.mark.parametrize("end", ["\n", "\r\n", " ", "\t\n"])
def test_what_ends_a_key_is_not_part_of_it(
    end: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(ENV, KEY + end)
    assert address("127.0.0.1", 8000, None).key == KEY
    (tmp_path / "key").write_bytes((KEY + end).encode())
    assert address("127.0.0.1", 8000, tmp_path / "key").key == KEY


@pytest.mark.parametrize(
    ("key", "message"),
    [
        (b"short\n", "5 characters; expected a key of at least 16"),
        ("ufunguo wa siri sana: ŋ".encode(), "other than letters"),
        (b"\x89PNG\r\n\x1a\n\x00\x00\x00\x00\xff\xfe\xfd", "other than letters"),
        (b"a key of two lines\nof which this is one", "other than letters"),
        (b"", "0 characters"),
    ],
)
def test_a_key_that_no_client_can_send_is_refused_at_once(
    key: bytes, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "key").write_bytes(key)
    with pytest.raises(ConfigError, match=f"key: {message}"):
        address("127.0.0.1", 8000, tmp_path / "key")
    if b"\0" not in key:
        monkeypatch.setenv(ENV, key.decode("utf-8", "surrogateescape"))
        with pytest.raises(ConfigError, match=f"{ENV}: {message}"):
            address("127.0.0.1", 8000, None)


def test_every_name_of_this_machine_is_answered(tokens: Tokens) -> None:
    offer = ModelRegistry({"slow": ServedModel("slow", "base", 0, tokens, "sw")}, [Slow()])
    with running(offer, LIMITS, decoders=0) as server:
        for name in ("localhost", "127.0.0.1", "127.0.0.2:8000", "[::1]:8000", "LOCALHOST"):
            assert ask(server, "GET", "/v1/models", None, {"Host": name})[0] == 200, name
        for name in ("127.0.0.2.evil.example", "0.0.0.0", "::1", ""):
            assert ask(server, "GET", "/v1/models", None, {"Host": name})[0] == 403, name


def test_nothing_tells_the_models_without_the_key(tokens: Tokens) -> None:
    offer = ModelRegistry(
        {"secretive": ServedModel("secretive", "base", 0, tokens, "sw")}, [Slow()]
    )
    with running(offer, LIMITS, KEY, decoders=0) as server:
        for path in ("/", "/health", "/openapi.json", "/metrics", "/v1/models", "/nothing"):
            assert "secretive" not in str(ask(server, "GET", path)), path
        assert ask(server, "GET", "/openapi.json")[0] == 401
        right: Any = {"Authorization": f"Bearer {KEY}"}
        assert ask(server, "GET", "/openapi.json", None, right)[0] == 200


def test_why_it_cannot_listen_is_said() -> None:
    (first,) = listen(Address("127.0.0.1", 0, None))
    port = first.getsockname()[1]
    with first, pytest.raises(ConfigError, match=f"127.0.0.1:{port}: .*already in use.*--port"):
        listen(Address("127.0.0.1", port, None))
    with pytest.raises(ConfigError, match=r"192\.0\.2\.1:0: .*assign requested address.*--host"):
        listen(Address("192.0.2.1", 0, KEY))
