"""A disk that is full, at thirty sizes between nothing and enough; and one that is read-only.

Each verb writes to a small disk of its own (a tmpfs in a mount namespace of the fork). It has to
say in one message that the disk is full, and what is there already has to stay whole; then the disk
grows, and the same command goes on to the results of an undisturbed run.
"""

import ctypes
import errno
import json
import os
import re
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from faults.counts import Counts
from faults.forked import Outcome, forked
from faults.home import PATIENCE_S, Home, must
from faults.jobs import JOBS, TrainingInputs, facts, same
from mothertongue.system.console import console

VERBS = ("transcribe", "prepare", "evaluate", "train", "export", "report")
PAGE_BYTES = 4096
LARGE_BYTES = 256 << 20
NEW_USER, NEW_MOUNTS = 0x10000000, 0x00020000
READ_ONLY, REMOUNT = 1, 32


@dataclass(frozen=True, slots=True)
class Full:
    """A verb on a disk of some size: what went wrong, if anything did."""

    verb: str
    case: str
    filled: bool  # whether the disk was too small at all
    says_bytes: bool
    fault: str | None
    detail: str


def run(home: Home, counts: Counts) -> dict[str, Any]:
    """For each verb: disks that were full, messages that say how many bytes, and faults."""
    if not _may_mount(home):
        return {"verbs": {}, "left_out": "this process may not mount a disk", "found": []}
    found = {}
    for name in VERBS[: counts.verbs]:
        cases = [_told(each) for each in _cases(name, JOBS[name], counts.sizes, home)]
        found[name] = cases
    return {
        "verbs": {name: _counts(cases) for name, cases in found.items()},
        "found": [_line(each) for cases in found.values() for each in cases if each.fault],
    }


def _counts(cases: list[Full]) -> dict[str, int]:
    filled = [each for each in cases if each.filled]
    faults = Counter(each.fault for each in cases if each.fault)
    return {
        "cases": len(cases),
        "full": len(filled),
        "says_bytes": sum(each.says_bytes for each in filled),
    } | faults


def _cases(name: str, job: TrainingInputs, sizes: int, home: Home) -> Iterator[Full]:
    before, after, expected = _undisturbed(job, home)
    pages = {(before + (after - before) * i // sizes) // PAGE_BYTES + 1 for i in range(sizes)}
    for size in sorted(each * PAGE_BYTES for each in pages):
        yield _case(
            name,
            f"{size:,} bytes",
            home,
            lambda disk, size=size: _on_disk(name, disk, home, size, expected),
        )
    yield _case(name, "read-only", home, lambda disk: _read_only(name, disk, home))
    yield _case(name, "TMPDIR full", home, lambda disk: _no_room_for_temporaries(name, disk, home))


def _case(name: str, case: str, home: Home, work: Callable[[Path], dict[str, Any]]) -> Full:
    """One fork with a mount namespace of its own; it writes what it found as JSON."""
    reply = home.folder / "disk.json"
    reply.unlink(missing_ok=True)

    def inside() -> int:
        _own_mounts()
        reply.write_text(json.dumps(work(_disk(home))), "utf-8")
        return 0

    must(forked(inside, home.folder, PATIENCE_S))
    return Full(name, case, **json.loads(reply.read_text("utf-8")))


def _on_disk(
    name: str, disk: Path, home: Home, size: int, expected: tuple[dict[str, str], dict[str, str]]
) -> dict[str, Any]:
    job = JOBS[name]
    _mount(disk, LARGE_BYTES)
    job.lay(home, disk)
    _mount(disk, max(size, _used(disk) + PAGE_BYTES), REMOUNT)
    first = forked(job.work(home, disk), _quiet(home), PATIENCE_S)
    if first.code == 0:
        return _nothing(filled=False)
    if fault := _judge(first, disk):
        return fault
    _mount(disk, LARGE_BYTES, REMOUNT)
    again = forked(job.work(home, disk), _quiet(home), PATIENCE_S)
    if again.code != 0:
        return _fault("not going on", again)
    if others := same(expected, facts(disk)):
        return _fault("other results", again) | {"detail": ", ".join(others[:5])}
    return _nothing(filled=True) | {"says_bytes": _says_bytes(first)}


def _read_only(name: str, disk: Path, home: Home) -> dict[str, Any]:
    job = JOBS[name]
    _mount(disk, LARGE_BYTES)
    job.lay(home, disk)
    _mount(disk, LARGE_BYTES, REMOUNT | READ_ONLY)
    outcome = forked(job.work(home, disk), _quiet(home), PATIENCE_S)
    return _judge(outcome, disk) or _nothing(filled=False)


def _no_room_for_temporaries(name: str, disk: Path, home: Home) -> dict[str, Any]:
    """A verb without temporary files goes on; one that needs them says so."""
    job, folder = JOBS[name], home.folder / "roomy"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    job.lay(home, folder)
    _mount(disk, 4 * PAGE_BYTES)
    with (disk / "full").open("wb", buffering=0) as file:
        _fill(file)

    def work() -> int:
        os.environ["TMPDIR"] = tempfile.tempdir = str(disk)
        return job.work(home, folder)()

    outcome = forked(work, _quiet(home), PATIENCE_S)
    if outcome.code == 0:
        return _nothing(filled=False)
    return _judge(outcome, disk) or _nothing(filled=False)


def _judge(outcome: Outcome, disk: Path) -> dict[str, Any] | None:
    if outcome.crashed or outcome.hung:
        return _fault("crash", outcome)
    if outcome.has_traceback:
        return _fault("traceback", outcome)
    if outcome.code != 1:
        return _fault("other exit code", outcome)
    if len(re.findall(r"(?m)^error: ", outcome.err)) != 1:
        return _fault("not one message", outcome)
    if str(disk) not in outcome.err:
        return _fault("disk not named", outcome)
    return None


def _fault(fault: str, outcome: Outcome) -> dict[str, Any]:
    said = outcome.err.strip().splitlines()[-1:] or [""]
    detail = f"exit {outcome.code}: {said[0]}"
    return {"filled": True, "says_bytes": _says_bytes(outcome), "fault": fault, "detail": detail}


def _nothing(filled: bool) -> dict[str, Any]:
    return {"filled": filled, "says_bytes": False, "fault": None, "detail": ""}


def _says_bytes(outcome: Outcome) -> bool:
    return " bytes" in outcome.err


def _undisturbed(
    job: TrainingInputs, home: Home
) -> tuple[int, int, tuple[dict[str, str], dict[str, str]]]:
    """Bytes before and after, and the results of two runs."""
    reply = home.folder / "disk.json"

    def inside() -> int:
        _own_mounts()
        disk, found = _disk(home), []
        for _ in range(2):
            _mount(disk, LARGE_BYTES)
            job.lay(home, disk)
            before = _used(disk)
            must(forked(job.work(home, disk), _quiet(home), PATIENCE_S))
            found.append((before, _used(disk), facts(disk)))
            _unmount(disk)
        reply.write_text(json.dumps(found), "utf-8")
        return 0

    must(forked(inside, home.folder, PATIENCE_S))
    (before, after, first), (_, _, second) = json.loads(reply.read_text("utf-8"))
    return before, after, (first, second)


def _may_mount(home: Home) -> bool:
    def inside() -> int:
        _own_mounts()
        _mount(_disk(home), LARGE_BYTES)
        return 0

    return forked(inside, home.folder, PATIENCE_S).code == 0


def _own_mounts() -> None:
    """Give this process mounts that no other sees, as root of its own user namespace if need be."""
    user, group = os.getuid(), os.getgid()
    _call("unshare", NEW_MOUNTS if user == 0 else NEW_MOUNTS | NEW_USER)
    if user != 0:
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"0 {user} 1")
        Path("/proc/self/gid_map").write_text(f"0 {group} 1")
    private = 1 << 18 | 1 << 14  # MS_PRIVATE | MS_REC
    _call("mount", b"none", b"/", None, private, None)


def _mount(disk: Path, size: int, flags: int = 0) -> None:
    _call("mount", b"faults", os.fsencode(disk), b"tmpfs", flags, f"size={size}".encode())


def _unmount(disk: Path) -> None:
    _call("umount", os.fsencode(disk))


def _call(name: str, *arguments: Any) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if getattr(libc, name)(*arguments) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), name)


def _disk(home: Home) -> Path:
    disk = home.folder / "disk"
    disk.mkdir(exist_ok=True)
    return disk


def _quiet(home: Home) -> Path:
    """A folder for the output of forks, which has room."""
    folder = home.folder / "said"
    folder.mkdir(exist_ok=True)
    return folder


def _used(disk: Path) -> int:
    facts = os.statvfs(disk)
    return (facts.f_blocks - facts.f_bfree) * facts.f_frsize


def _fill(file: Any) -> None:
    try:
        while True:
            file.write(bytes(PAGE_BYTES))
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise


def _told(full: Full) -> Full:
    if full.fault:
        console.print(f"  {_line(full)}", markup=False, highlight=False, soft_wrap=True)
    return full


def _line(full: Full) -> str:
    return f"{full.verb}, {full.case}: {full.fault}: {full.detail[:300]}"
