"""What a worker that its file has taken over could do."""

import sys
from pathlib import Path

import pytest
from bad_decoders import write_bad

from mothertongue.data.audio.decoders import Span
from mothertongue.data.sandbox.pool import Sandbox

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="seccomp is Linux's")


def test_nothing_is_in_its_reach(
    bad_task: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MOTHERTONGUE_API_KEY", "a secret of 23 letters")
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    with Sandbox(bad_task) as sandbox:
        ((found, _),) = sandbox.answers(Span(write_bad(tmp_path / "a.wav", "probe")))
        assert set(found["said"].values()) == {"PermissionError"}, found
        own = Path(f"/proc/{sandbox.idle[0].process.pid}")
        assert "secret" not in (own / "environ").read_text()
        status = dict(line.split(":\t") for line in (own / "status").read_text().splitlines())
        assert (status["NoNewPrivs"], status["Seccomp"]) == ("1", "2")
        open_files = {str(each.readlink()) for each in (own / "fd").iterdir()}
        assert {each.partition(":")[0] for each in open_files} == {"/dev/null", "socket"}
