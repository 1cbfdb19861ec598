"""Several hundred malformed inputs through every verb that reads them.

A run counts as a traceback, a crash, a hang, a silent acceptance (exit code 0 where the input is to
be refused), a refusal (where it is to be taken), another exit code, or a message that does not name
the file.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from faults import audio, beside, folders, layouts, runs_and_bases, settings, tables
from faults.counts import Counts
from faults.decoder import decode_as_server
from faults.forked import Outcome, forked
from faults.home import Home
from faults.inputs import BAD_DATA, Input
from faults.verbs import VERBS
from mothertongue.system.console import console

LIMIT_S = 120.0
SERVE = "serve"
FOLDER = re.compile(r"\S*/input-\w+/")
DRAWN = re.compile(r"[\s│┃]")  # a table wraps long paths
FAULTS = (
    *("traceback", "crash", "hang", "silent acceptance", "refusal", "other exit code"),
    "file not named",
)

KINDS: dict[str, Callable[[], Iterator[Input]]] = {
    "audio": audio.inputs,
    "tables": tables.inputs,
    "folders": folders.inputs,
    "layouts": layouts.inputs,
    "settings": settings.inputs,
    "runs": runs_and_bases.inputs,
    "beside": beside.inputs,
}


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that a verb did wrong with an input."""

    input: Input
    verb: str
    fault: str
    outcome: Outcome


def run(home: Home, counts: Counts, kind: str) -> dict[str, Any]:
    """Counts of the inputs of a kind, of runs and of faults, and a line for every fault."""
    chosen = list(KINDS[kind]())[:: counts.every]
    found = [_told(each) for each in _findings(chosen, home)]
    runs = Counter(verb for each in chosen for verb in _verbs(each))
    faults = Counter(each.fault for each in found)
    return {
        "inputs": len(chosen),
        "runs": sum(runs.values()),
        "runs_by_verb": dict(runs),
        "faults": {fault: faults[fault] for fault in FAULTS},
        "found": [_line(each) for each in found],
    }


def _told(found: Finding) -> Finding:
    console.print(f"  {_line(found)}", markup=False, highlight=False, soft_wrap=True)
    return found


def _verbs(each: Input) -> Sequence[str]:
    return each.only or (*VERBS[each.kind], *([SERVE] if each.kind == "audio" else []))


def _findings(chosen: Sequence[Input], home: Home) -> Iterator[Finding]:
    for each in chosen:
        for name in _verbs(each):
            if name == SERVE:
                continue
            with TemporaryDirectory(prefix="input-") as folder:
                outcome = _run(each, name, Path(folder).resolve(), home)
            if fault := judge(each, name, outcome):
                yield Finding(each, name, fault, outcome)
    yield from _uploads([each for each in chosen if SERVE in _verbs(each)], home)


def _run(each: Input, name: str, folder: Path, home: Home) -> Outcome:
    path = folder / each.name
    each.write(path, home)
    return forked(VERBS[each.kind][name](path, home), folder, LIMIT_S)


def _uploads(chosen: Sequence[Input], home: Home) -> Iterator[Finding]:
    with TemporaryDirectory(prefix="uploads-") as folder:
        paths = [Path(folder) / each.name for each in chosen]
        for each, path in zip(chosen, paths, strict=True):
            each.write(path, home)
        for each, outcome in zip(chosen, decode_as_server(paths), strict=True):
            if fault := judge(each, SERVE, outcome):
                yield Finding(each, SERVE, fault, outcome)


def judge(each: Input, name: str, outcome: Outcome) -> str | None:
    """The fault of a run, one of FAULTS; None where it is as it is owed."""
    expected = each.expected(name)
    if outcome.crashed:
        return "crash"
    if outcome.hung:
        return "hang"
    if outcome.has_traceback:
        return "traceback"
    if expected is None:
        return None if outcome.code in (0, BAD_DATA) else "other exit code"
    if outcome.code == 0 != expected:
        return "silent acceptance"
    if outcome.code != 0 == expected:
        return "refusal"
    if outcome.code != expected:
        return "other exit code"
    shown = DRAWN.sub("", outcome.out + outcome.err)
    if expected and DRAWN.sub("", each.names or each.name) not in shown:
        return "file not named"
    return None


def _line(found: Finding) -> str:
    last = (found.outcome.err.strip() or found.outcome.out.strip()).splitlines()[-1:]
    said = FOLDER.sub("", f": {last[0]}")[:200] if last else ""
    where = f"{found.verb} of {found.input.kind} {found.input.name!r}"
    return f"{found.fault}, {where}, exit {found.outcome.code}{said}"
