"""Make the record of `doctor` with given findings, for tests of its page and its tables."""

from collections import Counter
from typing import Any

from mothertongue.diagnosis.findings import Finding
from mothertongue.diagnosis.records import DoctorRecord
from mothertongue.system.environment import environment


def doctor_record(findings: list[Finding], **changes: Any) -> DoctorRecord:
    """Return a record of these findings, one clip for each; `changes` are other fields."""
    settings: dict[str, Any] = {
        "clips": len(findings),
        "clips_with_findings": len(findings),
        "counts": dict(Counter(each.code for each in findings)),
        "languages": {},
        "model": "m",
        "warnings": [],
        "decoding": {},
        "data": "data",
        "data_digest": "",
        "environment": environment(),
    }
    return DoctorRecord(findings=findings, **settings | changes)
