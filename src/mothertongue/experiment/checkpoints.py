"""Write and read checkpoints, whole or not at all: safetensors and JSON, no pickle.

A checkpoint folder holds `trained.safetensors`, `optimizer.safetensors`, `state.json`, with
`train.ema` also `average.safetensors`, and, written last, `MANIFEST.json` with the size and SHA-256
of each of them.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from mothertongue.errors import DataError
from mothertongue.experiment.run_dir import RunDir
from mothertongue.system.files import (
    folder_atomically,
    remove_folder,
    require_free,
    sha256_file,
    size_bytes,
    write_json,
)
from mothertongue.system.json_files import parse_json

TRAINED = "trained.safetensors"
OPTIMIZER = "optimizer.safetensors"
AVERAGE = "average.safetensors"
"""The moving average of the weights, where a run has one."""
STATE = "state.json"
SUMS = "MANIFEST.json"
KEPT = 2
STEP = re.compile(r"step-\d{7,}")


@dataclass(frozen=True, slots=True)
class FileSum:
    """The size and the SHA-256 of a file."""

    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Sums:
    """MANIFEST.json: the files of a folder, by their names."""

    format: int = 1
    files: dict[str, FileSum]


def save(folder: Path, tensors: Mapping[str, Mapping[str, Tensor]], state: object) -> None:
    """Save named tensor files and a state as a folder; a crash leaves the old folder or none.

    The state is a dataclass, or JSON values.

    The tensors are contiguous, on the CPU. Raises DiskFull where there is no room for them.
    """
    num_bytes = sum(each.nbytes for values in tensors.values() for each in values.values())
    with folder_atomically(folder, num_bytes) as fresh:
        for name, values in tensors.items():
            save_file(dict(values), fresh / name)
        write_json(fresh / STATE, state)
        files = sorted(path for path in fresh.iterdir())
        sums = {each.name: FileSum(each.stat().st_size, sha256_file(each)) for each in files}
        write_json(fresh / SUMS, Sums(files=sums))


def require_room(
    run: RunDir, weights: Iterable[Tensor], saves: int, has_ema: bool = False, last: int = 0
) -> None:
    """Raise DiskFull if there is no room for this number of checkpoints of a run.

    `weights` are those that train: a checkpoint has them, AdamW's two moments, and their moving
    average if there is one. `last` is the number of validations whose weights are kept.
    """
    num_bytes = sum(each.numel() * each.element_size() for each in weights)
    num_bytes *= most_copies(saves, has_ema, last)
    there = sum(map(size_bytes, (run.checkpoints, run.best, run.final, run.validations)))
    require_free(run.checkpoints, num_bytes - there)


def most_copies(saves: int, has_ema: bool, last: int) -> int:
    """Return how many copies of what trains are on the disk at once, at most; as `require_room`."""
    each_has = 4 if has_ema else 3
    # The next checkpoint is written before the oldest goes; the final weights after the last one.
    copies = max(each_has * min(saves, KEPT + 1) + 1, each_has * min(saves, KEPT) + 2)
    return copies + (last + 1 if last else 0)


def fault(folder: Path) -> str | None:
    """Return the fault of a saved folder, with the name of the file; None if it is whole."""
    try:
        text = (folder / SUMS).read_text(encoding="utf-8")
        for name, expected in parse_json(text, folder / SUMS, Sums).files.items():
            size = (folder / name).stat().st_size
            if size != expected.bytes:
                return f"{name} has {size:,} bytes, expected {expected.bytes:,}"
            if sha256_file(folder / name) != expected.sha256:
                return f"{name} does not match its SHA-256"
    except FileNotFoundError as error:
        return f"{Path(error.filename).name} is missing"
    except OSError as error:
        return f"{Path(error.filename).name} is no file that can be read ({error.strerror})"
    except (ValueError, DataError):
        return f"{SUMS} is damaged"
    return None


def require_whole(folder: Path) -> None:
    """Raise DataError if a saved folder is missing or damaged."""
    if reason := fault(folder):
        raise DataError(f"{folder}: {reason}; train again or restore it from a copy")


def read_tensors(folder: Path, name: str) -> dict[str, Tensor]:
    """Return the tensors of a verified folder. Raises DataError if the folder is damaged."""
    require_whole(folder)
    try:
        return load_file(folder / name)
    except (SafetensorError, OSError) as error:
        raise DataError(f"{folder / name}: not readable ({error})") from None


def step_folder(checkpoints: Path, step: int) -> Path:
    """Return the folder of the checkpoint after `step` optimizer steps."""
    return checkpoints / f"step-{step:07d}"


def newest_whole(checkpoints: Path) -> tuple[Path | None, list[str]]:
    """Return the newest whole checkpoint, and a message for each newer one that is damaged.

    Raises DataError when there are checkpoints but none is whole: a run never starts over silently.
    """
    damaged: list[str] = []
    for folder in _newest_first(checkpoints):
        reason = fault(folder)
        if reason is None:
            return folder, damaged
        damaged.append(f"{folder}: {reason}; using an older checkpoint")
    if damaged:
        raise DataError(
            f"{checkpoints}: no checkpoint is whole; restore one, or delete the folder to start "
            "over:\n" + "\n".join(damaged)
        )
    return None, []


def keep_newest(checkpoints: Path, count: int = KEPT) -> None:
    """Remove all but the newest checkpoints."""
    for folder in _newest_first(checkpoints)[count:]:
        remove_folder(folder)


def steps_in(checkpoints: Path) -> list[int]:
    """Return the steps of the saved folders in a folder, in order."""
    return sorted(int(each.name.removeprefix("step-")) for each in _newest_first(checkpoints))


def remove_newer(checkpoints: Path, step: int) -> None:
    """Remove what was saved after a step."""
    for each in steps_in(checkpoints):
        if each > step:
            remove_folder(step_folder(checkpoints, each))


def _newest_first(checkpoints: Path) -> list[Path]:
    folders = [each for each in checkpoints.glob("step-*") if each.is_dir()]
    return sorted((each for each in folders if STEP.fullmatch(each.name)), reverse=True)
