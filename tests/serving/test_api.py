"""The server through the `openai` client, which knows nothing of us."""

import io
import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import openai
import pytest
import soundfile

KINDS = ("base", "lora", "bottleneck", "full")


@pytest.fixture(scope="module")
def client(server: Any) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{server.url}/v1", api_key="unused", max_retries=0) as made:
        yield made


def silence(seconds: float) -> tuple[str, bytes]:
    file = io.BytesIO()
    soundfile.write(file, np.zeros(int(16_000 * seconds)), 16_000, format="FLAC")
    return "silence.flac", file.getvalue()


@pytest.mark.parametrize("name", KINDS)
def test_each_model_says_what_it_says_alone(
    client: openai.OpenAI,
    recordings: list[Path],
    expected: Callable[[str, int], str],
    name: str,
) -> None:
    for i, path in enumerate(recordings):
        found = client.audio.transcriptions.create(file=path, model=name, language="sw")
        assert found.text == expected(name, i)
        assert found.usage.seconds >= 1  # type: ignore[union-attr]


def test_models_say_different_things(expected: Callable[[str, int], str]) -> None:
    assert len({expected(model, 0) for model in KINDS}) == 4


def test_formats(client: openai.OpenAI, recordings: list[Path]) -> None:
    def asked(format_: Any, **more: Any) -> Any:
        return client.audio.transcriptions.create(
            file=recordings[0], model="lora", response_format=format_, **more
        )

    text = asked("text").strip()
    assert re.match(r"1\n00:00:0\d,\d{3} --> 00:00:0\d,\d{3}\n\S", asked("srt"))
    assert re.match(r"WEBVTT\n\n00:00:0\d\.\d{3} --> 00:00:0\d\.\d{3}\n\S", asked("vtt"))
    plain = asked("verbose_json")
    assert (plain.text, plain.language, plain.words) == (text, "swahili", None)
    assert plain.duration == pytest.approx(soundfile.info(recordings[0]).duration, abs=0.01)
    assert plain.segments[0].tokens and plain.segments[0].avg_logprob < 0
    words = asked("verbose_json", timestamp_granularities=["word"])
    assert words.segments is None
    assert "".join(each.word for each in words.words) == text.replace(" ", "")
    both = asked("verbose_json", timestamp_granularities=["word", "segment"])
    assert both.words == words.words
    assert both.segments[0].start == both.words[0].start
    assert 0 <= both.segments[0].no_speech_prob <= 1
    assert plain.segments == both.segments


def test_a_stream(client: openai.OpenAI, recordings: list[Path], expected: Any) -> None:
    events = list(client.audio.transcriptions.create(file=recordings[1], model="full", stream=True))
    *deltas, done = events
    assert done.type == "transcript.text.done"
    assert "".join(each.delta for each in deltas) == done.text == expected("full", 1)


@pytest.mark.filterwarnings("ignore:deprecated:DeprecationWarning")  # so says their client
def test_translations(client: openai.OpenAI, recordings: list[Path], expected: Any) -> None:
    found = client.audio.translations.create(file=recordings[0], model="base")
    assert found.text and found.text != expected("base", 0)
    verbose = client.audio.translations.create(
        file=recordings[0], model="base", response_format="verbose_json"
    )
    assert (verbose.language, verbose.text) == ("english", found.text)


def test_a_prompt_changes_what_is_said(client: openai.OpenAI, recordings: list[Path]) -> None:
    texts = {
        client.audio.transcriptions.create(
            file=recordings[0], model="base", language="sw", prompt=prompt
        ).text
        for prompt in ("", "Habari <|endoftext|> <|en|>", "Watoto wanacheza. " * 300)
    }
    assert len(texts) == 3


def test_silence_is_no_text(client: openai.OpenAI) -> None:
    found = client.audio.transcriptions.create(
        file=silence(3.0), model="base", response_format="verbose_json"
    )
    assert (found.text, found.segments, found.language) == ("", [], None)
    events = list(client.audio.transcriptions.create(file=silence(3.0), model="lora", stream=True))
    assert [each.type for each in events] == ["transcript.text.done"]


def test_models(client: openai.OpenAI) -> None:
    assert [each.id for each in client.models.list()] == list(KINDS)
    assert client.models.retrieve("lora").owned_by == "mothertongue"
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("../../etc/passwd")


@pytest.mark.parametrize(
    ("asked", "param"),
    [
        ({"model": "nothing"}, "model"),
        ({"model": "../lora"}, "model"),
        ({"language": "klingon!"}, "language"),
        ({"language": "tw"}, "language"),
        ({"response_format": "diarized_json"}, "response_format"),
        ({"temperature": 0.7}, "temperature"),
        ({"timestamp_granularities": ["word"]}, "timestamp_granularities[]"),
        ({"include": ["logprobs"]}, "include[]"),
        ({"stream": True, "response_format": "srt"}, "stream"),
        ({"file": ("x.wav", b"")}, "file"),
        ({"file": ("x.wav", b"RIFF....WAVEfmt ")}, "file"),
        ({"file": ("../../x.wav", b"<html>")}, "file"),
        ({"file": silence(601.0)}, "file"),
        ({"prompt": "x" * 10_001}, "prompt"),
    ],
)
def test_what_a_client_gets_wrong(
    client: openai.OpenAI, recordings: list[Path], asked: dict[str, Any], param: str
) -> None:
    right = {"file": recordings[0], "model": "lora"}
    with pytest.raises((openai.BadRequestError, openai.NotFoundError)) as caught:
        client.audio.transcriptions.create(**(right | asked))
    body: Any = caught.value.body
    assert body["param"] == param
    assert set(body) == {"message", "type", "param", "code"}
    assert body["type"] == "invalid_request_error" and body["message"]
    assert "/proc" not in body["message"]


@pytest.mark.slow
def test_32_clients_at_once_get_no_wrong_answer(
    server: Any, recordings: list[Path], expected: Callable[[str, int], str]
) -> None:
    """Good and bad requests mixed: 64 of them; benchmarks/serve.py sends 1,000."""
    client = openai.OpenAI(base_url=f"{server.url}/v1", api_key="unused", max_retries=8)

    def ask(number: int) -> str | None:
        model, i = KINDS[number % 4], number % len(recordings)
        if number % 5 == 4:
            with pytest.raises(openai.BadRequestError):
                client.audio.transcriptions.create(file=("x", b"no audio"), model=model)
            return None
        found = client.audio.transcriptions.create(
            file=recordings[i], model=model, language="sw", response_format="verbose_json"
        )
        return None if found.text == expected(model, i) else f"{model} {i}: {found.text}"

    with client, ThreadPoolExecutor(32) as pool:
        wrong = [each for each in pool.map(ask, range(64)) if each]
    assert wrong == []
