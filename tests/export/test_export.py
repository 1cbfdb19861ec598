"""Each strategy to each format that it fits, heard with that format's own engine."""

import json
import os
import shutil
import signal
import struct
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
import warm
import yaml
from disks import no_file_above
from report_folders import score_run
from runs import PATIENCE_S
from tiny import noise
from tiny_runs import Exports
from tokenizers.pre_tokenizers import ByteLevel

from mothertongue import cli
from mothertongue.errors import ConfigError, DataError, DiskFull, MothertongueError
from mothertongue.evaluation.rates import Score
from mothertongue.experiment.load import load_run
from mothertongue.export import export as exporting
from mothertongue.export.base import comparable, exporters
from mothertongue.export.export import export
from mothertongue.export.formats import onnx
from mothertongue.export.formats.ggml import byte_letters
from mothertongue.export.records import Verification
from mothertongue.export.verify import VerificationRequest
from mothertongue.model.tokenizer import Tokens
from mothertongue.model.weight_names import to_openai
from mothertongue.system.files import write_json

EXACT = [
    ("full", "hf"),
    ("full", "onnx"),
    ("lora", "adapter"),
    ("full", "ctranslate2"),  # LoRA's random texts come within 0.001 of a tie of two tokens
    ("bottleneck", "adapter"),
    ("bottleneck", "onnx"),
]


def exported(
    run: Path, format_: str, out: Path, type_: str | None = None, max_wer_loss: float = 0.01
) -> Verification:
    return export(run, format_, type_, out, "validation", 4, max_wer_loss)


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "format_"), EXACT)
def test_full_precision_gives_the_same_tokens(kind: str, format_: str, exports: Exports) -> None:
    folder = exports(kind, format_)
    result = json.loads((folder / "verification.json").read_text())
    assert (result["clips"], result["identical"], result["passed"]) == (4, 4, True)
    assert result["difference"] == 0
    assert all(each["run"] for each in result["transcripts"])
    assert result["language_detection"] == 1
    assert result["size_bytes"] > 0
    assert not (folder / "NOT-VERIFIED.txt").exists()


@pytest.mark.slow
@pytest.mark.usefixtures("warm_engines")
def test_whisper_cpp_opens_halved_and_rounded_weights(
    exports: Exports, tiny_runs: dict[str, Path], tmp_path: Path
) -> None:
    """It computes in float16, which turns the words of random weights; of real ones it does not."""
    folder = exports("full", "ggml")
    half = json.loads((folder / "verification.json").read_text())
    assert half["type"] == "float16"
    written = read_ggml(folder / "ggml-model.bin")
    state = to_openai(load_run(tiny_runs["full"]).base.model.state_dict())
    assert set(written) == set(state)
    for name, array in written.items():
        ours = state[name].numpy()
        assert np.array_equal(array.reshape(ours.shape), ours.astype(array.dtype)), name
    small = exported(tiny_runs["full"], "ggml", tmp_path / "q5", "q5_0", max_wer_loss=1e3)
    assert small.size_bytes < 0.6 * half["size_bytes"]


def read_ggml(path: Path) -> dict[str, Any]:
    """The tensors of a file in whisper.cpp's format, by name."""
    data, at = path.read_bytes(), 4 + 11 * 4

    def numbers(count: int) -> tuple[int, ...]:
        nonlocal at
        at += 4 * count
        return struct.unpack_from(f"<{count}i", data, at - 4 * count)

    rows, columns = numbers(2)
    at += 4 * rows * columns
    for _ in range(numbers(1)[0]):
        (length,) = numbers(1)
        at += length
    found = {}
    while at < len(data):
        rank, length, kind = numbers(3)
        shape = numbers(rank)[::-1]
        name = data[at : at + length].decode()
        at += length
        dtype = {0: np.float32, 1: np.float16}[kind]
        count = int(np.prod(shape))
        found[name] = np.frombuffer(data, dtype, count, at).reshape(shape)
        at += found[name].nbytes
    return found


def test_bytes_of_a_vocabulary_come_back() -> None:
    assert sorted(byte_letters()) == list(range(256))
    assert len(set(byte_letters().values())) == 256
    assert set(byte_letters().values()) == set(ByteLevel.alphabet())


@pytest.mark.slow
@pytest.mark.parametrize(("format_", "type_"), [("ctranslate2", "int8"), ("onnx", "int8")])
def test_rounded_weights_are_smaller_and_may_lose_a_little(
    format_: str,
    type_: str,
    exports: Exports,
    tiny_runs: dict[str, Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if format_ == "onnx":  # the graphs to round are those of float32, which take long to make
        exact = exports("full", "onnx")

        def copy_graphs(_: object, folder: Path) -> None:
            for name in (onnx.ENCODER, onnx.DECODER):
                shutil.copy(exact / name, folder)

        monkeypatch.setattr(onnx, "_write_graphs", copy_graphs)
    # What a random model says changes wholly where two tokens are near each other.
    result = json.loads((exports("full", format_, type_) / "verification.json").read_text())
    weights = sum(
        value.numel() for value in load_run(tiny_runs["full"]).base.model.state_dict().values()
    )
    assert not result["is_exact"]
    assert result["size_bytes"] < 3 * weights  # of float32 it would be 4


def test_a_full_disk_is_told_by_the_name_of_the_export(
    tiny_runs: dict[str, Path], tmp_path: Path
) -> None:
    with no_file_above(8192), pytest.raises(DiskFull, match=f"^{tmp_path}/out: no room"):
        exported(tiny_runs["full"], "hf", tmp_path / "out")
    assert not list(tmp_path.glob("*out*"))


@pytest.mark.slow
@pytest.mark.usefixtures("warm_engines")
def test_an_artefact_that_says_something_else_is_marked(
    tiny_runs: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    exact = exporters()["hf"].write

    def other(self, exported, folder, type_):  # type: ignore[no-untyped-def]
        weights = exported.tuned.base.model.model.decoder.layers[0].fc2.weight
        weights.data.mul_(-3)
        exact(exported, folder, type_)

    monkeypatch.setattr(type(exporters()["hf"]), "write", other)
    with pytest.raises(MothertongueError, match="clips are transcribed differently, expected none"):
        exported(tiny_runs["full"], "hf", tmp_path / "out")
    assert "transcribed differently" in (tmp_path / "out/NOT-VERIFIED.txt").read_text()
    assert json.loads((tmp_path / "out/verification.json").read_text())["passed"] is False


def test_what_is_not_verified_has_no_name_yet(
    tiny_runs: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SIGTERM while the engines are heard: nothing of the export or of its clips is left."""
    run = shutil.copytree(tiny_runs["lora"], tmp_path / "run")
    written: list[Path] = []

    def stop(hearing: VerificationRequest) -> None:
        written.extend((run / "export").rglob("adapter_config.json"))
        os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(exporting, "_in_a_process", stop)
    monkeypatch.setattr(sys, "argv", ["mothertongue", "export", str(run), "--format", "adapter"])
    before = signal.getsignal(signal.SIGTERM)
    try:
        with pytest.raises(SystemExit) as stopped:
            cli.main()
    finally:
        signal.signal(signal.SIGTERM, before)
    assert stopped.value.code == 128 + signal.SIGTERM
    assert len(written) == 1
    assert not list((run / "export").iterdir())


@pytest.mark.slow
@pytest.mark.usefixtures("warm_engines")
def test_a_killed_export_leaves_nothing_running_and_is_made_again(
    tiny_runs: dict[str, Path], tmp_path: Path
) -> None:
    run = shutil.copytree(tiny_runs["lora"], tmp_path / "run")
    with warm.begun("export", run, "--format", "adapter") as verb:
        while not (engines := psutil.Process(verb.pid).children(recursive=True)):
            assert verb.is_alive()
            time.sleep(0.05)
    _, alive = psutil.wait_procs(engines, timeout=PATIENCE_S)
    assert not alive
    folder = run / "export/adapter-float32"
    assert not folder.exists()
    assert exported(run, "adapter", folder).passed
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]


def test_two_exports_to_one_folder_are_told_apart(
    tiny_runs: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def again(hearing: VerificationRequest) -> None:
        exported(tiny_runs["lora"], "adapter", tmp_path / "out")

    monkeypatch.setattr(exporting, "_in_a_process", again)
    in_use = f"out: in use by process {os.getpid()} on .*; wait for it, stop it, or give another"
    with pytest.raises(MothertongueError, match=in_use):
        exported(tiny_runs["lora"], "adapter", tmp_path / "out")


def test_what_does_not_fit_a_format_is_refused(tiny_runs: dict[str, Path], tmp_path: Path) -> None:
    for format_ in ("hf", "ctranslate2", "ggml"):
        with pytest.raises(ConfigError, match="--format adapter or --format onnx"):
            exported(tiny_runs["bottleneck"], format_, tmp_path / "out")
    with pytest.raises(ConfigError, match="no adapter to take out"):
        exported(tiny_runs["full"], "adapter", tmp_path / "out")
    with pytest.raises(ConfigError, match="expected one of adapter, ctranslate2, ggml, hf, onnx"):
        exported(tiny_runs["full"], "gguf", tmp_path / "out")
    with pytest.raises(ConfigError, match="--type int4: ctranslate2 has float32, "):
        exported(tiny_runs["full"], "ctranslate2", tmp_path / "out", "int4")
    with pytest.raises(DataError, match="not a run; give a folder that mothertongue train left"):
        exported(tmp_path, "hf", tmp_path / "out")
    assert not (tmp_path / "out").exists()
    with pytest.raises(ConfigError, match="there is something already"):
        exported(tiny_runs["full"], "hf", tmp_path)


@pytest.mark.parametrize(
    ("format_", "engine"),
    [("ctranslate2", "faster_whisper"), ("ggml", "pywhispercpp"), ("onnx", "onnxruntime")],
)
def test_a_missing_engine_is_told_before_anything_is_written(
    tiny_runs: dict[str, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    format_: str,
    engine: str,
) -> None:
    monkeypatch.setitem(sys.modules, engine, None)
    monkeypatch.setattr(exporting, "_write", lambda *_: pytest.fail("it was written"))
    with pytest.raises(ConfigError, match=f"--format {format_} needs {engine}, which is not inst"):
        exported(tiny_runs["full"], format_, tmp_path / "out")
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
@pytest.mark.usefixtures("warm_engines")
def test_the_transformers_folder_is_whole(
    tiny_runs: dict[str, Path], tmp_path: Path, tokens: Tokens
) -> None:
    from transformers import AutoProcessor, pipeline

    run = shutil.copytree(tiny_runs["full"], tmp_path / "run")
    rates = {"wer": 0.25, "interval95": (0.2, 0.3), "cer": 0.1, "cer_interval95": (0.0, 0.2)}
    counts = {"substitutions": 3, "deletions": 0, "insertions": 0, "interval95_by_speaker": None}
    counts |= {"n": 3, "reference_words": 12, "reference_characters": 50, "context": "full"}
    score = Score(**rates, **counts, normalizer="strict", normalizer_version="1")
    score_run(run, "test", [], scores={"strict": score, "raw": score})
    exported(run, "hf", folder := tmp_path / "out")
    names = {path.name for path in folder.iterdir()}
    assert names >= {
        *("config.json", "generation_config.json", "model.safetensors", "tokenizer.json"),
        *("tokenizer_config.json", "vocab.json", "merges.txt", "added_tokens.json", "README.md"),
        *("preprocessor_config.json", "processor_config.json", ".eval_results"),
    }
    generation = json.loads((folder / "generation_config.json").read_text())
    assert generation["lang_to_id"]["<|sw|>"] == tokens.languages["sw"]
    assert generation["alignment_heads"] == [[1, 0], [1, 1]]
    assert generation["suppress_tokens"]
    front = yaml.safe_load((folder / "README.md").read_text().split("---")[1])
    assert front["pipeline_tag"] == "automatic-speech-recognition"
    assert "license" not in front  # nobody but its owner gives one
    (entry,) = front["model-index"][0]["results"]
    assert entry["metrics"][0] == {"type": "wer", "name": "WER", "value": 25.0}
    entries = yaml.safe_load((folder / ".eval_results/test.yaml").read_text())
    assert entries[0]["value"] == 25.0
    processor = AutoProcessor.from_pretrained(folder)
    text = "Habari ya asubuhi, ng'ombe!"
    assert processor.tokenizer.decode(tokens.encode_exact(text)) == text
    assert processor.tokenizer(text, add_special_tokens=False).input_ids == tokens.encode_exact(
        text
    )
    speech = pipeline("automatic-speech-recognition", model=str(folder))
    assert isinstance(speech({"raw": noise(1.0), "sampling_rate": 16_000})["text"], str)
    config = json.loads((folder / "generation_config.json").read_text())
    assert config["language"] == "sw"


def test_text_is_compared_as_our_decoding_leaves_it(tokens: Tokens) -> None:
    said = tokens.encode("habari")
    control = [tokens.start, tokens.end, tokens.no_timestamps + 5]
    assert comparable([*said, *control], tokens, 10, 444) == said
    assert (
        comparable(said * 200, tokens, 10, 444) == comparable(said * 200, tokens, 10, 220) == said
    )
    many = list(range(400))
    assert comparable(many, tokens, 1.0, 444) == many[:140]
    assert comparable(many, tokens, 10.0, 220) == many[:220]


@pytest.mark.slow
@pytest.mark.usefixtures("warm_engines")
def test_the_verb_writes_into_the_run_and_says_what_it_heard(
    tiny_runs: dict[str, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    run = shutil.copytree(tiny_runs["lora"], tmp_path / "run")
    identity = json.loads((run / "identity.json").read_text())
    pseudo = {"clips": 3, "hours": 1.5, "of_clips": 9, "of_hours": 4.0, "round": 2}
    pseudo |= {"models": [{"model": "runs/first", "model_sha256": "1"}]}
    replay = {"manifest_sha256": "r", "share": 0.1, "languages": {"en": {"clips": 1, "hours": 0.5}}}
    write_json(run / "identity.json", identity | {"pseudo_labels": pseudo, "replay": replay})
    arguments = ["export", str(run), "--format", "adapter", "--clips", "2"]
    monkeypatch.setattr(sys, "argv", ["mothertongue", *arguments])
    with pytest.raises(SystemExit) as stop:
        cli.main()
    assert stop.value.code == 0
    out = capsys.readouterr().out
    assert "2 of 2 clips of validation" in out
    assert "limit" not in out
    folder = run / "export/adapter-float32"
    assert (folder / "adapter_config.json").is_file()
    found = json.loads((folder / "verification.json").read_text())
    assert found["clips_cut"] == found["token_limit"]["labels_over"] == 0
    assert found["wer_run_uncut"] == found["wer_run"]
    card = (folder / "README.md").read_text()
    assert "tokens for one window" not in card
    assert "base_model_relation: adapter" in card
    assert "library_name" not in card
    assert "1.50 of 4.00 hours to train on have pseudo-labels by runs/first, round 2" in card
    assert "10 % of the steps replay en (0.50 h)" in card
