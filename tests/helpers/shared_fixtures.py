"""Fixtures that cost time, made once: the tokenizer and tiny models in every layout."""

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import bad_decoders
import pytest
from shared import once
from tiny import save_transformers, tiny_model, with_language
from tiny_runs import exports, tiny_runs, warm_engines  # noqa: F401  (fixtures)
from transformers import WhisperForConditionalGeneration

from mothertongue import cli
from mothertongue.model.locate import BaseFiles, locate
from mothertongue.model.tokenizer import Tokens, load_tokens
from mothertongue.system.cache import cache_folder


@pytest.fixture(scope="session", autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A cache for this session alone, but for the joined base, which stays in the user's."""
    base, ours = locate("openai/whisper-base").path, tmp_path_factory.mktemp("cache")
    if base.parent == cache_folder():
        (ours / base.name).symlink_to(base)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MOTHERTONGUE_CACHE", str(ours))
        patch.setenv("XDG_STATE_HOME", str(ours / "state"))
        yield ours


@pytest.fixture
def call(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str, str]]:
    """Return a function that runs the script in this process: (exit code, stdout, stderr)."""

    def typed(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["mothertongue", *map(str, arguments)])
        with pytest.raises(SystemExit) as stop:
            cli.main()
        out, err = capsys.readouterr()
        return int(stop.value.code or 0), out, err

    return typed


@pytest.fixture
def bad_task(monkeypatch: pytest.MonkeyPatch) -> str:
    """The task of workers that do what a bad file says; they find it where tests lie."""
    given = [str(Path(bad_decoders.__file__).parent), os.environ.get("PYTHONPATH", "")]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, given)))
    return bad_decoders.__name__


@pytest.fixture(scope="session")
def packaged(cache: Path) -> BaseFiles:
    """whisper-base of the `demo` extra, joined into one CTranslate2 folder."""
    return locate("openai/whisper-base")


@pytest.fixture(scope="session")
def tokens(packaged: BaseFiles) -> Tokens:
    """Whisper's tokenizer, 51,865 tokens."""
    return load_tokens(packaged)


@pytest.fixture(scope="session")
def tokens_v3(tokens: Tokens) -> Tokens:
    """large-v3's tokenizer, 51,866 tokens: it knows Cantonese."""
    return with_language(tokens, "yue")


@pytest.fixture(scope="session")
def model(tokens: Tokens) -> WhisperForConditionalGeneration:
    """A tiny random Whisper. Shared: a test that changes it copies it."""
    return tiny_model(tokens).requires_grad_(False)


@pytest.fixture(scope="session")
def model_v3(tokens_v3: Tokens) -> WhisperForConditionalGeneration:
    """The same with 128 mel bins and large-v3's vocabulary."""
    return tiny_model(tokens_v3, mel_bins=128, seed=1).requires_grad_(False)


@pytest.fixture(scope="session")
def transformers_folder(
    model: WhisperForConditionalGeneration,
    tokens: Tokens,
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """The tiny model as transformers saves it. Shared: a test that changes it copies it."""
    return once(
        tmp_path_factory,
        "transformers",
        lambda folder: save_transformers(model, tokens, folder),
    )
