"""Nothing phones home: the verbs try no connection, and write where they were told and no further.

Python's own connections are seen by an audit hook; those of C libraries by strace, where it is
there and permitted; in a namespace without a network, where that is permitted.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from string import ascii_lowercase

import httpx2
import psutil
import pytest
from runs import PATIENCE_S, save_base, save_corpus, write_experiment
from serving_client import form
from tokenizers.pre_tokenizers import ByteLevel
from verbs_harness import NO_NETWORK

SMALL = {"epochs": 1, "learning_rate": 1e-3, "batch_size": 4, "precision": "fp32"}
LISTENING = re.compile(r"listening on (\S+)")
OFF = ("HF_", "HUGGINGFACE", "XDG_", "MOTHERTONGUE_", "ORT_", "DO_NOT_TRACK")
"""Settings of ours and of this machine's that could hide what a user's own verbs would do."""


def without_network() -> list[str]:
    return ["unshare", "-rn"]


def watching(log: Path) -> list[str]:
    return ["strace", "-f", "--seccomp-bpf", "-e", "connect", "-o", str(log)]


def wrappers(*wanted: list[str]) -> list[str]:
    """Those commands around another that this machine has and permits."""
    words: list[str] = []
    for each in wanted:
        if shutil.which(each[0]) and subprocess.run([*words, *each, "true"]).returncode == 0:
            words += each
    return words


def environment(folder: Path) -> dict[str, str]:
    """A user's environment with a home in a folder, and Python's connections in a file there."""
    for name in ("home", "tmp", "work", "hooks"):
        (folder / name).mkdir()
    (folder / "hooks/sitecustomize.py").write_text(NO_NETWORK)
    mine = {key: value for key, value in os.environ.items() if not key.startswith(OFF)}
    mine |= {"HOME": str(folder / "home"), "TMPDIR": str(folder / "tmp")}
    mine |= {"PYTHONPATH": os.pathsep.join([str(folder / "hooks"), *sys.path])}
    return mine | {"ATTEMPTS": str(folder / "attempts")}


def refuse_traces(folder: Path) -> None:
    """Fail where something connected, or wrote in the home or the temporary folder."""
    attempts, log = folder / "attempts", folder / "connects"
    if attempts.exists():  # to look up 127.0.0.1, where `serve` listens, asks nobody
        assert [each for each in attempts.read_text().splitlines() if "127.0.0.1" not in each] == []
    if log.exists():
        assert "AF_INET" not in log.read_text()
    ours = (".cache/mothertongue/", ".local/state/mothertongue/")
    assert [name for name in files(folder / "home") if not name.startswith(ours)] == []
    assert files(folder / "tmp") == []


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
    mine = environment(tmp_path)
    grid = {"name": "grid", "base": str(base), "languages": {"sw": {"data": str(data)}}}
    grid |= {"strategies": {"lora": {"strategy": lora}}, "reference": "lora", "train": SMALL}
    (tmp_path / "grid.yaml").write_text(json.dumps(grid))
    clips = [str(data / "test0.wav"), "--vad", "silero", "--language", "sw"]
    checks = ["--base", str(base), "--text-leaks", "warn"]
    # `plan` starts Python anew. `compare` and `export` fork: before most engines have threads, and
    # `compare` before `train`, because torch computes no gradient in a fork of what computed one.
    verbs = [
        ["prepare", str(data), "--language", "sw", "--out", "prepared", *checks],
        ["check", "prepared", *checks],
        ["init", "prepared", "--base", str(base), "--out", "written.yaml"],
        ["compare", str(tmp_path / "grid.yaml"), "--out", "compared"],
        ["plan", str(experiment)],
        ["train", str(experiment), "--out", "run"],
        ["export", "run", "--format", "adapter", "--clips", "1"],
        ["doctor", "prepared", "--model", str(base)],
        ["lm", "prepared", "--out", "lm", "--base", str(base)],
        ["evaluate", "run", "--with-base"],
        ["transcribe", "run", *clips, "--out", "text"],
        ["label", "run", clips[0], "--vad", "off", "--max-speed", "999", "--out", "pseudo"],
        ["analyze", "run", "--figures", "figures"],
        ["report", "run"],
        ["average", "run", "--with-base", "0.5", "--out", "mean"],
        ["demo", f"base={base}", f"data={data}", "train.precision=fp32", "--out", "demo"],
    ]
    done = subprocess.run(
        [
            *wrappers(without_network(), watching(tmp_path / "connects")),
            sys.executable,
            str(Path(__file__).with_name("helpers") / "verbs_harness.py"),
            "--forks",
        ],
        input="\n".join(map(json.dumps, verbs)),
        capture_output=True,
        cwd=tmp_path / "work",
        env=mine,
        text=True,
        timeout=PATIENCE_S,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    refuse_traces(tmp_path)
    assert {path.name for path in (tmp_path / "work").iterdir()} == {
        *("prepared", "run", "text", "pseudo", "figures", "written.yaml", "lm", "mean"),
        *("compared", "demo"),
    }


@pytest.mark.slow
def test_serve_connects_to_nobody_and_writes_nothing(tmp_path: Path) -> None:
    base, data = save_base(tmp_path / "base"), save_corpus(tmp_path / "data")
    mine = environment(tmp_path)
    command = [sys.executable, "-m", "mothertongue", "serve", f"base={base}", "--port", "0"]
    with subprocess.Popen(
        [*wrappers(watching(tmp_path / "connects")), *command],
        stderr=subprocess.PIPE,
        cwd=tmp_path / "work",
        env=mine,
        text=True,
    ) as process:
        assert process.stderr
        found = next(filter(None, (LISTENING.search(line) for line in process.stderr)))
        body, kind = form(data / "test0.wav", model="base", language="sw")
        url = f"{found.group(1)}/v1/audio/transcriptions"
        assert httpx2.post(url, content=body, headers=kind, timeout=PATIENCE_S).status_code == 200
        server, *_ = [
            each for each in processes(process.pid) if Path(each.exe()).name.startswith("python")
        ]
        server.terminate()
        process.communicate()
    refuse_traces(tmp_path)
    assert files(tmp_path / "work") == []


def processes(number: int) -> list[psutil.Process]:
    """A process and those below it, the older ones first."""
    first = psutil.Process(number)
    return [first, *first.children(recursive=True)]
