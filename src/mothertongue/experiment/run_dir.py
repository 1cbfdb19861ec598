"""The files of a run. RunDir is the sole owner of the file names. No torch.

runs/<name>/
  experiment.yaml   the resolved configuration        lock          held while a process works here
  identity.json     base, data, labels, versions      metrics.jsonl one line a step or validation
  data.jsonl        every clip, its audio by SHA-256  best/ final/  trained weights
  start/            the trained weights as they began, where that moved a part of the base (PiSSA)
  checkpoints/      the newest two                    state.json    that of the newest checkpoint
  validations/      the weights at the last ones, while a run trains with train.average_last
  eval/<name>.json  scores with every utterance       record.json   written last: the run is done
  report.html       the page of all this          interpolation.svg the sweep of `average`, drawn

A comparison's folder has comparison.json and clips.json, and runs/ with a run each.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mothertongue.errors import ConfigError, DataError
from mothertongue.experiment.records import Cost, MetricsLine, RunRecord
from mothertongue.system.files import open_atomically, reporting_disk_full, sweep
from mothertongue.system.json_files import plain_values, read_json, read_json_lines
from mothertongue.system.locks import alone

TEST_SCORES = "test"
"""Scores on the test split of the data that a run was trained on."""
OTHER_DATA_PREFIX = "also-"
"""Begins the name of scores on other data."""
BASE_PREFIX = "base-"
"""Begins the name of the base model's scores on the same clips."""
LONG_PREFIX = "long-"
"""Begins the name of scores on long recordings."""
NO_RUN = "not a run; give a folder that mothertongue train left"
IN_USE = "wait for it, stop it, or give this run another folder with --out"
COMPARISON, CLIPS = "comparison.json", "clips.json"


@dataclass(frozen=True, slots=True)
class _Inside:
    """A file or folder of a run, by its name: as an attribute of a RunDir it is its path."""

    name: str

    def __get__(self, run: "RunDir", _: type["RunDir"]) -> Path:
        return run.path / self.name


@dataclass(frozen=True, slots=True)
class RunDir:
    """The folder of one run."""

    path: Path

    experiment = _Inside("experiment.yaml")
    identity = _Inside("identity.json")
    data = _Inside("data.jsonl")
    metrics = _Inside("metrics.jsonl")
    checkpoints = _Inside("checkpoints")
    validations = _Inside("validations")
    start = _Inside("start")
    best = _Inside("best")
    final = _Inside("final")
    record = _Inside("record.json")
    lock = _Inside("lock")
    state = _Inside("state.json")

    def read_cost(self) -> Cost:
        """Return the cost of the run up to its newest checkpoint."""
        return read_json(self.state, Cost)

    def read_record(self) -> RunRecord:
        """Return the record of a finished run. Raises DataError without a whole one."""
        if not self.is_done:
            if not is_run(self.path):
                raise DataError(f"{self.path}: {NO_RUN}")
            raise DataError(
                f"{self.path}: no finished run; expected its record.json; continue it with: "
                "mothertongue train"
            )
        return read_json(self.record, RunRecord)

    def evaluation(self, name: str) -> Path:
        """Return the file of the scores on one set of utterances."""
        return self.path / "eval" / f"{name}.json"

    @property
    def is_done(self) -> bool:
        return self.record.exists()  # a folder of that name is a damaged record

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Lock the run for this process; remove the half-written files of a killed one.

        Raises MothertongueError naming the process that holds the lock. The system releases it when
        a process dies, however it dies.
        """
        with alone(self.lock, self.path, IN_USE):
            for folder in (self.path, self.checkpoints, self.validations, self.path / "eval"):
                sweep(folder)
            yield


def is_run(path: Path) -> bool:
    """Return whether a folder is that of a run."""
    return (path / "experiment.yaml").is_file()


def append_line(path: Path, line: MetricsLine) -> None:
    """Add one JSON line in a single write, so that a crash cannot mix two of them."""
    with reporting_disk_full(path), path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(plain_values(line), ensure_ascii=False) + "\n")


def rewind(path: Path, step: int) -> None:
    """Remove the lines of steps after `step` and an incomplete last line; they are written again.

    Raises DataError naming any other line that is damaged.
    """
    if not path.is_file():
        return
    with path.open("rb+") as metrics:
        content = metrics.read()
        metrics.truncate(content.rfind(b"\n") + 1)
    lines = list(read_json_lines(path, MetricsLine, "remove the line to go on without it"))
    with open_atomically(path) as file:
        for line, values in lines:
            if values.step <= step:
                file.write(line + "\n")


def refuse_change(origin: str, before: dict[str, Any], now: dict[str, Any]) -> None:
    """Raise ConfigError with a line for each setting that a continued run would change."""
    old, new = dict(_flat(before)), dict(_flat(now))
    changes = [
        f"  {key}: was {old.get(key)!r}, now {new.get(key)!r}"
        for key in sorted(old.keys() | new.keys())
        if old.get(key) != new.get(key)
    ]
    if changes:
        raise ConfigError(
            f"{origin}: the run was begun with other settings:\n" + "\n".join(changes) + "\n"
            "Set them back to continue it, or give the new run another name or --out"
        )


def _flat(value: Any, key: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict) and value:
        for name, inner in value.items():
            yield from _flat(inner, f"{key}.{name}" if key else str(name))
    else:
        yield key, value
