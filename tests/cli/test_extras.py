"""An installation without extras transcribes; verbs that need more name the extra."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import soundfile
from runs import save_base, save_corpus, write_experiment
from tiny import noise

BLOCK = """
import os
import sys

MISSING = os.environ["MISSING"].split()


class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in MISSING:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


sys.meta_path.insert(0, Absent())
"""


@pytest.fixture
def call(tmp_path: Path):  # type: ignore[no-untyped-def]
    """Run a verb in a process that lacks some packages, by default those of all extras."""
    hooks = tmp_path / "hooks"
    hooks.mkdir()
    (hooks / "sitecustomize.py").write_text(BLOCK)
    env = os.environ | {"PYTHONPATH": os.pathsep.join([str(hooks), *sys.path])}

    def run(
        *arguments: object, missing: str = "jiwer vl_convert"
    ) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "mothertongue", *map(str, arguments)]
        lacks = env | {"MISSING": missing}
        return subprocess.run(command, capture_output=True, text=True, check=False, env=lacks)

    return run


@pytest.mark.slow
def test_without_extras_it_transcribes_and_the_others_say_what_to_install(
    tmp_path: Path,
    call,  # type: ignore[no-untyped-def]
) -> None:
    base, corpus = save_base(tmp_path / "base"), save_corpus(tmp_path / "data")
    soundfile.write(tmp_path / "a.wav", noise(1.0), 16_000)
    done = call("transcribe", base, tmp_path / "a.wav", "--language", "sw")
    assert done.returncode == 0, done.stderr
    experiment = write_experiment(tmp_path, base, corpus)
    for verb, missing, extra in (
        (("evaluate", base, "--data", corpus), "jiwer", "train"),
        (("train", experiment), "jiwer", "train"),
        (("report", tmp_path), "vl_convert", "report"),
    ):
        done = call(*verb, missing=missing)
        advice = f"needs {missing}: pip install 'mothertongue[{extra}]'"
        assert done.returncode == 2, done.stderr
        assert advice in done.stderr and "Traceback" not in done.stderr
