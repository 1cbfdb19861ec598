"""Answers of the routes that no client can cause."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import openai
import pytest
from serving_client import LIMITS, ask
from serving_fixtures import running

from mothertongue.decoding.transcript import Clip, Transcript
from mothertongue.model.tokenizer import Tokens
from mothertongue.serving.models import ModelRegistry, ServedModel


class Broken:
    """An engine that fails."""

    def __call__(self, audio: Sequence[Any], language: str | None) -> list[Transcript]:
        raise AssertionError

    def decode(self, clips: Sequence[Clip]) -> list[Transcript]:
        raise RuntimeError("out of memory at 0x7f")


@pytest.fixture(scope="module")
def broken(tokens: Tokens, transformers_folder: Path) -> Iterator[Any]:
    bases = {"local": str(transformers_folder), "hub": "openai/whisper-base", "none": None}
    models = {
        name: ServedModel(name, "run", 0, tokens, "sw", base=base) for name, base in bases.items()
    }
    with running(ModelRegistry(models, [Broken()]), LIMITS) as started:  # type: ignore[list-item]
        yield started


def test_a_stream_tells_that_the_engine_failed(broken: Any, recordings: list[Path]) -> None:
    url = f"{broken.url}/v1"
    with openai.OpenAI(base_url=url, api_key="unused", max_retries=0) as client:
        stream = client.audio.transcriptions.create(file=recordings[0], model="hub", stream=True)
        with pytest.raises(openai.APIError, match="the server failed; its log has") as caught:
            list(stream)
    body: Any = caught.value.body
    assert (body["type"], body["code"]) == ("server_error", "internal")
    assert "0x7f" not in str(body)


def test_clients_see_no_folder_of_a_base(broken: Any, transformers_folder: Path) -> None:
    _, found, _ = ask(broken, "GET", "/v1/models")
    bases = [each["base"] for each in found["data"]]
    assert bases == [transformers_folder.name, "openai/whisper-base", None]
