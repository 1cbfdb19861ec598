"""How right the texts are that `mothertongue label` wrote, for recordings whose text is known.

python benchmarks/pseudo.py LABELLED TABLE [TABLE ...]

LABELLED is the folder that `label` wrote. TABLE is a JSONL table with `audio` and `text`; a
recording is known by its file name. The pieces of a recording are joined in their order. Kept are
recordings of which all pieces were kept, and dropped are those of which none was; the others are
only counted. Intervals (95 %) draw recordings.
"""

import argparse
import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from mothertongue.evaluation.metrics import score
from mothertongue.evaluation.normalizers import normalizer

Json = dict[str, Any]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("labelled", type=Path)
    parser.add_argument("tables", type=Path, nargs="+")
    options = parser.parse_args()
    truth = {
        Path(row["audio"]).name: row["text"] for table in options.tables for row in rows(table)
    }
    kept = rows(options.labelled / "manifest.jsonl")
    dropped = [each["row"] for each in rows(options.labelled / "rejected.jsonl")]
    print(json.dumps(measured(kept, dropped, truth), indent=2))


def rows(table: Path) -> list[Json]:
    return [json.loads(line) for line in table.read_text(encoding="utf-8").splitlines()]


def measured(kept: Sequence[Json], dropped: Sequence[Json], truth: dict[str, str]) -> Json:
    """Return the error rates of what was kept and of what was dropped; durations in hours."""
    sides = {"kept": _joined(kept), "dropped": _joined(dropped)}
    mixed = sides["kept"].keys() & sides["dropped"].keys()
    result: Json = {"in both": len(mixed)}
    for side, given in (("kept", kept), ("dropped", dropped)):
        texts = {name: text for name, text in sides[side].items() if name not in mixed}
        hours = sum(row["duration_s"] for row in given if _name(row) in texts) / 3600
        result[side] = {"recordings": len(texts), "hours": round(hours, 3)}
        if texts:
            result[side] |= _rates([truth[name] for name in texts], list(texts.values()))
    return result


def _joined(pieces: Iterable[Json]) -> dict[str, str]:
    """Return the text of each recording, by its file name."""
    parts = defaultdict(list)
    for row in sorted(pieces, key=lambda row: (_name(row), row["start_s"])):
        parts[_name(row)].append(row["text"])
    return {name: " ".join(texts) for name, texts in parts.items()}


def _name(row: Json) -> str:
    return Path(row["audio"]).name


def _rates(references: Sequence[str], hypotheses: Sequence[str]) -> Json:
    found = score(references, hypotheses, None, normalizer("strict"), "full")
    return {"wer": round(found.wer, 4), "interval95": found.interval95, "cer": round(found.cer, 4)}


if __name__ == "__main__":
    main()
