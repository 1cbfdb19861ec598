"""Read and write decisions.jsonl: what a listener decided about clips; `prepare` follows it.

One object on each line: {"id": ..., "decision": "accept" | "fix" | "drop", "text": ..., "note":
...}.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Literal, get_args

from mothertongue.data.clip_checks import Examined, SetAside, reject_row
from mothertongue.data.long_rows import Checked
from mothertongue.data.sources.base import ForReview, Row
from mothertongue.errors import DataError, Fault
from mothertongue.system.files import write_json_lines
from mothertongue.system.json_files import read_json_lines

DECISIONS = "decisions.jsonl"
Kind = Literal["accept", "fix", "drop"]
Examine = Callable[[Row], Checked]
DROPPED = "DEC-DROP"
REMEDY = 'write {"id": "...", "decision": "accept", "fix" or "drop", "text": "..."} on each line'


@dataclass(frozen=True, slots=True)
class Decision:
    """A decision about a clip: keep it unchanged, keep it with the corrected text, or drop it."""

    id: str
    decision: Kind
    text: str | None = None
    """The transcript to use; it counts only with `fix`."""
    note: str | None = None
    """A note for people, such as the codes of the findings."""


def read_decisions(path: Path) -> dict[str, Decision]:
    """Return the decisions in a file, by the id of the clip.

    Raises DataError with the line that is no decision, that repeats an id, or that says `fix`
    without a text.
    """
    found: dict[str, Decision] = {}
    for number, (_, decision) in enumerate(read_json_lines(path, Decision, REMEDY), start=1):
        where = f"{path}:{number}"
        if decision.id in found:
            raise DataError(f"{where}: {decision.id} was decided above; leave one of the two")
        if decision.decision == "fix" and not (decision.text or "").strip():
            raise DataError(f"{where}: fix {decision.id} without a text; write what is said")
        found[decision.id] = decision
    return found


def write_decisions(path: Path, decisions: Iterable[Decision]) -> None:
    """Write decisions, one on each line, either completely or not at all."""
    write_json_lines(path, map(to_row, decisions))


def to_row(decision: Decision) -> dict[str, str]:
    """Return a decision as the object on its line."""
    return {key: x for key, x in asdict(decision).items() if x is not None}


@dataclass(frozen=True, slots=True)
class Decided:
    """An examiner of rows that follows decisions.

    A dropped row becomes a Rejection with the code DEC-DROP. A fixed row is examined with the
    decided text, even if its own text was a fault, and noted as DEC-FIX. An accepted row is noted
    as DEC-ACCEPT. A row that was set aside for review is then examined like any other. A row that
    states no id has the id that `prepare` gives it.
    """

    examine: Examine
    decisions: Mapping[str, Decision]
    used: set[str] = field(default_factory=set)
    """The ids of the decisions that matched a row."""
    changed: dict[str, set[bytes]] = field(default_factory=dict)
    """The keys of the sounds that each `fix` or `drop` matched."""

    def __call__(self, row: Row) -> Checked:
        """Return the row, examined as was decided."""
        found = self.examine(row)
        decision = self._on(row, found)
        if decision is None:
            return found
        self.used.add(decision.id)
        if isinstance(found, Examined) and decision.decision != "accept":
            self.changed.setdefault(decision.id, set()).add(found.audio_key)
        if decision.decision == "drop":
            reason = f"dropped by decision{f' ({decision.note})' if decision.note else ''}"
            return reject_row(row, Fault(DROPPED, reason, "nothing; or change the decision"))
        reviewed = row
        if isinstance(found, SetAside) and found.clip and row.aside in get_args(ForReview):
            reviewed = replace(row, aside=None, id=found.clip["id"])
        if decision.decision == "fix":
            # A person wrote this text: it is no pseudo-label.
            reviewed = replace(reviewed, text=decision.text, average_log_probability=None)
        found = found if reviewed is row else self.examine(reviewed)
        if isinstance(found, Examined):
            return replace(found, notes=(*found.notes, f"DEC-{decision.decision.upper()}"))
        return found

    def refuse_ambiguous(self) -> None:
        """Raise DataError if a `fix` or `drop` matched several sounds, of which it means one."""
        for name, sounds in sorted(self.changed.items()):
            if len(sounds) > 1:
                decided = self.decisions[name].decision
                raise DataError(
                    f"{decided} {name}: {len(sounds)} different clips are called {name}; expected "
                    "one; prepare the corpus without the decisions, and take the id in its manifest"
                )

    def unused(self) -> tuple[str, ...]:
        """Return a warning if decisions matched no row."""
        if not (left := sorted(set(self.decisions) - self.used)):
            return ()
        return (f"{len(left):,} decisions are on clips that are not there, such as {left[0]}",)

    def _on(self, row: Row, found: Checked) -> Decision | None:
        names = [row.id]
        if isinstance(found, SetAside) and found.clip:
            names = [found.clip["id"]]
        if isinstance(found, Examined):
            # Clips with a common stem have long ids in the manifest: no decision names the stem.
            names = [found.long_id, found.utterance.id]
        known = (self.decisions.get(name) for name in names if name)
        return next(filter(None, known), None)
