"""Read and write manifests: JSON, UTF-8, one utterance a line, all times in seconds."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Literal, get_args

from mothertongue.data.audio_paths import clip_path
from mothertongue.data.pseudo_labels import pseudo_label_faults
from mothertongue.errors import DataError, Fault
from mothertongue.system.cache import cache_folder, state_folder
from mothertongue.system.files import sha256_file, sha256_files, write_json_lines

ROOT = Path()  # read_data makes every audio path absolute

Split = Literal["train", "validation", "test"]
SPLITS: tuple[Split, ...] = get_args(Split)
MANIFEST_NAME = "manifest.jsonl"
PREPARE = "mothertongue prepare SOURCE --language CODE --out FOLDER"
# What a stated duration may differ by: it may be rounded, and an encoder may have padded the sound.
DURATION_TOLERANCE_S, DURATION_TOLERANCE_RATIO = 0.1, 0.02


@dataclass(frozen=True, slots=True)
class Utterance:
    """One transcribed clip. `audio` is a path relative to the manifest's folder, or absolute."""

    id: str
    audio: str
    text: str
    language: str
    duration_s: float
    start_s: float | None = None
    """The clip's start in its file, in seconds; unset, the clip is the whole file."""
    split: Split = "train"
    speaker: str | None = None
    license: str | None = None
    average_log_probability: float | None = None
    """Set where a model wrote the text (a pseudo-label): its mean log-probability of a token, in
    nats. Such an utterance is in train, and nothing is scored on it."""

    @property
    def is_pseudo_labelled(self) -> bool:
        """Return whether a model wrote the text, and no person confirmed it."""
        return self.average_log_probability is not None


def duration_tolerance_s(duration_s: float) -> float:
    """Return how many seconds a file may be shorter or longer than its stated duration."""
    return max(DURATION_TOLERANCE_S, DURATION_TOLERANCE_RATIO * duration_s)


def read_manifest(path: Path) -> Iterator[Utterance]:
    """Yield the utterances of a manifest file, or of the `manifest.jsonl` in a folder.

    Raises DataError with file:line where a line is no utterance.
    """
    path = manifest_path(path)
    number = 0
    try:
        with path.open(encoding="utf-8-sig") as lines:
            for number, line in enumerate(lines, start=1):
                if line.strip():
                    yield _utterance(line, f"{path}:{number}")
    except UnicodeDecodeError as error:
        raise DataError(
            f"{path}: not UTF-8 somewhere after line {number} ({error.reason}); save it as UTF-8, "
            f"or make it again with: {PREPARE}"
        ) from None


def read_data(paths: Sequence[Path]) -> list[Utterance]:
    """Return the utterances of one or several manifests, or of their folders, as one corpus.

    Audio is absolute, so it does not matter where a manifest lies. An id that several manifests
    have is preceded by the name of its manifest's folder: `twi/0001`. Raises DataError where a line
    is no utterance, an id is still there twice, or a manifest that is not ours (see `is_ours`)
    names audio outside its folder.
    """
    folders = [manifest_path(path).parent.resolve() for path in paths]
    corpora = [list(read_manifest(path)) for path in paths]
    for path, corpus in zip(paths, corpora, strict=True):
        _refuse_outside(manifest_path(path), corpus)
    owners = Counter(name for corpus in corpora for name in {each.id for each in corpus})
    utterances = [
        replace(
            each,
            id=f"{folder.name}/{each.id}" if owners[each.id] > 1 else each.id,
            audio=str(folder / each.audio),
        )
        for folder, corpus in zip(folders, corpora, strict=True)
        for each in corpus
    ]
    _refuse_twice(paths, utterances)
    return utterances


def data_digest(paths: Sequence[Path]) -> str:
    """Return the SHA-256 of a manifest's bytes; for several, that of their digests in order.

    The paths of the manifests do not count.
    """
    return sha256_files(map(manifest_path, paths))


def write_manifest(path: Path, utterances: Iterable[Utterance]) -> None:
    """Write utterances to `path`, whole or not at all; unset fields are left out.

    The manifest is ours from then on (see `is_ours`).
    """
    rows = (asdict(each).items() for each in utterances)
    write_json_lines(path, ({key: x for key, x in row if x is not None} for row in rows))
    for mark in _marks(path):
        with suppress(OSError):  # without any, audio outside the folder has to be allowed again
            mark.parent.mkdir(parents=True, exist_ok=True)
            mark.touch()


def is_ours(path: Path) -> bool:
    """Return whether this user's mothertongue wrote a manifest, given its file or its folder.

    It may then name audio anywhere: the rows were checked, or their paths allowed, when it was
    written. A stranger can imitate a manifest and its card, but leaves no mark in our folders.
    """
    return any(mark.is_file() for mark in _marks(manifest_path(path)))


def is_manifest(path: Path) -> bool:
    """Return whether a path is a manifest by its name, or a folder that has one."""
    return (path / MANIFEST_NAME).is_file() if path.is_dir() else path.suffix == ".jsonl"


def manifest_path(path: Path) -> Path:
    """Return the manifest's file, given the file or its folder. Raises DataError without one."""
    found = path / MANIFEST_NAME if path.is_dir() else path
    if not found.is_file():
        raise DataError(f"{found}: no such manifest; make one with: {PREPARE}")
    if not is_manifest(found):
        raise DataError(
            f"{found}: not a manifest, whose name ends in .jsonl; make one with: "
            f"{PREPARE.replace('SOURCE', str(found))}"
        )
    return found


def _marks(manifest: Path) -> list[Path]:
    """Return the files that mark a manifest of these bytes as ours; one of them is enough.

    One is the user's, whatever the cache is then; one is in the cache that a cluster's nodes share.
    """
    name, marks = sha256_file(manifest), []
    for folder in (state_folder, cache_folder):
        with suppress(RuntimeError):  # a user without a home
            marks.append(folder() / "manifests" / name)
    return marks


def _refuse_outside(manifest: Path, utterances: Sequence[Utterance]) -> None:
    if is_ours(manifest):
        return
    home = manifest.parent.resolve()
    for each in utterances:
        try:
            clip_path(home, each.audio, may_leave=False)
        except Fault as fault:
            raise DataError(
                f"{manifest}: clip {each.id}: {fault.reason}; a manifest that mothertongue did not "
                "write for you names audio in its own folder only; copy the audio there, or, if "
                f"you trust every path in it: mothertongue prepare {manifest} --language "
                f"{each.language} --out FOLDER --allow-outside"
            ) from None


def _refuse_twice(paths: Sequence[Path], utterances: Sequence[Utterance]) -> None:
    counts = Counter(each.id for each in utterances)
    twice = [f"  {name}: {count} times" for name, count in counts.items() if count > 1]
    if twice:
        raise DataError(
            f"{', '.join(map(str, paths))}: {len(twice)} ids are not unique; expected every clip "
            "once: give each manifest once, in folders with different names, and give the clips "
            "of a manifest different ids:\n" + "\n".join(twice[:20])
        )


def _utterance(line: str, where: str) -> Utterance:
    try:
        record = json.loads(line)
        utterance = Utterance(**record)
    except (ValueError, TypeError, RecursionError) as error:
        raise DataError(f"{where}: not an utterance ({error}); run: mothertongue check") from None
    faults = _type_faults(utterance)
    if faults:
        raise DataError(f"{where}: {'; '.join(faults)}; run: mothertongue check")
    return utterance


def _type_faults(utterance: Utterance) -> list[str]:
    faults = [
        f"{name} is {getattr(utterance, name)!r}, expected text"
        for name in ("id", "audio", "text", "language")
        if not isinstance(getattr(utterance, name), str)
    ]
    times = {"duration_s": utterance.duration_s}
    if utterance.start_s is not None:
        times["start_s"] = utterance.start_s
    faults += [
        f"{name} is {value!r}, expected seconds >= 0"
        for name, value in times.items()
        if not _is_seconds(value)
    ]
    if utterance.split not in SPLITS:
        faults.append(f"split is {utterance.split!r}, expected one of {', '.join(SPLITS)}")
    value = utterance.average_log_probability
    return faults + ([] if value is None else pseudo_label_faults(value, utterance.split))


def _is_seconds(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 1e9
