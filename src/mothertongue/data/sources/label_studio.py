"""Read Label Studio's JSON export: tasks, annotated with regions of a sound and transcripts."""

import json
import math
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal
from urllib.parse import unquote

from pydantic import BaseModel, ValidationError

from mothertongue.data.scripts import joined_texts
from mothertongue.data.sources.base import Rejection, Row, for_review, reject, to_row
from mothertongue.data.sources.columns import COLUMN_NAMES, ColumnSource, known_columns
from mothertongue.errors import Fault

HEAD_BYTES = 1 << 16
EXPORT = re.compile(rb'\s*\[\s*\{.*"annotations"\s*:', re.DOTALL)
MINIMAL = re.compile(rb'\s*\[\s*\{.*"annotation_id"\s*:', re.DOTALL)
MAX_SHOWN = 200
MAX_BYTES = 256 << 20  # JSON takes about ten times its size in memory
SERVED = re.compile(r"(?:https?://[^/]+)?/data/(?:local-files/\?d=|(?=upload/))")
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
    """A JSON export, or a folder with exports and the sounds.

    One annotation of a task is read: the one marked as ground truth, otherwise the first. Files
    that Label Studio served are searched in the folder, by the end of their path. Tasks and regions
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
    )
    precedence = 45

    kind: Literal["label_studio"] = "label_studio"

    @classmethod
    def recognizes(cls, path: Path) -> bool:
        """Recognize an export by a list of objects with annotations.

        Raises Fault for JSON-MIN, which does not say which transcript is of which region.
        """
        if path.suffix == ".json" and _begins(path, MINIMAL) and not _begins(path, EXPORT):
            reason = f"{path}: Label Studio's JSON-MIN; expected its JSON export"
            raise Fault("MAN-FORMAT", reason, "export the project again, as JSON")
        return bool(_exports(path))

    def rows(self) -> Iterator[Row | Rejection]:
        for export in _exports(self.path):
            for number, raw in enumerate(_tasks(export), start=1):
                where = f"{export}:task {number}"
                try:
                    yield from self._task(where, _parsed(raw))
                except Fault as fault:
                    yield reject(where, {"task": str(raw)[:MAX_SHOWN]}, fault)

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
        for name, region in regions.items():
            try:
                times = _times(region)
            except Fault as fault:
                yield reject(where, fields | region, fault)
                continue
            text = region.get("transcript")
            part = {"id": f"{task.id}-{name}" if times else None, "text": text}
            row = to_row(where, fields | part | times)
            yield row if text else for_review(row)

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
    return [file for file in files if file.suffix == ".json" and _begins(file, EXPORT)]


def _begins(file: Path, pattern: re.Pattern[bytes]) -> bool:
    if not file.is_file():
        return False
    with file.open("rb") as content:
        return pattern.match(content.read(HEAD_BYTES)) is not None


def _tasks(export: Path) -> list[Any]:
    """Return the tasks of an export, unchecked. Raises Fault if it is not complete JSON."""
    size = export.stat().st_size
    if size > MAX_BYTES:
        reason = f"{export}: {size:,} bytes; expected at most {MAX_BYTES:,}"
        raise Fault("MAN-LINE", reason, "export fewer tasks to a file")
    try:
        return list(json.loads(export.read_bytes()))
    except UnicodeDecodeError as error:
        raise Fault("MAN-ENCODING", f"{export}: {error}", "save it as UTF-8") from None
    except (ValueError, RecursionError) as error:
        reason = f"{export}: not a whole JSON list ({error})"
        raise Fault("MAN-JSON", reason, "export the project again, as JSON") from None


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
    """Return the path in the folder of a file that Label Studio served from uploads or disk."""
    match = SERVED.match(audio)
    if match is None:
        return audio
    parts = unquote(audio[match.end() :]).replace("\\", "/").lstrip("/").split("/")
    ends = ["/".join(parts[number:]) for number in range(len(parts))]
    ends.append(UPLOAD_PREFIX.sub("", parts[-1]))
    return next((end for end in ends if end and os.path.isfile(root / end)), ends[0])
