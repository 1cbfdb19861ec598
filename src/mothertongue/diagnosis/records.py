"""doctor.json, the record of `doctor`, and what the verb prints. No torch."""

from dataclasses import dataclass

from pydantic import JsonValue

from mothertongue.diagnosis.findings import Finding
from mothertongue.system.environment import Environment
from mothertongue.system.json_files import Document, absent


@dataclass(frozen=True, slots=True)
class PairingFacts:
    """The clips of a language, and whether their pairing with transcripts could be judged."""

    clips: int
    fit_own: int | None
    """The clips whose transcript fits; None if there are too few clips to tell."""
    tells_unmatched: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings(Document):
    """The findings on clips, worst first."""

    clips: int
    clips_with_findings: int
    counts: dict[str, int]
    """The number of findings of each code."""
    languages: dict[str, PairingFacts]
    findings: list[Finding]


@dataclass(frozen=True, slots=True, kw_only=True)
class DoctorRecord(Findings):
    """doctor.json: the findings on a manifest, and how they were made."""

    model: str
    warnings: list[str]
    decoding: dict[str, JsonValue]
    data: str
    data_digest: str
    environment: Environment


@dataclass(frozen=True, slots=True, kw_only=True)
class DoctorResult(DoctorRecord):
    """A record with its folder, and the page in it."""

    out: str
    page: str | None = absent()
