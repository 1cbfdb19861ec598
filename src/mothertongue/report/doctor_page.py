"""Write the page of `doctor`: clips that look wrong, worst first, with sound, text, decisions.

It opens from disk and loads nothing. The decisions are exported as decisions.jsonl. It shows those
that the folder's decisions.jsonl already has.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mothertongue.data.decisions import DECISIONS, Decision, read_decisions, to_row
from mothertongue.data.manifest import Utterance, read_data
from mothertongue.diagnosis.findings import CODES, Finding
from mothertongue.diagnosis.records import DoctorRecord
from mothertongue.report.audio_clips import Playable, collect_sounds
from mothertongue.report.page.render import embedded_json, filled, own_source
from mothertongue.report.write import MB
from mothertongue.system.files import open_atomically

PAGE = "doctor.html"
MAX_CARDS = 500
"""The most clips on the page: nobody listens to more at once, and doctor.json has all."""


@dataclass(frozen=True, slots=True)
class Card:
    """A clip that looks wrong, with its findings, the worst first."""

    clip: Utterance
    findings: tuple[Finding, ...]
    proposed: str
    """A transcript that fits better, or nothing."""
    decision: Decision
    """The decision on it until now: an earlier one, or to keep it."""

    @property
    def score(self) -> float:
        return self.findings[0].score

    @property
    def heard(self) -> str:
        """The text that was recognized in it."""
        return self.findings[0].heard or ""

    @property
    def correction(self) -> str:
        """The text that a correction of its transcript starts from."""
        fixed = self.decision.text if self.decision.decision == "fix" else None
        return fixed or self.proposed or self.clip.text


def write_doctor_page(
    record: DoctorRecord,
    data: Path,
    folder: Path,
    audio_mb: float,
    advance: Callable[[int], None] = lambda _: None,
) -> Path:
    """Write the page of a doctor's record on `data` into its folder, and return its path.

    Raises DataError where the decisions in the folder are damaged.
    """
    clips = {clip.id: clip for clip in read_data([data])}
    decided = read_decisions(folder / DECISIONS) if (folder / DECISIONS).exists() else {}
    cards = cards_of(record.findings, clips, decided)
    page = folder / PAGE
    sounds = collect_sounds(
        [[_to_hear(card) for card in cards[:MAX_CARDS]]],
        "embed",
        int(audio_mb * MB),
        page,
        advance,
    )
    with open_atomically(page) as file:
        file.write(_rendered(record, cards, sounds.found, decided))
    return page


def cards_of(
    findings: Sequence[Finding],
    clips: Mapping[str, Utterance],
    decided: Mapping[str, Decision],
) -> list[Card]:
    """Return one card for each clip, with all its findings, in the order of its worst one."""
    by_clip = defaultdict[str, list[Finding]](list)
    for each in findings:
        by_clip[each.id].append(each)
    return [_card(clips[name], found, clips, decided) for name, found in by_clip.items()]


def _card(
    clip: Utterance,
    found: Sequence[Finding],
    clips: Mapping[str, Utterance],
    decided: Mapping[str, Decision],
) -> Card:
    """Return the card of a clip, with the transcript of the clip whose text is said in it."""
    said = [each.says for each in found if each.says]
    proposed = clips[said[-1]].text if said else ""
    undecided = Decision(clip.id, "accept", note=" ".join(each.code for each in found))
    return Card(clip, tuple(found), proposed, decided.get(clip.id, undecided))


def _to_hear(card: Card) -> Playable:
    """Return a clip as `collect_sounds` takes it; if not all fit, the worst come first."""
    clip = card.clip
    return Playable(clip.id, clip.audio, clip.start_s or 0.0, clip.duration_s, card.score)


def _rendered(
    record: DoctorRecord,
    cards: Sequence[Card],
    sounds: Mapping[str, Mapping[str, str]],
    decided: Mapping[str, Decision],
) -> str:
    shown = {card.clip.id for card in cards[:MAX_CARDS]}
    elsewhere = [to_row(each) for name, each in decided.items() if name not in shown]
    css, js = own_source("page.css") + own_source("doctor.css"), own_source("doctor.js")
    counts = [(code, count, CODES[code].title) for code, count in record.counts.items()]
    return filled(
        "doctor.html.jinja",
        css,
        js,
        beside=False,
        record=record,
        name=Path(record.data).resolve().name,
        cards=cards[:MAX_CARDS],
        left_out=max(0, len(cards) - MAX_CARDS),
        playable=len(sounds),
        counts=counts,
        decisions=DECISIONS,
        elsewhere=elsewhere,
        sound_data=embedded_json({key.partition("/")[2]: each for key, each in sounds.items()}),
    )
