"""docs/reliability.md from docs/reliability.json."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from mothertongue.files import write_json
from mothertongue.records import environment


def update(out: Path, part: str, found: dict[str, Any], seconds: float) -> None:
    """Replace a part of the file."""
    before = json.loads(out.read_text("utf-8")) if out.is_file() else {}
    facts = {
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
        "seconds": round(seconds),
        "environment": environment(),
    }
    write_json(out, before | {part: facts | found})


def write(out: Path) -> None:
    pass
