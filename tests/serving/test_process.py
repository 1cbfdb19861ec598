"""The server as users start it: what it loads, says, and does when it is told to stop."""

import json
import math
import os
import re
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

import httpx2
import pytest
import warm
from peft import IA3Config, get_peft_model
from runs import PATIENCE_S
from serving_client import LIMITS, Slow, transcribe, until
from serving_fixtures import running

from mothertongue.cli import app
from mothertongue.data.sandbox.process import WorkerError
from mothertongue.decoding.transcript import DecodeConfig
from mothertongue.errors import ConfigError, DataError, MothertongueError
from mothertongue.model.load import load_base
from mothertongue.model.tokenizer import Tokens
from mothertongue.serving.address import Address
from mothertongue.serving.limits import Limits
from mothertongue.serving.models import ModelRegistry, ServedModel, Spec, load, parse_specs
from mothertongue.serving.sandbox import Sandbox
from mothertongue.serving.server import serve


def test_names() -> None:
    assert parse_specs(["sw=runs/a", "runs/b", "whisper-1=openai/whisper-base"]) == [
        Spec("sw", "runs/a"), Spec("b", "runs/b"), Spec("whisper-1", "openai/whisper-base"),
    ]  # fmt: skip
    for wrong in (["a/b=x"], ["=x"], ["x="], ["runs/a", "a=y"]):
        with pytest.raises(ConfigError, match="NAME"):
            parse_specs(wrong)


def test_a_model_that_is_not_there() -> None:
    with pytest.raises(DataError, match="no such file or folder"):
        load(parse_specs(["a=./nowhere"]), DecodeConfig(), "auto", "default", False, print)


def test_a_setting_without_effect_on_any_model_is_refused(
    tiny_runs: dict[str, Path], transformers_folder: Path
) -> None:
    adapters = [f"lora={tiny_runs['lora']}", f"base={transformers_folder}"]
    full = [f"full={tiny_runs['full']}"]
    for models, precision, compute_type, merge, message in (
        (full, "fp32", "default", False, "--precision fp32 is torch's"),
        (adapters, "auto", "int8", False, "--compute-type int8 is CTranslate2's"),
        (full, "auto", "default", True, "--merge: none of the models is a run of LoRA"),
        (adapters[:1], "fp32", "default", True, "--precision fp32 is torch's"),
    ):
        with pytest.raises(ConfigError, match=message):
            load(parse_specs(models), DecodeConfig(), precision, compute_type, merge, print)  # type: ignore[arg-type]


def test_lora_may_be_merged(tiny_runs: dict[str, Path]) -> None:
    specs = parse_specs([f"lora={tiny_runs['lora']}", f"bottle={tiny_runs['bottleneck']}"])
    offer = load(specs, DecodeConfig(), "fp32", "float32", True, lambda _: None)
    assert offer.models["lora"].adapter is None
    assert offer.models["bottle"].adapter is not None
    assert len(offer.engines) == 2
    assert list(offer.models) == ["lora", "bottle"]


@pytest.mark.filterwarnings("ignore::FutureWarning")  # PEFT's own, of transformers' names
def test_an_adapter_of_another_kind_is_not_served_as_its_base(
    transformers_folder: Path, tmp_path: Path
) -> None:
    settings = IA3Config(target_modules=["fc1"], feedforward_modules=["fc1"])
    get_peft_model(load_base(str(transformers_folder)).model, settings).save_pretrained(tmp_path)
    changes = {"base_model_name_or_path": str(transformers_folder)}
    config = json.loads((tmp_path / "adapter_config.json").read_text())
    (tmp_path / "adapter_config.json").write_text(json.dumps(config | changes))
    with pytest.raises(DataError, match=r"adapter_config\.json: peft_type 'IA3'; expected LORA"):
        load(parse_specs([f"ia3={tmp_path}"]), DecodeConfig(), "fp32", "default", False, print)


@contextmanager
def started(said: Path, *arguments: str) -> Iterator[tuple[ForkServerProcess, str]]:
    """The process, and where it listens; its standard error is in the file `said`."""
    with warm.begun("serve", *arguments, "--port", "0", err=said) as process:
        while not (found := re.search(r"listening on (\S+).*\n", said.read_text())):
            assert process.is_alive(), said.read_text()
            time.sleep(0.05)
        yield process, found[1]


def ended(process: ForkServerProcess, number: int) -> int | None:
    """The exit code of the process after a signal."""
    os.kill(process.pid or 0, number)
    process.join(PATIENCE_S)
    return process.exitcode


def test_an_idle_server_gives_memory_back_once(
    tokens: Tokens, recordings: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[float] = []
    monkeypatch.setattr(
        "mothertongue.serving.server.give_back_freed_memory", lambda: given.append(time.monotonic())
    )
    engine = Slow()
    offer = ModelRegistry({"slow": ServedModel("slow", "base", 0, tokens, "sw")}, [engine])
    with running(offer, LIMITS.model_copy(update={"idle_s": 0.1})) as server:
        asking = threading.Thread(target=transcribe, args=[server, recordings[0]])
        asking.start()
        until(lambda: engine.batches and server.worked_s < math.inf)
        assert not given, "it works"
        engine.go.set()
        asking.join(PATIENCE_S)
        until(lambda: given)
        assert server.worked_s == math.inf, "once, until it has worked again"


@pytest.mark.slow
def test_what_was_begun_is_finished_after_sigterm(
    transformers_folder: Path, recordings: list[Path], tmp_path: Path
) -> None:
    answers: list[Any] = []
    refused: list[httpx2.ConnectError] = []

    def ask() -> None:
        data = {"model": "base", "language": "sw"}
        files = {"file": recordings[0].read_bytes()}
        try:
            where = f"{url}/v1/audio/transcriptions"
            answers.append(httpx2.post(where, data=data, files=files, timeout=PATIENCE_S))
        except httpx2.ConnectError as error:  # it came when nobody listened any more
            refused.append(error)

    patient = f"base={transformers_folder}", "--drain-s", str(PATIENCE_S)
    with started(tmp_path / "said", *patient) as (process, url):
        assert httpx2.get(f"{url}/health").json()["status"] == "ok"
        threads = [threading.Thread(target=ask) for _ in range(12)]
        for thread in threads:
            thread.start()
        idle = "mothertongue_requests_running 0.0"
        while not answers and idle in httpx2.get(f"{url}/metrics").text:
            pass
        assert ended(process, signal.SIGTERM) == 0
        for thread in threads:
            thread.join(PATIENCE_S)
    statuses = [each.status_code for each in answers]
    assert len(statuses) + len(refused) == 12
    assert set(statuses) <= {200, 503} and 200 in statuses
    assert len({each.json()["text"] for each in answers if each.status_code == 200}) == 1
    assert "listening on" in (tmp_path / "said").read_text().splitlines()[-1]


def test_a_path_with_brackets_is_printed_as_it_is(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def loaded(*_: Any) -> ModelRegistry:
        _[-1]("sw: an adapter on bases [v2]/a[/y]")
        return ModelRegistry()

    monkeypatch.setattr("mothertongue.serving.models.load", loaded)
    monkeypatch.setattr("mothertongue.serving.server.serve", lambda *_: None)
    app(["serve", "sw=runs/sw"], standalone_mode=False)
    assert capsys.readouterr().err == "sw: an adapter on bases [v2]/a[/y]\n"


class Dead(Sandbox):
    """A sandbox whose decoders die at once."""

    async def start(self) -> None:
        raise WorkerError("no decoder could be started")


def test_why_it_cannot_start_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mothertongue.serving.server.Sandbox", Dead)
    with pytest.raises(MothertongueError, match="cannot start: no decoder") as caught:
        serve(ModelRegistry(), Address("127.0.0.1", 0, None), Limits(), 1, 1)
    assert caught.value.exit_code == 1


@pytest.mark.slow
def test_a_port_that_is_taken(transformers_folder: Path, tmp_path: Path) -> None:
    base = f"base={transformers_folder}"
    with started(tmp_path / "said", base) as (process, url):
        port = url.rpartition(":")[2]
        other = warm.run("mothertongue.cli", "serve", base, "--port", port)
        assert ended(process, signal.SIGINT) == 0
    assert other.returncode == 2
    assert "cannot listen there" in other.stderr and "Traceback" not in other.stderr
