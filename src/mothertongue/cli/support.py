"""What all verbs do alike: show a result, count progress, fail with one message."""

import json
import sys
from pathlib import Path
from typing import Any

from rich.console import Console, RenderableType


def show(result: dict[str, Any], table: RenderableType, json_file: Path | None) -> None:
    """Write the table to standard output, unless that is where the JSON goes.

    A table that is text keeps its lines as they are.
    """
    from mothertongue.files import write_json
    from mothertongue.tables import plain

    if json_file is None or str(json_file) != "-":
        if isinstance(table, str):
            print(plain(table))
        else:
            Console(markup=False, emoji=False).print(table)
        if json_file is not None:
            write_json(json_file, result)
        return
    json.dump(result, sys.stdout, ensure_ascii=False, indent=2, allow_nan=False)
    print()


def counting(description: str, total: int | None = None) -> Any:
    from mothertongue.progress import counting as bar

    return bar(description, total)


def write_page(folder: Path) -> None:
    """The page of a run or a comparison, into its folder; its address to standard error."""
    from mothertongue.progress import console
    from mothertongue.report.write import write_report
    from mothertongue.tables import report_line

    with counting("reading audio") as advance:
        result = write_report([folder], advance=advance)
    console.print(report_line(result))


def fail(message: str, code: int) -> int:
    """Write one message to standard error, which a manifest cannot steer; return the exit code."""
    from mothertongue.tables import plain

    print(plain(f"error: {message}"), file=sys.stderr)
    return code
