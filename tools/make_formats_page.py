"""Write docs/formats.md from the schemas of records; with --check, fail when it is out of date."""

import sys
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, fields, is_dataclass
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from pydantic import BaseModel

from mothertongue.analysis.records import Analysis
from mothertongue.comparison.clips import ClipSet
from mothertongue.comparison.dry_run_records import DryRun
from mothertongue.comparison.schema import Comparison, Cut
from mothertongue.comparison.selection import Selection
from mothertongue.data.card import Card
from mothertongue.data.clip_facts import ClipFacts
from mothertongue.data.decisions import Decision
from mothertongue.data.manifest import Utterance
from mothertongue.data.sources.base import Rejection
from mothertongue.diagnosis.records import DoctorRecord
from mothertongue.evaluation.records import LongScores, SplitScores
from mothertongue.experiment.checkpoints import Sums
from mothertongue.experiment.records import Identity, MetricsLine, RunRecord
from mothertongue.export.records import Verification
from mothertongue.inference.records import RecordingRecord, TranscribeResult
from mothertongue.training.records import Plan, WrittenProposal
from mothertongue.training.state import State

PAGE = Path(__file__).parents[1] / "docs" / "formats.md"
HEAD = """\
# Files

`make docs` writes this page from the dataclasses that files are read and written with. Each file
is UTF-8. Times are in seconds, sizes in bytes, error rates are ratios (0.14 is 14 %).

`format_version` is 1; files of earlier versions have none. A file of a higher version is refused
with a message. An optional key may be missing: earlier versions did not write it, or there is
nothing to write. Keys that are not listed here are ignored.
"""
FILES: dict[str, Any] = {
    "manifest.jsonl, a line each utterance": Utterance,
    "rejected.jsonl, a line each rejected row": Rejection,
    "data_card.json": Card,
    "decisions.jsonl, a line each decided clip": Decision,
    "RUN/identity.json": Identity,
    "RUN/data.jsonl, a line each clip": ClipFacts,
    "RUN/metrics.jsonl, a line each step or validation": MetricsLine,
    "RUN/state.json": State,
    "RUN/best/MANIFEST.json, as in each checkpoint": Sums,
    "RUN/record.json": RunRecord,
    "RUN/eval/NAME.json": SplitScores,
    "RUN/eval/long-NAME.json": LongScores,
    "EXPORT/verification.json": Verification,
    "COMPARISON/selection.json": Selection,
    "COMPARISON/cuts.json, a list of these": Cut,
    "COMPARISON/comparison.json": Comparison,
    "COMPARISON/clips.json, a list of these": ClipSet,
    "the JSON of analyze": Analysis,
    "the JSON of plan": Plan,
    "the JSON of init": WrittenProposal,
    "the JSON of compare --dry-run": DryRun,
    "OUT/NAME.json of transcribe --format json": RecordingRecord,
    "the JSON of transcribe": TranscribeResult,
    "DATA/doctor/doctor.json; the JSON of doctor also has `out` and `page`": DoctorRecord,
}


def main() -> None:
    page = "\n".join([HEAD, *sections()])
    if "--check" not in sys.argv:
        PAGE.write_text(page, encoding="utf-8")
    elif not PAGE.is_file() or PAGE.read_text(encoding="utf-8") != page:
        sys.exit(f"{PAGE.name} is out of date; run: make docs")


def sections() -> Iterator[str]:
    """A heading and a table for each file, and for each part that files share."""
    parts: dict[str, Any] = {}
    for file, schema in FILES.items():
        yield from table(f"## {file}", schema, parts)
    done: set[str] = set()
    while left := [name for name in parts if name not in done]:
        for name in left:
            done.add(name)
            yield from table(f"### {name}", parts[name], parts)


def table(heading: str, schema: Any, parts: dict[str, Any]) -> Iterator[str]:
    yield heading
    yield ""
    yield "| key | type | |"
    yield "| --- | --- | --- |"
    for key, hint, is_required in keys(schema):
        note = "" if is_required else "optional"
        yield f"| `{key}` | {written(hint, parts)} | {note} |"
    yield ""


def keys(schema: Any) -> Iterator[tuple[str, Any, bool]]:
    """Each key of a schema with its type, and whether it must be there."""
    hints = get_type_hints(schema, include_extras=True)
    if issubclass(schema, BaseModel):
        for name, field in schema.model_fields.items():
            yield name, hints[name], field.is_required()
        return
    for each in fields(schema):
        has_default = each.default is not MISSING or each.default_factory is not MISSING
        yield each.name, hints[each.name], not has_default
    for name in getattr(schema, "ALSO_WRITTEN", ()):
        yield name, get_type_hints(getattr(schema, name).fget)["return"], False


def written(hint: Any, parts: dict[str, Any]) -> str:
    """A type in words of JSON; records within it join `parts` and are named."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return written(arguments[0], parts)
    if origin is Literal:
        return ", ".join(f"`{each!r}`" for each in arguments)
    if origin in (Union, UnionType):
        kinds = [each for each in arguments if each is not NoneType]
        nullable = " or null" if len(kinds) < len(arguments) else ""
        return " or ".join(written(each, parts) for each in kinds) + nullable
    if origin is tuple and Ellipsis not in arguments:
        return f"list of {len(arguments)}: {written(arguments[0], parts)}"
    if origin in (list, tuple):
        return f"list of {written(arguments[0], parts)}"
    if origin in (dict, Mapping):
        return f"object of {written(arguments[1], parts)} by name"
    if is_dataclass(hint) or (isinstance(hint, type) and issubclass(hint, BaseModel)):
        name = hint.__name__
        if parts.setdefault(name, hint) is not hint:
            raise ValueError(f"two parts are called {name}")
        return f"[{name}](#{name.lower()})"
    return {float: "number", int: "whole number", str: "text", bool: "true or false"}.get(
        hint, "any value"
    )


if __name__ == "__main__":
    main()
