"""What all verbs do alike: show a result, count progress, fail with one message."""

import json
import sys
from pathlib import Path
from typing import Any

from rich.console import Console, RenderableType


def show(result: dict[str, Any], table: RenderableType, json_file: Path | None) -> None:
    """The table to standard output, unless that is where the JSON goes."""
    from mothertongue.files import write_json

    if json_file is None or str(json_file) != "-":
        Console().print(table)
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
    print(f"error: {message}", file=sys.stderr)
    return code
