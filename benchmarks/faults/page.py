"""docs/reliability.md from docs/reliability.json and the catalogue: no figure is typed by hand."""

import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from faults.catalogue import Fault, read_catalogue
from mothertongue.experiment.run_dir import environment
from mothertongue.system.files import open_atomically, write_json

Json = dict[str, Any]
MALFORMED = ("audio", "tables", "folders", "settings", "runs")
MB = 1e6
HEAD = """# Reliability

Written by `make faults`: what broken files, killed processes, full disks and bad clients do to the
verbs. Everything is made at run time from a seed: a tiny base, a corpus of tones, a finished run.
Every input, kill and disk is a process of its own, so that a crash is counted and stops nothing.
The tests run a share of it.
"""


def update(out: Path, part: str, found: Json, seconds: float) -> None:
    """Replace a part of the file."""
    before = json.loads(out.read_text("utf-8")) if out.is_file() else {}
    facts = {
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
        "seconds": round(seconds),
        "environment": environment(),
    }
    write_json(out, before | {part: facts | found})


def write(out: Path) -> None:
    """Write the page beside the file."""
    found = json.loads(out.read_text("utf-8"))
    parts = [HEAD]
    if malformed := {name: found[name] for name in MALFORMED if name in found}:
        parts.append("\n".join(_malformed(malformed)))
    parts += ["\n".join(render(found[name])) for name, render in RENDERERS.items() if name in found]
    parts.append("\n".join(_catalogue(read_catalogue())))
    with open_atomically(out.with_suffix(".md")) as file:
        file.write("\n\n".join(each.strip() for each in parts) + "\n")


def _malformed(by_kind: Json) -> Iterator[str]:
    inputs = sum(each["inputs"] for each in by_kind.values())
    runs = sum(each["runs"] for each in by_kind.values())
    yield "## Malformed inputs\n"
    yield f"{inputs} inputs, each with the exit code that it is owed and the name that the message"
    yield f"has to show; {runs} runs. `serve` is its decoders, given the files as uploads.\n"
    rows = [
        [kind, f"{each['inputs']}", _counted(each["runs_by_verb"])]
        for kind, each in by_kind.items()
    ]
    yield from _table(["inputs", "count", "runs of each verb"], rows)
    yield ""
    faults = list(next(iter(by_kind.values()))["faults"])
    yield from _table(
        ["inputs", *faults],
        [[kind, *(f"{each['faults'][name]}" for name in faults)] for kind, each in by_kind.items()],
    )
    yield "\nWhen and with what:\n"
    yield from (f"- {kind}: {_where(each)}" for kind, each in by_kind.items())
    yield from _found({"found": [line for each in by_kind.values() for line in each["found"]]})


def _counted(counts: dict[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in counts.items())


def _media(found: Json) -> Iterator[str]:
    refused = sum(found["refused"].values())
    yield f"## Mutated media\n\n{_where(found)}\n"
    yield f"{found['mutants']:,} mutants, seed {found['seed']}, of recordings of 1 s: bits flipped,"
    yield "bytes overwritten, removed, repeated, cut, spliced, and sizes replaced; one to three of"
    yield f"these each. **{found['crashes']} crashes or hangs**,"
    yield f"**{sum(found['faults'].values())} other errors**; {refused:,} refused with a code and"
    grown_bytes = found["peak_bytes"] - found["idle_bytes"]
    yield f"{found['taken']:,} taken. At most {grown_bytes / MB:.0f} MB more than before the first"
    yield f"file, and {found['longest_s']:.2f} s of processor time a file.\n"
    yield "Taken although shorter than the whole recording:\n"
    yield from _table(list(found["shorter"]), [[f"{each}" for each in found["shorter"].values()]])
    yield from _found(found)


def _checkpoints(found: Json) -> Iterator[str]:
    damages = found["damages"]
    yield f"## Damaged checkpoints\n\n{_where(found)}\n"
    yield "Each file of the newest checkpoint missing, of 0 bytes, cut in half, or with one bit"
    yield f"flipped, of {found['strategies']} strategies: {found['found_damages']} of {damages}"
    yield f"damages were found, and {found['same_weights']} of {damages} runs went on from the"
    yield "checkpoint before to the same weights, bit for bit."
    yield from _found(found)


def _kills(found: Json) -> Iterator[str]:
    yield f"## SIGKILL\n\n{_where(found)}\n"
    yield "A verb is killed at a random instant, and the same command is given again. What two"
    yield "undisturbed runs agree on, files and values, has to be there in the end and nothing"
    yield "else, and no process may be left. `train`: a hundred kills over five strategies, 70 of"
    yield "them inside a save, by `tests/training/test_kill.py`, to the same bits.\n"
    names = ("not going on", "other results", "process left")
    rows = [
        [verb, f"{each['kills']}", *(f"{each.get(name, 0)}" for name in names)]
        for verb, each in found["verbs"].items()
    ]
    yield from _table(["verb", "kills", *names], rows)
    yield from _found(found)


def _disk(found: Json) -> Iterator[str]:
    yield f"## Full disks\n\n{_where(found)}\n"
    if "left_out" in found:
        yield f"Left out: {found['left_out']}."
        return
    yield "A verb writes to a disk of a size between nothing and enough, to one that is read-only,"
    yield "and with a full TMPDIR. It owes one message that names the disk, and exit code 1; then"
    yield "the disk grows and the same command has to go on to the results of an undisturbed run.\n"
    rows = [_disk_row(verb, each) for verb, each in found["verbs"].items()]
    yield from _table(["verb", "disks", "full", "message says bytes", "faults"], rows)
    yield from _found(found)


def _disk_row(verb: str, each: Json) -> list[str]:
    known = ("cases", "full", "says_bytes")
    faults = ", ".join(f"{name} {count}" for name, count in each.items() if name not in known)
    return [verb, *(f"{each[name]}" for name in known), faults or "0"]


def _server(found: Json) -> Iterator[str]:
    known = ("date", "seconds", "environment", "found")
    yield f"## The server\n\n{_where(found)}\n"
    rows = [[key, _plain(value)] for key, value in found.items() if key not in known]
    yield from _table(["", ""], rows)
    yield from _found(found)


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _catalogue(faults: Sequence[Fault]) -> Iterator[str]:
    yield "## The faults that are known\n"
    yield "Each with the test that holds it, below `tests/`, or why there is none.\n"
    rows = [[f"{each.number}", each.fault, _held(each)] for each in faults]
    yield from _table(["", "fault", "held by"], rows)


def _held(fault: Fault) -> str:
    tests = ", ".join(f"`{test}`" for test in fault.tests)
    return "; ".join(part for part in (tests, fault.note) if part)


RENDERERS = {
    "media": _media,
    "checkpoints": _checkpoints,
    "kills": _kills,
    "disk": _disk,
    "server": _server,
}


def _where(found: Json) -> str:
    packages = found["environment"]["packages"]
    names = ("mothertongue", "torch", "transformers", "av", "soundfile")
    versions = ", ".join(f"{name} {packages[name]}" for name in names)
    return f"{found['date']}, {found['seconds']} s; {versions}."


def _found(found: Json) -> Iterator[str]:
    """A line for each thing that went wrong."""
    if found.get("found"):
        yield "\nWhat went wrong:\n"
        yield from (f"- {_code(line)}" for line in found["found"])


def _code(line: str) -> str:
    return "`" + line.replace("`", "'").replace("\n", " ") + "`"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    yield "| " + " | ".join(head) + " |"
    yield "| " + " | ".join("---" for _ in head) + " |"
    for row in rows:
        yield "| " + " | ".join(row) + " |"
