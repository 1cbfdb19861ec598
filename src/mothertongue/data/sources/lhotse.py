"""Read Lhotse's manifests: recordings with supervisions, or cuts, as .jsonl or .jsonl.gz."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ValidationError

from mothertongue.data.folders import shown
from mothertongue.data.sources.base import (
    ROOT_OPTIONS,
    Rejection,
    Row,
    Source,
    for_review,
    reject,
    to_row,
)
from mothertongue.data.sources.columns import splits_in_names
from mothertongue.data.sources.readers import first_object, read_jsonl, unread_remarks
from mothertongue.errors import Fault

SUFFIXES = (".jsonl", ".jsonl.gz")
WHOLE_S = 0.01  # a supervision that leaves out no more of its recording counts as all of it
M = TypeVar("M", bound=BaseModel)
Channel = int | list[int]


class _File(BaseModel):
    type: str
    channels: list[int]
    source: str


class _Recording(BaseModel):
    id: str
    sources: list[_File]
    duration: float
    transforms: list[Any] | None = None


class _Supervision(BaseModel):
    id: str
    recording_id: str
    start: float
    duration: float
    channel: Channel = 0
    text: str | None = None
    language: str | None = None
    speaker: str | None = None


class _Cut(BaseModel):
    """A MonoCut. The times of its supervisions are relative to its own start."""

    id: str
    start: float
    duration: float
    channel: Channel = 0
    recording: _Recording | None = None
    supervisions: list[_Supervision] = []


Recordings = dict[str, tuple[str, _Recording]]


class LhotseSource(Source):
    """A file of cuts, or a folder of manifests, whose names give the split.

    If a folder has recordings with supervisions and also cuts, the cuts are not read: they contain
    the same. All recordings are held in memory.
    """

    examples = (
        {
            "x_recordings_train.jsonl": '{"id": "r1", "sources": [{"type": "file", "channels": '
            '[0], "source": "a.wav"}], "sampling_rate": 16000, "num_samples": 16000, '
            '"duration": 1.0}\n',
            "x_supervisions_train.jsonl": '{"id": "s1", "recording_id": "r1", "start": 0.5, '
            '"duration": 0.5, "channel": 0, "text": "hi", "speaker": "p"}\n',
            "a.wav": "",
        },
        {
            "cuts_test.jsonl": '{"id": "c1", "start": 0.25, "duration": 0.5, "channel": 0, '
            '"type": "MonoCut", "supervisions": [{"id": "s1", "recording_id": "r1", "start": 0.0, '
            '"duration": 0.5, "channel": 0, "text": "hi"}], "recording": {"id": "r1", "sources": '
            '[{"type": "file", "channels": [0], "source": "a.wav"}], "sampling_rate": 16000, '
            '"num_samples": 16000, "duration": 1.0}}\n',
            "a.wav": "",
        },
    )
    options = ROOT_OPTIONS
    precedence = 35

    kind: Literal["lhotse"] = "lhotse"
    path: Path
    """The folder, or a file of cuts."""

    @classmethod
    def recognizes(cls, path: Path) -> bool:
        """Recognize a manifest by the keys on its first lines."""
        return bool(_manifests(path, _is_cut) or _manifests(path, _is_supervision))

    def rows(self) -> Iterator[Row | Rejection]:
        supervisions = _manifests(self.path, _is_supervision)
        manifests = supervisions or _manifests(self.path, _is_cut)
        self._remarks[:] = unread_remarks(_files(self.path))
        splits = splits_in_names([manifest.name for manifest in manifests])
        recordings: Recordings = {}
        for manifest in _manifests(self.path, _is_recording) if supervisions else ():
            yield from _read_recordings(manifest, recordings)
        untranscribed = dict(recordings)
        for manifest in manifests:
            found = (
                _joined(manifest, recordings, untranscribed) if supervisions else _cuts(manifest)
            )
            for row in found:
                if isinstance(row, Row) and row.aside is None:
                    row = replace(row, split=splits[manifest.name])
                yield row
        for where, recording in untranscribed.values():
            yield for_review(_row(where, recording, _whole(recording)))


def _joined(
    manifest: Path, recordings: Recordings, untranscribed: Recordings
) -> Iterator[Row | Rejection]:
    """Yield the rows of a file of supervisions; remove their recordings from `untranscribed`."""
    for where, record, found in _parsed(manifest, _Supervision):
        if isinstance(found, Fault):
            yield reject(where, record, found)
            continue
        untranscribed.pop(found.recording_id, None)
        _, recording = recordings.get(found.recording_id, ("", None))
        yield _row(where, recording, found)


def _cuts(manifest: Path) -> Iterator[Row | Rejection]:
    for where, record, cut in _parsed(manifest, _Cut):
        if isinstance(cut, Fault):
            yield reject(where, {"id": record.get("id")}, cut)
            continue
        for each in cut.supervisions:
            moved = each.model_copy(update={"start": cut.start + each.start})
            yield _row(where, cut.recording, moved)
        if not cut.supervisions:
            times = {"start": cut.start, "duration": cut.duration, "channel": cut.channel}
            spoken = _Supervision(id=cut.id, recording_id="", **times)
            yield for_review(_row(where, cut.recording, spoken))


def _row(where: str, recording: _Recording | None, spoken: _Supervision) -> Row | Rejection:
    """Return the row of a supervision whose start is relative to its recording."""
    fields = spoken.model_dump(include={"id", "text", "language", "speaker"})
    try:
        found = _required(recording, spoken)
        audio = _file(found, spoken.channel)
    except Fault as fault:
        return reject(where, fields, fault)
    is_whole = spoken.start == 0 and spoken.duration > found.duration - WHOLE_S
    start_s = None if is_whole else round(spoken.start, 6)
    times = {"start_s": start_s, "duration_s": spoken.duration}
    return to_row(where, {**fields, **times, "audio": audio})


def _whole(recording: _Recording) -> _Supervision:
    channels = recording.sources[0].channels if recording.sources else 0
    times = {"start": 0, "duration": recording.duration, "channel": channels}
    return _Supervision(id=recording.id, recording_id=recording.id, **times)


def _manifests(path: Path, is_wanted: Callable[[dict[str, Any]], bool]) -> list[Path]:
    return [file for file in _files(path) if is_wanted(first_object(file))]


def _files(path: Path) -> list[Path]:
    files = shown(path) if path.is_dir() else [path]
    return [file for file in files if file.name.endswith(SUFFIXES) and file.is_file()]


def _is_recording(record: dict[str, Any]) -> bool:
    return {"id", "sources", "sampling_rate"} <= record.keys()


def _is_supervision(record: dict[str, Any]) -> bool:
    return {"id", "recording_id", "start", "duration"} <= record.keys()


def _is_cut(record: dict[str, Any]) -> bool:
    return str(record.get("type")).endswith("Cut")


def _parsed(path: Path, cls: type[M]) -> Iterator[tuple[str, dict[str, Any], M | Fault]]:
    """Yield (file:line, record, parsed content) of each line, or the Fault of an unreadable one."""
    for item in read_jsonl(path):
        if isinstance(item, Rejection):
            yield item.where, item.row, Fault(item.code, item.reason, item.fix)
            continue
        where, record = item
        kind = record.get("type", "MonoCut")
        if kind != "MonoCut":
            reason = f"a {str(kind)[:40]}; expected a MonoCut, a part of one recording"
            fix = "save the cuts as they were before they were mixed or padded"
            yield where, record, Fault("MAN-CUT", reason, fix)
            continue
        try:
            yield where, record, cls.model_validate(record)
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(map(str, first["loc"]))
            reason = f"{place}: {first['msg']}; got {str(first['input'])[:40]!r}"
            yield where, record, Fault("MAN-TYPE", reason, "write the manifest again with lhotse")


def _read_recordings(manifest: Path, recordings: Recordings) -> Iterator[Rejection]:
    """Add the recordings of a file, and yield its faults."""
    for where, record, found in _parsed(manifest, _Recording):
        if isinstance(found, Fault):
            yield reject(where, record, found)
            continue
        place, other = recordings.setdefault(found.id, (where, found))
        if other != found:
            reason = f"recording {found.id} is another one at {place}"
            fix = "give every recording an id of its own"
            yield reject(where, {"id": found.id}, Fault("MAN-DUP", reason, fix))


def _required(recording: _Recording | None, spoken: _Supervision) -> _Recording:
    """Return the recording. Raises Fault if there is none, or if its samples are computed."""
    if recording is None:
        reason = f"no recording {spoken.recording_id}"
        raise Fault("MAN-RECORDING", reason, "keep the manifest of recordings beside it")
    if recording.transforms:
        reason = f"{recording.id}: its samples are computed, by {str(recording.transforms)[:60]}"
        raise Fault("MAN-RECORDING", reason, "save the recordings to files")
    return recording


def _file(recording: _Recording, channel: Channel) -> str:
    """Return the file that has this channel and no other. Raises Fault if there is none."""
    wanted = {channel} if isinstance(channel, int) else set(channel)
    found = next((each for each in recording.sources if wanted <= set(each.channels)), None)
    if found is None or found.type != "file":
        kinds = ", ".join(sorted({each.type for each in recording.sources})) or "none"
        reason = f"{recording.id}: channel {channel} has a source of type {kinds}; expected file"
        raise Fault("MAN-RECORDING", reason, "save the audio to files: cuts.save_audios(folder)")
    if wanted != set(found.channels):
        reason = f"{recording.id}: channel {channel} of a file with channels {found.channels}"
        raise Fault("MAN-CHANNEL", reason, "save each channel to a file of its own")
    return found.source
