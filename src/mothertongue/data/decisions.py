"""decisions.jsonl: what somebody who listened decided on clips; `prepare` honours it.

One object a line: {"id": ..., "decision": "accept" | "fix" | "drop", "text": ..., "note": ...}.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Literal, get_args

from mothertongue.data.clip_checks import Examined, SetAside, reject_row
from mothertongue.data.sources.base import ForReview, Rejection, Row
from mothertongue.errors import DataError, Fault
from mothertongue.system.files import open_atomically
from mothertongue.system.json_files import built, read_json_lines

DECISIONS = "decisions.jsonl"
Kind = Literal["accept", "fix", "drop"]
Examine = Callable[[Row], Examined | Rejection | SetAside]
DROPPED = "DEC-DROP"
REMEDY = 'write {"id": "...", "decision": "accept", "fix" or "drop", "text": "..."} on each line'


@dataclass(frozen=True, slots=True)
class Decision:
    """Keep a clip as it is, with the corrected text, or not at all."""

    id: str
    decision: Kind
    text: str | None = None
    """The transcript to take; counts with `fix` only."""
    note: str | None = None
    """For people, such as the codes of what was found."""


def read_decisions(path: Path) -> dict[str, Decision]:
    """The decisions in a file, by the id of the clip.

    Raises DataError naming the line that is no decision, that repeats an id, or that says `fix`
    without a text.
    """
    found: dict[str, Decision] = {}
    for number, (_, value) in enumerate(read_json_lines(path, remedy=REMEDY), start=1):
        where = f"{path}:{number}"
        decision = built(value, where, Decision, REMEDY)
        if decision.id in found:
            raise DataError(f"{where}: {decision.id} was decided above; leave one of the two")
        if decision.decision == "fix" and not (decision.text or "").strip():
            raise DataError(f"{where}: fix {decision.id} without a text; write what is said")
        found[decision.id] = decision
    return found


def write_decisions(path: Path, decisions: Iterable[Decision]) -> None:
    """Write decisions, one a line, whole or not at all."""
    with open_atomically(path) as file:
        for each in decisions:
            given = {key: value for key, value in asdict(each).items() if value is not None}
            file.write(json.dumps(given, ensure_ascii=False) + "\n")


@dataclass(frozen=True, slots=True)
class Decided:
    """An examiner of rows that follows decisions.

    A dropped row becomes a Rejection with the code DEC-DROP. A fixed row is examined with the text
    that was decided, also where its own text was a fault, and noted as DEC-FIX; an accepted one is
    noted as DEC-ACCEPT. A row that was set aside for review is then examined as any other. A row
    that states no id goes by the one that `prepare` gives it.
    """

    examine: Examine
    decisions: Mapping[str, Decision]
    used: set[str] = field(default_factory=set)
    """The ids of decisions that met a row."""

    def __call__(self, row: Row) -> Examined | Rejection | SetAside:
        """The row, examined as was decided on it."""
        found = self.examine(row)
        decision = self._on(row, found)
        if decision is None:
            return found
        self.used.add(decision.id)
        if decision.decision == "drop":
            reason = f"dropped by decision{f' ({decision.note})' if decision.note else ''}"
            return reject_row(row, Fault(DROPPED, reason, "nothing; or change the decision"))
        reviewed = replace(row, aside=None) if row.aside in get_args(ForReview) else row
        if decision.decision == "fix":
            reviewed = replace(reviewed, text=decision.text)
        found = found if reviewed is row else self.examine(reviewed)
        if isinstance(found, Examined):
            return replace(found, notes=(*found.notes, f"DEC-{decision.decision.upper()}"))
        return found

    def unused(self) -> tuple[str, ...]:
        """A warning where decisions met no row."""
        if not (left := sorted(set(self.decisions) - self.used)):
            return ()
        return (f"{len(left):,} decisions are on clips that are not there, such as {left[0]}",)

    def _on(self, row: Row, found: Examined | Rejection | SetAside) -> Decision | None:
        names = [row.id]
        if isinstance(found, SetAside) and found.clip:
            names = [found.clip["id"]]
        if isinstance(found, Examined):
            # Of clips with one stem the manifest has the long ids, so the stem is no decision's id.
            names = [found.long_id, found.utterance.id]
        known = (self.decisions.get(name) for name in names if name)
        return next(filter(None, known), None)
