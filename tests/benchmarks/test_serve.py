"""The benchmark of the server, on one of tiny models: every answer is told apart."""

from pathlib import Path
from typing import Any

import pytest
import serve
from serving_fixtures import offer, recordings, server  # noqa: F401

pytestmark = pytest.mark.slow


def test_answers_are_counted_by_what_they_are(
    server: Any,  # noqa: F811
    recordings: list[Path],  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    urls = dict.fromkeys(("base", "lora"), server.url)
    clips = [path.read_bytes() for path in recordings[:2]]
    found = serve.measure(urls, clips, requests=20, clients=4)
    assert found["answers"] == {"right": 16, "refused": 4}
    assert 0 < found["p50_s"] <= found["p95_s"]
    real, asked = serve.ask, []

    def altered(client: Any, url: str, name: str, data: bytes) -> tuple[int, str]:
        """Another text, once it has been asked twice for everything."""
        asked.append(name)
        status, text = real(client, url, name, data)
        return status, text + "!" if len(asked) == 10 else text

    monkeypatch.setattr(serve, "ask", altered)
    again = serve.measure(urls, clips, requests=20, clients=1)
    assert again["answers"].get("wrong 200") == 1
