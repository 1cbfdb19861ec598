"""Verbs that write, each with all that it writes below one folder."""

import json
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from faults.forked import verb
from faults.home import SMALL, Home
from faults.verbs import HEARD, Work
from mothertongue.system.files import sha256_file

GRID = """name: grid
base: {base}
languages: {{sw: {{data: {data}}}}}
strategies: {{full: {{strategy: {{kind: full}}}}}}
train: {train}
"""
INCIDENTAL = re.compile(r"/logs/|/MANIFEST\.json:files:state\.json:bytes$")
"""A log says that its run went on, and a state holds seconds of more or fewer digits."""


@dataclass(frozen=True, slots=True)
class TrainingInputs:
    """A verb; `lay` puts what it needs into the folder, and `work` is the command."""

    work: Callable[[Home, Path], Work]
    lay: Callable[[Home, Path], object] = lambda home, folder: None


def facts(folder: Path) -> dict[str, str]:
    """Return what lies below a folder: the values of JSON files, the digests of others."""
    found = {}
    for path in sorted(each for each in folder.rglob("*") if each.is_file()):
        name = str(path.relative_to(folder))
        if path.suffix == ".json":
            found |= dict(_values(json.loads(path.read_text("utf-8")), name))
        else:
            found[name] = sha256_file(path)
    return found


def same(expected: tuple[dict[str, str], dict[str, str]], found: dict[str, str]) -> list[str]:
    """Names of what differs, though two undisturbed runs agree on it; times they do not."""
    first, second = expected
    names = first.keys() | second.keys() | found.keys()
    agreed = {name for name in names if first.get(name) == second.get(name)}
    others = {name for name in agreed if found.get(name) != first.get(name)}
    return sorted(name for name in others if not INCIDENTAL.search(name))


def _values(value: Any, name: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict | list) and value:
        pairs = value.items() if isinstance(value, dict) else enumerate(value)
        for key, inner in pairs:
            yield from _values(inner, f"{name}:{key}")
    else:
        yield name, repr(value)


def _train(home: Home, folder: Path) -> Work:
    return verb("train", home.experiment, "--out", folder / "run")


def _prepare(home: Home, folder: Path) -> Work:
    options = ("--language", "sw", "--base", home.base)
    return verb("prepare", home.table, "--out", folder / "out", *options)


def _transcribe(home: Home, folder: Path) -> Work:
    formats = ("--format", "txt", "--format", "json")
    return verb("transcribe", home.base, home.data, "--out", folder / "out", *formats, *HEARD)


def _export(home: Home, folder: Path) -> Work:
    return verb("export", home.run, "--format", "hf", "--clips", 2, "--out", folder / "out")


def _evaluate(home: Home, folder: Path) -> Work:
    return verb("evaluate", folder / "run")


def _report(home: Home, folder: Path) -> Work:
    return verb(
        *("report", home.run, "--out", folder / "page.html", "--figures", folder / "figures")
    )


def _compare(home: Home, folder: Path) -> Work:
    return verb("compare", home.folder / "grid.yaml", "--out", folder / "out")


def _with_run(home: Home, folder: Path) -> None:
    """A finished run that has not been evaluated."""
    shutil.copytree(home.run, folder / "run")
    shutil.rmtree(folder / "run/eval")
    (folder / "run/report.html").unlink()


def _with_grid(home: Home, folder: Path) -> None:
    train = {**SMALL, "batch_size": 2, "precision": "fp32"}
    text = GRID.format(base=home.base, data=home.data, train=json.dumps(train))
    (home.folder / "grid.yaml").write_text(text, "utf-8")


JOBS = {
    "train": TrainingInputs(_train),
    "prepare": TrainingInputs(_prepare),
    "transcribe": TrainingInputs(_transcribe),
    "evaluate": TrainingInputs(_evaluate, _with_run),
    "export": TrainingInputs(_export),
    "report": TrainingInputs(_report),
    "compare": TrainingInputs(_compare, _with_grid),
}
