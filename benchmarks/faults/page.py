"""Write docs/reliability.md from docs/reliability.json and the catalogue.

No figure in it is typed by hand.
"""

import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from faults.catalogue import Fault, read_catalogue
from mothertongue.system.environment import environment
from mothertongue.system.files import open_atomically, write_json
from mothertongue.system.json_files import to_json

Json = dict[str, Any]
MALFORMED = ("audio", "tables", "folders", "layouts", "settings", "runs", "beside")
MB = 1e6
HEAD = """# Reliability

Here you can see what the commands do with broken files, killed processes, full disks and bad
clients. `make faults` writes this page. It makes all inputs from a seed: a tiny base model, a
corpus of tones, a finished run. Every input, kill and disk gets a separate process, so a crash is
counted and does not stop the others. The tests run a part of it.
"""


def update(out: Path, part: str, found: Json, seconds: float) -> None:
    """Replace a part of the file; of the kills, the verbs that were killed."""
    before = json.loads(out.read_text("utf-8")) if out.is_file() else {}
    facts = {
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
        "seconds": round(seconds),
        "environment": to_json(environment()),
    }
    if part == "kills":
        found = _with_other_verbs(before.get(part, {}), found, facts["date"])
    write_json(out, before | {part: facts | found})


def _with_other_verbs(before: Json, found: Json, date: str) -> Json:
    """Add the date of each verb's kills, and the verbs of before that were not killed this time."""
    verbs = {name: {"date": date} | each for name, each in found["verbs"].items()}
    kept = [line for line in before.get("found", ()) if line.split()[0] not in verbs]
    return {"verbs": before.get("verbs", {}) | verbs, "found": kept + found["found"]}


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
    yield f"There are {inputs} inputs. Each has an expected exit code and a name that the message"
    yield f"must show. They were used in {runs} runs. For `serve`, the files are uploads for its"
    yield "decoders. `beside` is what a verb gets besides its data: hot words, language models,"
    yield "texts of long recordings, replayed clips, noise.\n"
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
    yield "\nDate, duration and versions:\n"
    yield from (f"- {kind}: {_where(each)}" for kind, each in by_kind.items())
    yield from _found({"found": [line for each in by_kind.values() for line in each["found"]]})


def _counted(counts: dict[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in counts.items())


def _media(found: Json) -> Iterator[str]:
    refused = sum(found["refused"].values())
    yield f"## Mutated media\n\n{_where(found)}\n"
    yield f"{found['mutants']:,} files were changed at random (seed {found['seed']}) from"
    yield "recordings of 1 s. The changes are: bits flipped, bytes overwritten, removed, repeated,"
    yield "cut, spliced, and sizes replaced. Each file has one to three of these. There were"
    yield f"**{found['crashes']} crashes or hangs** and **{sum(found['faults'].values())} other"
    yield f"errors**. {refused:,} files were refused with a code and"
    grown_bytes = found["peak_bytes"] - found["idle_bytes"]
    yield f"{found['taken']:,} were accepted. Memory rose by at most {grown_bytes / MB:.0f} MB, and"
    yield f"a file took at most {found['longest_s']:.2f} s of processor time.\n"
    yield "These files were accepted although they are shorter than the whole recording:\n"
    yield from _table(list(found["shorter"]), [[f"{each}" for each in found["shorter"].values()]])
    yield from _found(found)


def _checkpoints(found: Json) -> Iterator[str]:
    damages = found["damages"]
    yield f"## Damaged checkpoints\n\n{_where(found)}\n"
    yield "Each file of the newest checkpoint was removed, emptied to 0 bytes, cut in half, or"
    yield f"changed in one bit, with {found['strategies']} strategies. {found['found_damages']} of"
    yield f"{damages} damages were found. {found['same_weights']} of {damages} runs went on from"
    yield "the checkpoint before and ended with the same weights, bit for bit."
    yield from _found(found)


def _kills(found: Json) -> Iterator[str]:
    yield f"## SIGKILL\n\n{_where(found)}\n"
    yield "A command is killed at a random instant, and the same command is given again. At the"
    yield "end there must be all files and values on which two undisturbed runs agree. There must"
    yield "be no other file and no process left. For `train`, `tests/training/test_kill.py` makes"
    yield "a hundred kills over five strategies, 70 of them inside a save; the bits are the"
    yield "same.\n"
    names = ("not going on", "other results", "process left")
    rows = [
        [verb, each["date"], f"{each['kills']}", *(f"{each.get(name, 0)}" for name in names)]
        for verb, each in found["verbs"].items()
    ]
    yield from _table(["verb", "date", "kills", *names], rows)
    yield from _found(found)


def _disk(found: Json) -> Iterator[str]:
    yield f"## Full disks\n\n{_where(found)}\n"
    if "left_out" in found:
        yield f"Left out: {found['left_out']}."
        return
    yield "A command writes to disks that are too small, to one that is read-only, and with a full"
    yield "TMPDIR. It must give one message that names the disk, and exit code 1. Then the disk"
    yield "grows. The same command must go on to the results of an undisturbed run.\n"
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
    yield "## Known faults\n"
    yield "Here you can find the test of each known fault, below `tests/`, or why there is none.\n"
    rows = [[f"{each.number}", each.fault, _tested(each)] for each in faults]
    yield from _table(["", "fault", "test"], rows)


def _tested(fault: Fault) -> str:
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
    """Yield one line for each fault that was found."""
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
