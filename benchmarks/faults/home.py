"""Makes what every part of the campaign begins from: a base, a corpus, a run, an export."""

import gc
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory

from runs import save_base, save_corpus, write_experiment

from faults.forked import Outcome, forked, verb

PATIENCE_S = 600.0
VERBS = (
    *("comparison.compare", "data.prepare", "data.sources.detect", "export.export"),
    *("inference.evaluate_run", "inference.labelling.label", "inference.open_model"),
    *("inference.transcribe_files",),
    *("report.tables.verb_tables", "report.write", "training.run"),
)
"""The verbs import these when they run; imported once here, every fork has them."""
SMALL = {"epochs": 1, "validation_clips": 2}


@dataclass(frozen=True, slots=True)
class Home:
    """Whole things, to be copied and damaged."""

    folder: Path

    @property
    def base(self) -> Path:
        return self.folder / "base"

    @property
    def data(self) -> Path:
        return self.folder / "data"

    @property
    def run(self) -> Path:
        return self.folder / "run"

    @property
    def lm(self) -> Path:
        return self.folder / "lm"

    @property
    def experiment(self) -> Path:
        return self.folder / "experiment.yaml"

    @property
    def table(self) -> Path:
        """A table of the corpus' clips, each with a sentence of its own."""
        return self.data / "table.csv"

    @property
    def clip(self) -> Path:
        return self.data / "train0.wav"


@contextmanager
def furnished() -> Iterator[Home]:
    """A home in a temporary folder, gone at the end."""
    logging.disable(logging.WARNING)
    for name in VERBS:
        import_module(f"mothertongue.{name}")
    gc.freeze()  # each fork that trains would look at all of it
    with TemporaryDirectory(prefix="faults-") as name:
        home = Home(Path(name).resolve())
        # What verbs remember for a user is not to be mixed with what this one did.
        os.environ["MOTHERTONGUE_CACHE"] = str(home.folder / "cache")
        os.environ["XDG_STATE_HOME"] = str(home.folder / "state")
        save_base(home.base)
        save_corpus(home.data)
        _write_table(home)
        write_experiment(home.folder, home.base, home.data, **SMALL)
        for command in (
            ("train", home.experiment, "--out", home.run),
            ("evaluate", home.run),
            ("lm", home.data, "--out", home.lm, "--base", home.base),
        ):
            must(forked(verb(*command), home.folder, PATIENCE_S))
        yield home


def _write_table(home: Home) -> None:
    names = sorted(path.name for path in home.data.glob("*.wav"))
    rows = [f"{name},neno la {name.removesuffix('.wav')}" for name in names]
    home.table.write_text("\n".join(["audio,text", *rows]) + "\n", "utf-8")


def must(outcome: Outcome) -> Outcome:
    """The outcome of what nothing was done to. Raises RuntimeError where it failed."""
    if outcome.code != 0:
        raise RuntimeError(f"an undamaged run ended with {outcome.code}: {outcome.err[-2000:]}")
    return outcome
