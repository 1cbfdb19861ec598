"""A strategy, a source and an exporter are one new file each, found by every verb by itself.

Each file lies in a folder, which every process of a verb adds to the package's path as it starts.
"""

import json
import os
import subprocess
import sys
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

NEW = {
    "mothertongue.strategies": STRATEGY,
    "mothertongue.data.sources": SOURCE,
    "mothertongue.export.formats": EXPORTER,
}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which verbs have used the three, one after the other in one process."""
    home = tmp_path_factory.mktemp("extended")
    (home / "hooks").mkdir()
    start = ""
    for package, code in NEW.items():
        folder = home / "new" / package
        folder.mkdir(parents=True)
        (folder / f"new_{package.rpartition('.')[2]}.py").write_text(code, encoding="utf-8")
        start += START.format(package=package, folder=str(folder))
    (home / "hooks/sitecustomize.py").write_text(start, encoding="utf-8")
    paths = os.pathsep.join([str(home / "hooks"), *sys.path])
    base, data = save_base(home / "base"), save_corpus(home / "data", 6, 2, 2)
    write_lines(home / "corpus")
    asked = "--data", data, "--language", "sw"
    prepared = "--language", "sw", "--out", home / "prepared", "--base", base
    lines = (
        ("train", experiment(home, "last-norm"), "--out", home / "last-norm"),
        ("evaluate", home / "last-norm", "--data", data, "--json", home / "last-norm.json"),
        ("prepare", home / "corpus", *prepared, "--json", home / "prepared.json"),
        ("train", experiment(home, "full"), "--out", home / "full"),
        ("export", home / "full", "--format", "box", "--json", home / "export.json"),
        ("evaluate", home / "full/export/box-float32", *asked, "--json", home / "box.json"),
    )
    given = "".join(json.dumps([*map(str, line)]) + "\n" for line in lines)
    command = [sys.executable, "-m", "verbs_harness"]
    env = os.environ | {"PYTHONPATH": paths}
    done = subprocess.run(command, input=given, capture_output=True, text=True, env=env)
    assert done.returncode == 0, done.stderr
    return home


def experiment(home: Path, strategy: str) -> Path:
    lines = ["name: x", f"base: {home / 'base'}", "language: sw", f"data: {home / 'data'}"]
    lines += [f"strategy: {{kind: {strategy}}}", "train: {epochs: 1, batch_size: 2}", ""]
    path = home / f"{strategy}.yaml"
    path.write_text("\n".join(lines))
    return path


def write_lines(corpus: Path) -> None:
    """Write a corpus in the layout of the new source."""
    corpus.mkdir()
    for number in range(4):
        soundfile.write(corpus / f"{number}.wav", noise(1.0, number), 16_000)
    (corpus / "clips.txt").write_text("".join(f"{i}.wav neno la {'abcd'[i]}\n" for i in range(4)))


@pytest.mark.slow
def test_a_strategy_in_one_file_trains_and_is_scored(home: Path) -> None:
    record = json.loads((home / "last-norm/record.json").read_text())
    assert record["experiment"]["strategy"]["kind"] == "last-norm"
    width = json.loads((home / "base/config.json").read_text())["d_model"]
    assert record["trainable_parameters"] == 2 * width
    assert len(json.loads((home / "last-norm.json").read_text())["utterances"]) == 2


@pytest.mark.slow
def test_a_source_in_one_file_is_prepared(home: Path) -> None:
    assert json.loads((home / "prepared.json").read_text())["num_rows"] == 4
    assert len((home / "prepared/manifest.jsonl").read_text().splitlines()) == 4


@pytest.mark.slow
def test_an_exporter_in_one_file_is_verified_and_opened(home: Path) -> None:
    """Verification runs in a process of its own, which finds it too."""
    assert json.loads((home / "export.json").read_text())["passed"]
    assert json.loads((home / "box.json").read_text())["kind"] == "export"
