"""Read Label Studio's exports: tasks, annotated with regions of a sound and transcripts."""

import math
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal
from urllib.parse import unquote

from pydantic import BaseModel, ValidationError

from mothertongue.data.scripts import joined_texts
from mothertongue.data.sources.base import Rejection, Row, for_review, reject, to_row
from mothertongue.data.sources.columns import (
    COLUMN_NAMES,
    ColumnSource,
    find_columns,
    known_columns,
)
from mothertongue.data.sources.json_list import head_of, read_json
from mothertongue.errors import Fault

EXPORT = re.compile(rb'\[\s*\{.*"annotation(s|_id)"\s*:', re.DOTALL)
PAIRED = (
    "JSON-MIN does not say which text is of which region: they are paired in their order; to be "
    "sure, export the project as JSON"
)
MAX_SHOWN = 200
MAX_BYTES = 256 << 20  # JSON takes about ten times its size in memory
SERVED = re.compile(
    r"(?:https?://[^/]+)?/data/(?:local-files/\?d=|(?=upload/))|(?P<cloud>(?:s3|gs|azure-blob)://[^/]+)"
)
UPLOAD_PREFIX = re.compile(r"^[0-9a-f]{8}-")
FACTS = ("language", "speaker", "split", "license")


class _Result(BaseModel):
    id: str = ""
    type: str = ""
    from_name: str = ""
    value: dict[str, Any] = {}


class _Annotation(BaseModel):
    result: list[_Result] = []
    was_cancelled: bool = False
    ground_truth: bool = False


class _Task(BaseModel):
    id: int | str = ""
    data: dict[str, Any]
    annotations: list[_Annotation] = []


class LabelStudioSource(ColumnSource):
    """A JSON or JSON-MIN export, or a folder with exports and the sounds.

    JSON-MIN is flat: it has the keys of the data and of the results beside each other. One
    annotation of a task is read: the one marked as ground truth, otherwise the first. Files that
    Label Studio served are searched in the folder, by the end of their path. Tasks and regions
    without a transcript are for review. `text_column` names the TextArea with the transcripts.
    """

    examples = (
        {
            "project.json": '[{"id": 1, "annotations": [{"result": [{"id": "x", "from_name": '
            '"labels", "type": "labels", "value": {"start": 0.1, "end": 0.6, "labels": ["Speech"]}}'
            ', {"id": "x", "from_name": "transcription", "type": "textarea", "value": {"start": '
            '0.1, "end": 0.6, "text": ["hi"]}}]}], "data": {"audio": '
            '"/data/local-files/?d=my%20sounds/a.wav"}}]',
            "my sounds/a.wav": "",
        },
        {
            "min.json": '[{"audio": "/data/upload/1/1a2b3c4d-a.wav", "id": 1, "label": [{"start": '
            '0.1, "end": 0.6, "labels": ["Speech"]}], "transcription": "hi", "annotator": 1, '
            '"annotation_id": 1}]',
            "a.wav": "",
        },
    )
    precedence = 45

    kind: Literal["label_studio"] = "label_studio"

    @classmethod
    def recognizes(cls, path: Path) -> bool:
        """Recognize an export by a list of objects with annotations."""
        return bool(_exports(path))

    def rows(self) -> Iterator[Row | Rejection]:
        self._remarks.clear()
        for export in _exports(self.path):
            tasks = _tasks(export)
            flat = [raw for raw in tasks if _is_flat(raw)]
            columns = self._columns(export, flat) if flat else {}
            seen: set[str] = set()
            for number, raw in enumerate(tasks, start=1):
                where = f"{export}:task {number}"
                try:
                    if not _is_flat(raw):
                        yield from self._task(where, _parsed(raw))
                    elif (name := str(raw.get("id", number))) in seen:
                        yield Row(where, aside="of another annotator")
                    else:
                        seen.add(name)
                        yield from self._flat(where, name, raw, columns["text"])
                except Fault as fault:
                    yield reject(where, {"task": str(raw)[:MAX_SHOWN]}, fault)

    def _columns(self, export: Path, flat: list[dict[str, Any]]) -> dict[str, str]:
        """Return the keys of flat tasks by their fields. A task without a result lacks its key."""
        keys = list(dict.fromkeys(key for raw in flat for key in raw))
        known = {"text": "transcription"} if "transcription" in keys else {}
        given = {name: key for name, key in self.chosen.items() if key is not None}
        return find_columns(keys, export, known | given)

    def _flat(
        self, where: str, name: str, raw: dict[str, Any], text_key: str
    ) -> Iterator[Row | Rejection]:
        given = raw.get(text_key)
        found = [_loose(text) for text in (given if isinstance(given, list) else [given])]
        loose = [text for text in found if text.strip()]
        facts = {key: value for key, value in raw.items() if not isinstance(value, list | dict)}
        fields = self._facts(facts)
        regions = _regions(raw)
        if regions and loose:
            silent = [region for region in regions if not region.get("transcript")]
            if len(silent) != len(loose):
                reason = (
                    f"{len(silent)} regions without text and {len(loose)} texts; expected as many, "
                    "as JSON-MIN does not say which text is of which region"
                )
                raise Fault("MAN-SEGMENT", reason, "export the project again, as JSON")
            if len(silent) > 1 and PAIRED not in self._remarks:
                self._remarks.append(PAIRED)
            for region, text in zip(silent, loose, strict=True):
                region["transcript"] = text
        if regions:
            named = {str(number): region for number, region in enumerate(regions, start=1)}
            yield from _region_rows(where, name, fields, named)
        else:
            row = to_row(where, fields | {"text": joined_texts(loose)})
            yield row if loose else for_review(row)

    def _task(self, where: str, task: _Task) -> Iterator[Row | Rejection]:
        fields = self._facts(task.data)
        done = [each for each in task.annotations if not each.was_cancelled]
        if not done:
            yield for_review(to_row(where, fields))
            return
        best = next((each for each in done if each.ground_truth), done[0])
        yield from self._annotation(where, task, fields, best)
        for _ in done[1:]:
            yield Row(where, aside="of another annotator")

    def _annotation(
        self, where: str, task: _Task, fields: dict[str, object], annotation: _Annotation
    ) -> Iterator[Row | Rejection]:
        area = self._text_area(annotation)
        regions: dict[str, dict[str, Any]] = {}
        for result in annotation.result:
            if {"start", "end"} <= result.value.keys() or _is_text(result, area):
                regions.setdefault(result.id, {}).update(result.value)
            if _is_text(result, area):
                regions[result.id]["transcript"] = _joined(result.value.get("text"))
        if not regions:
            yield for_review(to_row(where, fields))
        yield from _region_rows(where, str(task.id), fields, regions)

    def _facts(self, data: dict[str, Any]) -> dict[str, object]:
        columns = known_columns(tuple(data), {"audio": self.audio_column})
        if "audio" not in columns:
            expected = self.audio_column or " or ".join(COLUMN_NAMES["audio"])
            reason = f"data has {', '.join(map(repr, data)) or 'nothing'}; expected {expected}"
            raise Fault("MAN-COLUMN", reason, "name the key with --audio-column")
        facts = {name: data[columns[name]] for name in FACTS if name in columns}
        return facts | {"audio": _located(self.root, str(data[columns["audio"]] or ""))}

    def _text_area(self, annotation: _Annotation) -> str | None:
        found = [each.from_name for each in annotation.result if each.type == "textarea"]
        names = list(dict.fromkeys(found))
        if self.text_column is not None or len(names) < 2:
            return self.text_column or next(iter(names), None)
        known = next((name for name in COLUMN_NAMES["text"] if name in names), None)
        if known is None:
            reason = f"text areas {' and '.join(names)}; expected one, or one named transcription"
            raise Fault("MAN-COLUMN", reason, "name the one to take with --text-column")
        return known


def _exports(path: Path) -> list[Path]:
    files = sorted(path.glob("*.json")) if path.is_dir() else [path]
    return [file for file in files if file.suffix == ".json" and EXPORT.match(head_of(file))]


def _tasks(export: Path) -> list[Any]:
    """Return the tasks of an export, unchecked. Raises Fault if it is not complete JSON."""
    return list(read_json(export, MAX_BYTES))


def _is_flat(raw: Any) -> bool:
    return isinstance(raw, dict) and "annotation_id" in raw and "annotations" not in raw


def _regions(raw: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the regions in all lists of a flat task, each once, with its text if it has one."""
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for values in raw.values():
        for value in values if isinstance(values, list) else ():
            if _has_times(value):
                region = found.setdefault((str(value["start"]), str(value["end"])), {})
                region |= {"start": value["start"], "end": value["end"]}
                if text := _joined(value.get("text")):
                    region["transcript"] = text
    return list(found.values())


def _has_times(value: Any) -> bool:
    return isinstance(value, dict) and {"start", "end"} <= value.keys()


def _loose(text: Any) -> str:
    """Return what a flat task says without a time; of a text area with one text, only the text."""
    if _has_times(text):
        return ""
    return _joined(text.get("text") if isinstance(text, dict) else text)


def _region_rows(
    where: str, task: str, fields: dict[str, object], regions: Mapping[str, dict[str, Any]]
) -> Iterator[Row | Rejection]:
    """Yield a row for each region of a task, by the names of the regions."""
    for name, region in regions.items():
        try:
            times = _times(region)
        except Fault as fault:
            yield reject(where, fields | region, fault)
            continue
        text = region.get("transcript")
        part = {"id": f"{task}-{name}" if times else None, "text": text}
        row = to_row(where, fields | part | times)
        yield row if text else for_review(row)


def _parsed(raw: Any) -> _Task:
    try:
        return _Task.model_validate(raw)
    except ValidationError as error:
        first = error.errors()[0]
        reason = f"{'.'.join(map(str, first['loc'])) or 'task'}: {first['msg']}"
        raise Fault("MAN-TYPE", reason, "export the project again, as JSON") from None


def _is_text(result: _Result, area: str | None) -> bool:
    return result.type == "textarea" and result.from_name == area


def _joined(text: Any) -> str:
    return joined_texts(map(str, text)) if isinstance(text, list) else str(text or "")


def _times(region: dict[str, Any]) -> dict[str, float]:
    """Return start_s and duration_s; empty for a transcript of the whole sound. Raises Fault."""
    if "start" not in region or "end" not in region:
        return {}
    shown = f"from {str(region['start'])[:40]} to {str(region['end'])[:40]}"
    try:
        start_s, end_s = float(region["start"]), float(region["end"])
    except (TypeError, ValueError, OverflowError):
        start_s, end_s = math.nan, math.nan
    if not 0 <= start_s < end_s:
        reason = f"a region {shown}; expected 0 <= start < end, in seconds"
        raise Fault("MAN-SEGMENT", reason, "correct the region, or delete it")
    return {"start_s": start_s, "duration_s": round(end_s - start_s, 6)}


def _located(root: Path, audio: str) -> str:
    """Return the path in the folder of a file that Label Studio served from uploads, disk or cloud.

    A file of the cloud that is not in the folder keeps its address.
    """
    match = SERVED.match(audio)
    if match is None:
        return audio
    parts = unquote(audio[match.end() :]).replace("\\", "/").lstrip("/").split("/")
    ends = ["/".join(parts[number:]) for number in range(len(parts))]
    ends.append(UPLOAD_PREFIX.sub("", parts[-1]))
    missing = audio if match["cloud"] else ends[0]
    return next((end for end in ends if end and os.path.isfile(root / end)), missing)
