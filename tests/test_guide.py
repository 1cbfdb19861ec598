"""The output that the guide shows for a layout is what the command prints on such a corpus."""

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from guide_corpora import common_voice, elan, parquet, subtitles
from hub_server import serving

GUIDE = Path(__file__).parents[1] / "docs/guide.md"
SHOWN = re.compile(
    r"^```\n(mothertongue prepare .*?)^```$.*?^```\n(.*?)^```$", re.DOTALL | re.MULTILINE
)
REPO = "some-one/stories"
pytestmark = pytest.mark.slow


def shown(title: str) -> tuple[list[str], list[str]]:
    """Return the first command of a section, and the output that is shown after it.

    A line `...` stands for lines that the guide leaves out.
    """
    (section,) = re.findall(rf"^## {title}\n(.*?)^## ", GUIDE.read_text("utf-8"), re.DOTALL | re.M)
    command, output = SHOWN.search(section).groups()  # type: ignore[union-attr]
    return command.split()[1:], output.split("...\n")


def printed(arguments: list[str], folder: Path, **settings: str) -> str:
    """Return what a command prints in this folder, at the width of the guide."""
    ours = {key: value for key, value in os.environ.items() if not key.startswith("HF_")}
    ours |= {"PYTHONPATH": os.pathsep.join(sys.path), "COLUMNS": "100", **settings}
    command = [sys.executable, "-m", "mothertongue", *arguments]
    done = subprocess.run(command, cwd=folder, env=ours, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return re.sub(r" +$", "", done.stdout, flags=re.MULTILINE)


def has_in_order(parts: list[str], text: str) -> bool:
    """Return whether the text begins with the first part, ends with the last, and has all."""
    pattern = ".*?".join(map(re.escape, parts))
    return re.fullmatch(pattern, text, re.DOTALL) is not None


@pytest.mark.parametrize(
    ("title", "write", "name"),
    [
        ("I have ELAN files", elan, "field"),
        ("I have a radio archive and subtitles", subtitles, "radio"),
        ("I have Common Voice", common_voice, "cv-corpus/sw"),
    ],
)
def test_a_page_shows_what_is_printed(
    title: str, write: Callable[[Path], None], name: str, tmp_path: Path
) -> None:
    arguments, parts = shown(title)
    write(tmp_path / name)
    text = printed(arguments, tmp_path)
    assert has_in_order(parts, text), text


def test_the_hubs_page_shows_what_is_printed(tmp_path: Path) -> None:
    arguments, parts = shown("I have a Hub dataset")
    splits = {"train": range(12), "validation": range(12, 15), "test": range(15, 18)}
    files = {f"sw/{name}-00000-of-00001.parquet": parquet(each) for name, each in splits.items()}
    settings = {"MOTHERTONGUE_CACHE": str(tmp_path / "cache"), "HF_HOME": str(tmp_path / "home")}
    settings |= {"HF_HUB_DISABLE_XET": "1", "NO_PROXY": "*"}
    with serving(REPO, files, {}) as server:
        text = printed(arguments, tmp_path, HF_ENDPOINT=server.address, **settings)
    assert has_in_order(parts, text), text
