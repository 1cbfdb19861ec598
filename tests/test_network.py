"""Nothing phones home: the verbs try no connection, and write where they were told and no further.

Python's own connections are seen by an audit hook; those of C libraries by strace, where it is
there and permitted; in a namespace without a network, where that is permitted.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from string import ascii_lowercase

import pytest
from runs import PATIENCE_S, save_base, save_corpus, write_experiment
from tokenizers.pre_tokenizers import ByteLevel
from verbs_harness import NO_NETWORK

SMALL = {"epochs": 1, "learning_rate": 1e-3, "batch_size": 4, "precision": "fp32"}
OFF = ("HF_", "HUGGINGFACE", "XDG_", "MOTHERTONGUE_", "ORT_", "DO_NOT_TRACK")
"""Settings of ours and of this machine's that could hide what a user's own verbs would do."""


def wrappers(log: Path) -> list[str]:
    """What takes the network away and sees every connection, as far as this machine permits."""
    words: list[str] = []
    for each in (
        ["unshare", "-rn"],
        ["strace", "-f", "--seccomp-bpf", "-e", "connect", "-o", str(log)],
    ):
        if shutil.which(each[0]) and subprocess.run([*words, *each, "true"]).returncode == 0:
            words += each
    return words


def files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def write_letters_only(base: Path) -> None:
    """Let a base with random weights write text, which no random bytes are."""
    path = base / "generation_config.json"
    settings = json.loads(path.read_text())
    names = sorted(ByteLevel.alphabet())
    settings["suppress_tokens"] = [i for i, name in enumerate(names) if name not in ascii_lowercase]
    path.write_text(json.dumps(settings))


@pytest.mark.slow
def test_no_verb_connects_or_writes_elsewhere(tmp_path: Path) -> None:
    base, data = save_base(tmp_path / "base"), save_corpus(tmp_path / "data")
    write_letters_only(base)
    lora = {"kind": "lora", "rank": 2}
    experiment = write_experiment(tmp_path, base, data, strategy=lora, epochs=1)
    for name in ("home", "tmp", "work", "hooks"):
        (tmp_path / name).mkdir()
    (tmp_path / "hooks/sitecustomize.py").write_text(NO_NETWORK)
    grid = {"name": "grid", "base": str(base), "languages": {"sw": {"data": str(data)}}}
    grid |= {"strategies": {"lora": {"strategy": lora}}, "reference": "lora", "train": SMALL}
    (tmp_path / "grid.yaml").write_text(json.dumps(grid))
    clips = [str(data / "test0.wav"), "--vad", "silero", "--language", "sw"]
    checks = ["--base", str(base), "--text-leaks", "warn"]
    verbs = [
        ["prepare", str(data), "--language", "sw", "--out", "prepared", *checks],
        ["check", "prepared", *checks],
        ["doctor", "prepared", "--model", str(base)],
        ["init", "prepared", "--base", str(base), "--out", "written.yaml"],
        ["lm", "prepared", "--out", "lm", "--base", str(base)],
        ["plan", str(experiment)],
        ["train", str(experiment), "--out", "run"],
        ["evaluate", "run", "--with-base"],
        ["transcribe", "run", *clips, "--out", "text"],
        ["label", "run", clips[0], "--vad", "off", "--max-speed", "999", "--out", "pseudo"],
        ["analyze", "run", "--figures", "figures"],
        ["report", "run"],
        ["export", "run", "--format", "adapter", "--clips", "1"],
        ["average", "run", "--with-base", "0.5", "--out", "mean"],
        ["compare", str(tmp_path / "grid.yaml"), "--out", "compared"],
    ]
    log, attempts = tmp_path / "connects", tmp_path / "attempts"
    mine = {key: value for key, value in os.environ.items() if not key.startswith(OFF)}
    mine |= {"HOME": str(tmp_path / "home"), "TMPDIR": str(tmp_path / "tmp")}
    mine |= {"PYTHONPATH": os.pathsep.join([str(tmp_path / "hooks"), *sys.path])}
    mine |= {"ATTEMPTS": str(attempts)}
    done = subprocess.run(
        [
            *wrappers(log),
            sys.executable,
            str(Path(__file__).with_name("helpers") / "verbs_harness.py"),
        ],
        input="\n".join(map(json.dumps, verbs)),
        capture_output=True,
        cwd=tmp_path / "work",
        env=mine,
        text=True,
        timeout=PATIENCE_S,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert not attempts.exists(), attempts.read_text()
    if log.exists():
        assert "AF_INET" not in log.read_text()
    ours = (".cache/mothertongue/", ".local/state/mothertongue/")
    assert [name for name in files(tmp_path / "home") if not name.startswith(ours)] == []
    assert files(tmp_path / "tmp") == []
    assert {path.name for path in (tmp_path / "work").iterdir()} == {
        *("prepared", "run", "text", "pseudo", "figures", "written.yaml", "lm", "mean"),
        "compared",
    }
