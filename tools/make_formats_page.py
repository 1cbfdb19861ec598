"""Write docs/formats.md from the schemas of records; with --check, fail when it is out of date."""

import sys
from collections.abc import Iterator
from dataclasses import is_dataclass
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, NotRequired, Union, get_args, get_origin, get_type_hints

from typing_extensions import is_typeddict

from mothertongue.comparison.schema import Comparison
from mothertongue.data.decisions import Decision
from mothertongue.data.manifest import Card, Utterance
from mothertongue.experiment.records import (
    Analysis,
    ClipSet,
    Cost,
    Identity,
    LongScores,
    MetricsLine,
    RunRecord,
    Scores,
    Selection,
)

PAGE = Path(__file__).parents[1] / "docs" / "formats.md"
HEAD = """\
# Files

`make docs` writes this page from the schemas that readers check. Each file is UTF-8. A record may
have more keys than these: they are for people, and nothing reads them back. Times are in seconds,
sizes in bytes, error rates are ratios (0.14 is 14 %).

`format_version` is 1; records of earlier releases have none. A record of a higher version is
refused with a message.
"""
FILES: dict[str, Any] = {
    "manifest.jsonl, a line each utterance": Utterance,
    "data_card.json": Card,
    "decisions.jsonl, a line each decided clip": Decision,
    "RUN/identity.json": Identity,
    "RUN/metrics.jsonl, a line each step or validation": MetricsLine,
    "RUN/state.json": Cost,
    "RUN/record.json": RunRecord,
    "RUN/eval/NAME.json": Scores,
    "RUN/eval/long-NAME.json": LongScores,
    "COMPARISON/selection.json": Selection,
    "COMPARISON/comparison.json": Comparison,
    "COMPARISON/clips.json, a list of these": ClipSet,
    "the JSON of analyze": Analysis,
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
    hints = get_type_hints(schema, include_extras=True)
    required = getattr(schema, "__required_keys__", hints.keys())
    for key, hint in hints.items():
        note = "" if key in required else "optional"
        yield f"| `{key}` | {written(hint, parts)} | {note} |"
    yield ""


def written(hint: Any, parts: dict[str, Any]) -> str:
    """A type in words of JSON; records within it join `parts` and are named."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (NotRequired, Annotated):
        return written(arguments[0], parts)
    if origin is Literal:
        return ", ".join(f"`{each!r}`" for each in arguments)
    if origin in (Union, UnionType):
        kinds = [each for each in arguments if each is not NoneType]
        nullable = " or null" if len(kinds) < len(arguments) else ""
        return " or ".join(written(each, parts) for each in kinds) + nullable
    if origin is list:
        return f"list of {written(arguments[0], parts)}"
    if origin is dict:
        return f"object of {written(arguments[1], parts)} by name"
    if is_typeddict(hint) or is_dataclass(hint):
        name = hint.__name__.lstrip("_")
        parts[name] = hint
        return f"[{name}](#{name.lower()})"
    return {float: "number", int: "whole number", str: "text", bool: "true or false"}.get(
        hint, "any value"
    )


if __name__ == "__main__":
    main()
