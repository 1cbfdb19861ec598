"""A server of tiny models, in a thread of the tests; recordings for it; what it must answer."""

import faulthandler
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from mothertongue.data.audio.load import load_audio
from mothertongue.decoding.transcript import Clip, DecodeConfig
from mothertongue.inference.open_model import open_model
from mothertongue.inference.speech_detection import pieces, voiced
from mothertongue.serving.address import Address
from mothertongue.serving.limits import Limits
from mothertongue.serving.models import ModelRegistry, load, parse_specs
from mothertongue.serving.server import make_server

DEMO_AUDIO = Path(__file__).parents[2] / "src/mothertongue/recipes/demo_data/audio"
KINDS = ("lora", "bottleneck", "full")


@pytest.fixture(scope="session")
def offer(tiny_runs: dict[str, Path], transformers_folder: Path) -> ModelRegistry:
    """A base, two adapters on it, and a merged model."""
    specs = [f"base={transformers_folder}", *(f"{kind}={tiny_runs[kind]}" for kind in KINDS)]
    return load(parse_specs(specs), DecodeConfig(), "fp32", "float32", False, lambda _: None)


@contextmanager
def running(
    offer: ModelRegistry,
    limits: Limits,
    key: str | None = None,
    batch_size: int = 8,
    decoders: int = 1,
) -> Any:
    """The server, listening on a free port; without decoders it starts at once."""
    server = make_server(offer, Address("127.0.0.1", 0, key), limits, batch_size, decoders)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    until = time.monotonic() + 60
    while not server.started:
        assert thread.is_alive() and time.monotonic() < until
        time.sleep(0.02)
    try:
        yield server
    finally:
        server.should_exit = True
        thread.join(120)  # what runs may take `drain_s`, 30 s, to end
        if thread.is_alive():
            faulthandler.dump_traceback()
        assert not thread.is_alive(), "the server does not end; the stacks are above"


@pytest.fixture(scope="session")
def server(offer: ModelRegistry) -> Iterator[Any]:
    with running(offer, Limits()) as started:
        yield started


@pytest.fixture(scope="session")
def recordings() -> list[Path]:
    return sorted(DEMO_AUDIO.glob("*.opus"))[:6]


@pytest.fixture(scope="session")
def expected(
    tiny_runs: dict[str, Path], transformers_folder: Path, recordings: list[Path]
) -> Callable[[str, int], str]:
    """What each model alone, by its own engine, says of a recording."""
    found: dict[tuple[str, int], str] = {}
    for name in ("base", *KINDS):
        path = transformers_folder if name == "base" else tiny_runs[name]
        with_ct2 = name == "full"
        # As the server has it; in bfloat16, which `auto` may take, words would differ.
        torch_in_fp32 = {"engine": "torch", "precision": "fp32"}
        engine = open_model(str(path), **({"engine": "ctranslate2"} if with_ct2 else torch_in_fp32))
        decoder = engine.make("full", DecodeConfig(), lambda _: None)
        for i, recording in enumerate(recordings):
            parts = pieces([load_audio(recording)], voiced)
            clips = [Clip(each.samples_N, "sw", engine.trained_context) for each in parts]
            texts = [each.text for each in decoder.decode(clips)]
            found[name, i] = " ".join(text for text in texts if text)
    return lambda name, i: found[name, i]
