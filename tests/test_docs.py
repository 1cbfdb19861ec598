"""What the documentation shows is what the schema takes and what the package does."""

import ast
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from runs import Silent, byte_tokens, save_base, save_corpus, tiny_experiment
from tiny import noise

from mothertongue.comparison.grid import Grid, expand
from mothertongue.config import parse
from mothertongue.decoding.torch_transcriber import TorchTranscriber
from mothertongue.decoding.transcript import DecodeConfig
from mothertongue.experiment.config import Experiment
from mothertongue.experiment.load import load_run
from mothertongue.experiment.run_dir import RunDir
from mothertongue.model.load import load_base
from mothertongue.training.run import run

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)


def blocks(language: str) -> list[Any]:
    return [
        pytest.param(text, id=f"{page.name}-{number}")
        for page in PAGES
        for number, (kind, text) in enumerate(BLOCK.findall(page.read_text("utf-8")))
        if kind == language
    ]


def check_yaml(text: str) -> None:
    data = yaml.safe_load(text)
    if "strategies" in data:
        assert expand(parse(Grid, data, "docs"))
    else:
        parse(Experiment, data, "docs")


@pytest.mark.parametrize("text", blocks("yaml"))
def test_every_yaml_that_is_shown_is_valid(text: str) -> None:
    check_yaml(text)


@pytest.mark.parametrize("path", sorted((ROOT / "docs/experiments").glob("*.yaml")), ids=str)
def test_every_experiment_behind_a_figure_is_valid(path: Path) -> None:
    check_yaml(path.read_text("utf-8"))


def test_the_guides_adapters_on_one_base_write_what_each_run_writes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = save_base(tmp_path / "base")
    for seed, name in enumerate(("swahili", "yoruba")):
        corpus = save_corpus(tmp_path / name, train=4, validation=1, test=1)
        strategy = {"kind": "bottleneck", "dim": 4}
        changes = {"strategy": strategy, "epochs": 1, "seed": seed, "learning_rate": 0.5}
        run(
            tiny_experiment(tmp_path, base, corpus, **changes),
            RunDir(tmp_path / "runs" / name),
            Silent(),
        )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("mothertongue.model.load.load_base", lambda _: load_base(str(base)))
    (code,) = [p.values[0] for p in blocks("python") if "adapters.load" in p.values[0]]
    scope: dict[str, Any] = {}
    exec(code, scope)
    model, adapters = scope["model"], scope["adapters"]

    def written(whisper: Any) -> Any:
        transcriber = TorchTranscriber(
            whisper, byte_tokens(), context="bucket", config=DecodeConfig()
        )
        return transcriber([noise(1.0), noise(0.7, 1)], "sw")

    found = {}
    for name in ("swahili", "yoruba"):
        adapters.activate(model, [name])
        found[name] = written(model)
        assert found[name] == written(load_run(tmp_path / "runs" / name).base.model)
    adapters.activate(model, [])
    assert written(model) == written(load_base(str(base)).model)
    assert found["swahili"] != found["yoruba"] != written(model)


PACKAGE = ROOT / "src/mothertongue"


def test_the_tree_in_the_readme_is_the_tree_on_disk() -> None:
    text = (ROOT / "README.md").read_text("utf-8")
    (tree,) = re.findall(r"^src/mothertongue/\n((?:  .+\n)+)", text, re.MULTILINE)
    shown = {line.split()[0] for line in tree.splitlines()}
    there = {f"{path.parent.name}/" for path in PACKAGE.glob("*/__init__.py")}
    there |= {path.name for path in PACKAGE.glob("[!_]*.py")}
    assert shown == there


def test_every_package_says_what_comes_in_and_what_goes_out() -> None:
    for path in PACKAGE.glob("*/__init__.py"):
        text = ast.get_docstring(ast.parse(path.read_text("utf-8"))) or ""
        assert " in" in text and len(text) > 150, path
    assert not [
        path
        for path in PACKAGE.rglob("__init__.py")
        if not ast.get_docstring(ast.parse(path.read_text("utf-8")))
    ]
