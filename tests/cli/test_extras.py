"""An installation without extras transcribes; verbs that need more name the extra."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import soundfile
from runs import save_base, save_corpus, write_experiment
from tiny import noise

BLOCK = """
import os
import sys


class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in os.environ.get("MISSING", "jiwer vl_convert").split():
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


sys.meta_path.insert(0, Absent())
"""
VERBS = """
import json
import os
import sys

from mothertongue import cli

for line in sys.stdin:
    os.environ["MISSING"], *sys.argv[1:] = json.loads(line)
    try:
        cli.main()
    except SystemExit as stopped:
        print("code", stopped.code or 0, file=sys.stderr)
"""
Said = tuple[int, str]


@pytest.fixture
def call(tmp_path: Path) -> Callable[..., list[Said]]:
    """Run verbs, each with its packages that are not there, one after the other in one process.

    Returns the exit code and standard error of each.
    """
    hooks = tmp_path / "hooks"
    hooks.mkdir()
    (hooks / "sitecustomize.py").write_text(BLOCK)
    env = os.environ | {"PYTHONPATH": os.pathsep.join([str(hooks), *sys.path]), "MISSING": ""}

    def run(*verbs: tuple[object, ...]) -> list[Said]:
        lines = "".join(json.dumps([*map(str, verb)]) + "\n" for verb in verbs)
        command = [sys.executable, "-c", VERBS]
        done = subprocess.run(command, input=lines, capture_output=True, text=True, env=env)
        assert done.returncode == 0, done.stderr
        parts = re.split(r"^code (\d+)\n", done.stderr, flags=re.MULTILINE)
        return [(int(code), said) for said, code in zip(parts[::2], parts[1::2], strict=False)]

    return run


@pytest.mark.slow
def test_without_extras_it_transcribes_and_the_others_say_what_to_install(
    tmp_path: Path, call: Callable[..., list[Said]]
) -> None:
    base, corpus = save_base(tmp_path / "base"), save_corpus(tmp_path / "data")
    soundfile.write(tmp_path / "a.wav", noise(1.0), 16_000)
    experiment = write_experiment(tmp_path, base, corpus)
    (heard, said), *others = call(
        ("jiwer vl_convert", "transcribe", base, tmp_path / "a.wav", "--language", "sw"),
        ("jiwer", "evaluate", base, "--data", corpus),
        ("jiwer", "train", experiment),
        ("vl_convert", "report", tmp_path),
    )
    assert heard == 0, said
    extras = (("jiwer", "train"), ("jiwer", "train"), ("vl_convert", "report"))
    for (code, said), (missing, extra) in zip(others, extras, strict=True):
        advice = f"needs {missing}: pip install 'mothertongue[{extra}]'"
        assert code == 2, said
        assert advice in said and "Traceback" not in said
