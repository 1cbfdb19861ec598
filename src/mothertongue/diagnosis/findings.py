"""Define the codes of possible faults of a clip, and the record of a finding. No torch."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import ClassVar

from mothertongue.data.manifest import Utterance
from mothertongue.system.json_files import absent


@dataclass(frozen=True, slots=True)
class Code:
    """A kind of fault: how much it harms training (0 to 1), and what to do about it."""

    weight: float
    title: str
    suggestion: str


CODES = {
    "UNREADABLE": Code(1.0, "the audio cannot be read", "copy the file again, or drop the clip"),
    "EMPTY": Code(1.0, "the transcript has no letter", "transcribe the clip, or drop it"),
    "MISPAIRED": Code(
        1.0,
        "the transcript fits another clip better",
        "listen; if the texts were exchanged, write what is said, or drop the clip",
    ),
    "SHIFTED": Code(
        1.0,
        "transcripts of successive clips are moved by some rows",
        "look for the row that is missing or too many in the table, correct it, and prepare again",
    ),
    "UNMATCHED": Code(
        0.9,
        "the transcript fits neither its own clip nor another",
        "listen; write what is said, or drop the clip",
    ),
    "OTHER-LANGUAGE": Code(
        0.9, "another language than the corpus", "drop the clip, or correct its language"
    ),
    "WRONG-SCRIPT": Code(
        0.8, "another script than the corpus", "write the transcript in the corpus's script"
    ),
    "SILENT": Code(0.8, "no sound to hear", "record the clip again, or drop it"),
    "TOO-MUCH-TEXT": Code(
        0.7,
        "the transcript is longer than the speech",
        "listen; take out what is not said, or cut the clip anew",
    ),
    "TOO-LITTLE-TEXT": Code(
        0.7,
        "the transcript is shorter than the speech",
        "listen; add what is said and not written, or cut the clip anew",
    ),
    "NEAR-DUPLICATE": Code(
        0.5,
        "almost the same clip or text is in another split",
        "keep one of the two, or put both into one split",
    ),
    "CLIPPED": Code(
        0.4, "the loudest parts are cut off", "record with less gain; keep it if speech is clear"
    ),
    "NOISY": Code(0.3, "much noise under the speech", "listen; drop it if words are hard to hear"),
}


@dataclass(frozen=True, slots=True)
class Finding:
    """A possible fault of a clip, with the facts of its evidence, in the record of `doctor`."""

    ALSO_WRITTEN: ClassVar = ("suggestion",)

    id: str
    code: str
    score: float
    """The rank from 0 to 1, 1 worst; see `score_of`."""
    message: str
    belongs_to: str | None = absent()
    """The clip that the transcript fits."""
    says: str | None = absent()
    """The clip whose transcript is said."""
    likeness: float | None = absent()
    best_likeness: float | None = absent()
    by: int | None = absent()
    """The rows by which a run of transcripts is moved."""
    rows: int | None = absent()
    script: str | None = absent()
    detected_language: str | None = absent()
    strangeness: float | None = absent()
    characters_per_s: float | None = absent()
    factor: float | None = absent()
    duplicate_of: str | None = absent()
    duplicate: str | None = absent()
    """sound or text."""
    level_db: float | None = absent()
    clipped_share: float | None = absent()
    snr_db: float | None = absent()
    text: str | None = absent()
    """The transcript."""
    heard: str | None = absent()
    """The text that was recognized."""

    @property
    def suggestion(self) -> str:
        """The advice about the fault."""
        return CODES[self.code].suggestion


def score_of(code: str, strength: float) -> float:
    """Return the clearness of the evidence times the harm, from 0 to 1.

    `strength` says how clear the evidence is, from 0 to 1.
    """
    return round(CODES[code].weight * min(1.0, max(0.0, strength)), 4)


@dataclass(frozen=True, slots=True)
class Recognition:
    """The text that a model recognized in a clip, and the properties of the clip's sound."""

    text: str
    detected_language: str | None = None
    looped: bool = False
    """True if decoding ended in a loop. The length of the text then means nothing."""
    level_db: float = 0.0
    """The level of the loudest frames, in dB below full scale."""
    snr_db: float = 99.0
    """The estimated signal-to-noise ratio."""
    clipped_share: float = 0.0
    """The share of samples at the clip's own peak."""
    fingerprint: str = ""
    """See `fingerprints`."""


@dataclass(frozen=True, slots=True)
class ExaminedClip:
    """An utterance of the manifest, together with what was recognized in it."""

    utterance: Utterance
    heard: Recognition

    @property
    def id(self) -> str:
        return self.utterance.id

    @property
    def text(self) -> str:
        return self.utterance.text


def worst_first(findings: Iterable[Finding]) -> list[Finding]:
    """Return findings by falling score; of equal scores, one code after another, in their order."""
    order = {code: place for place, code in enumerate(CODES)}
    return sorted(findings, key=lambda each: (-each.score, order[each.code]))


def counts(findings: Sequence[Finding]) -> dict[str, int]:
    """Return the number of findings of each code, in the order of CODES."""
    found = Counter(each.code for each in findings)
    return {code: found[code] for code in CODES if found[code]}
