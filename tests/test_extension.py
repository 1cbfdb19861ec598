"""A strategy, a source and an exporter are one new file each, found by every verb by itself.

Each test writes that one file into a folder, which every process of a verb adds to the package's
path as it starts, and runs verbs.
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import soundfile
from runs import save_base, save_corpus
from tiny import noise

START = """
import {package}
{package}.__path__.append({folder!r})
"""

STRATEGY = '''
"""Only the last LayerNorm of the decoder trains."""

from typing import Literal

from mothertongue.strategies.base_weight import BaseWeightStrategy


class LastNorm(BaseWeightStrategy):
    """The decoder's last LayerNorm trains."""

    examples = ({},)

    kind: Literal["last-norm"] = "last-norm"

    def check(self, config):
        """Fits every Whisper."""

    def apply(self, model, seed):
        """The same model, its last LayerNorm trainable."""
        model.requires_grad_(False)
        model.model.decoder.layer_norm.requires_grad_(True)
        return model

    def frozen_prefix(self, model):
        """The whole encoder."""
        return len(model.model.encoder.layers)
'''

SOURCE = '''
"""Words of two columns without a header: FILE TEXT."""

from typing import Literal

from mothertongue.data.sources.base import Row, Source


class Lines(Source):
    """clips.txt beside its sounds."""

    examples = ({"clips.txt": "a.wav habari", "a.wav": ""},)

    kind: Literal["lines"] = "lines"

    @classmethod
    def recognizes(cls, path):
        return (path / "clips.txt").is_file()

    @property
    def root(self):
        return self.path

    def rows(self):
        for number, line in enumerate((self.path / "clips.txt").read_text().splitlines(), 1):
            audio, text = line.split(maxsplit=1)
            yield Row(f"clips.txt:{number}", audio=audio, text=text)
'''

EXPORTER = '''
"""The run's weights under a name of its own."""

from mothertongue.decoding.torch_transcriber import TorchTranscriber
from mothertongue.decoding.transcript import DecodeConfig
from mothertongue.export.base import DECODER_TOKENS, Exporter, ExportTranscriber
from mothertongue.export.formats.hf import HfExporter
from mothertongue.model.load import load_base


class Boxed(ExportTranscriber):
    """The weights in the box, decoded by torch."""

    def __init__(self, folder, tokens, max_tokens):
        super().__init__(tokens, max_tokens)
        base, config = load_base(str(folder / "box")), DecodeConfig(batch_size=1)
        self.torch = TorchTranscriber(base.model, tokens, context="full", config=config)

    def generate(self, samples_N, language):
        return list(self.torch([samples_N], language)[0].tokens)

    def detect(self, samples_N):
        return self.torch([samples_N], None)[0].language

    def timestamps(self, samples_N, language):
        return []


class BoxExporter(Exporter):
    """A transformers folder in a box."""

    format = "box"
    types = ("float32",)
    engine = "torch"
    max_tokens = DECODER_TOKENS
    max_tokens_source = "Whisper's decoder"
    shorter_windows = "cut recordings into pieces of at most {} s first"

    @classmethod
    def recognizes(cls, folder):
        return (folder / "box").is_dir()

    def check(self, exported):
        HfExporter().check(exported)

    def write(self, exported, folder, type_):
        folder.mkdir()
        HfExporter().write(exported, folder / "box", "float32")
        for name in ("tokenizer.json", "config.json", "generation_config.json"):
            (folder / name).write_bytes((folder / "box" / name).read_bytes())

    def open(self, folder, tokens, base):
        return Boxed(folder, tokens, self.max_tokens)
'''


Verbs = Callable[..., None]


@pytest.fixture
def verbs(tmp_path: Path) -> Callable[[str, str], Verbs]:
    """Give a package the code of one more module; what comes back runs verbs in a new process."""

    def added(package: str, code: str) -> Verbs:
        folder, hooks = tmp_path / "new", tmp_path / "hooks"
        for each in (folder, hooks):
            each.mkdir()
        (folder / "new_module.py").write_text(code, encoding="utf-8")
        start = START.format(package=package, folder=str(folder))
        (hooks / "sitecustomize.py").write_text(start, encoding="utf-8")
        paths = os.pathsep.join([str(hooks), *sys.path])

        def run(*lines: tuple[object, ...]) -> None:
            given = "".join(json.dumps([*map(str, line)]) + "\n" for line in lines)
            command = [sys.executable, "-m", "verbs_harness"]
            env = os.environ | {"PYTHONPATH": paths}
            done = subprocess.run(command, input=given, capture_output=True, text=True, env=env)
            assert done.returncode == 0, done.stderr

        return run

    return added


def training(home: Path, strategy: str) -> tuple[object, ...]:
    """The verb that makes home/run, on home/base and home/data."""
    base, corpus = save_base(home / "base"), save_corpus(home / "data", 6, 2, 2)
    lines = ["name: x", f"base: {base}", "language: sw", f"data: {corpus}"]
    lines += [f"strategy: {{kind: {strategy}}}", "train: {epochs: 1, batch_size: 2}", ""]
    (home / "x.yaml").write_text("\n".join(lines))
    return "train", home / "x.yaml", "--out", home / "run"


@pytest.mark.slow
def test_a_strategy_in_one_file_trains_and_is_scored(tmp_path: Path, verbs) -> None:  # type: ignore[no-untyped-def]
    run = tmp_path / "run"
    verbs("mothertongue.strategies", STRATEGY)(
        training(tmp_path, "last-norm"),
        ("evaluate", run, "--data", tmp_path / "data", "--json", tmp_path / "scores.json"),
    )
    record = json.loads((run / "record.json").read_text())
    assert record["experiment"]["strategy"]["kind"] == "last-norm"
    width = json.loads((tmp_path / "base/config.json").read_text())["d_model"]
    assert record["trainable_parameters"] == 2 * width
    assert len(json.loads((tmp_path / "scores.json").read_text())["utterances"]) == 2


@pytest.mark.slow
def test_a_source_in_one_file_is_prepared(tmp_path: Path, verbs) -> None:  # type: ignore[no-untyped-def]
    corpus, report = tmp_path / "corpus", tmp_path / "report.json"
    corpus.mkdir()
    for number in range(4):
        soundfile.write(corpus / f"{number}.wav", noise(1.0, number), 16_000)
    (corpus / "clips.txt").write_text("".join(f"{i}.wav neno la {'abcd'[i]}\n" for i in range(4)))
    arguments = ["prepare", corpus, "--language", "sw", "--out", tmp_path / "out"]
    base = save_base(tmp_path / "base")
    verbs("mothertongue.data.sources", SOURCE)((*arguments, "--base", base, "--json", report))
    assert json.loads(report.read_text())["num_rows"] == 4
    assert len((tmp_path / "out/manifest.jsonl").read_text().splitlines()) == 4


@pytest.mark.slow
def test_an_exporter_in_one_file_is_verified_and_opened(tmp_path: Path, verbs) -> None:  # type: ignore[no-untyped-def]
    run, found, scores = (tmp_path / name for name in ("run", "export.json", "scores.json"))
    asked = "--data", tmp_path / "data", "--language", "sw"
    # Verification runs in a process of its own.
    verbs("mothertongue.export.formats", EXPORTER)(
        training(tmp_path, "full"),
        ("export", run, "--format", "box", "--json", found),
        ("evaluate", run / "export/box-float32", *asked, "--json", scores),
    )
    assert json.loads(found.read_text())["passed"]
    assert json.loads(scores.read_text())["kind"] == "export"
