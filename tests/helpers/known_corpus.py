"""A corpus whose data card and utterance rows are known."""

from typing import Any

from mothertongue.evaluation.rates import UtteranceRow

SPOKEN = (
    ("mtoto anakula chakula", "mtoto anakula chakuli", "ana", 2.0),
    ("habari ya asubuhi", "habari asubuhi", "ben", 5.0),
    ("asante sana", "asante sana sana", "ana", 12.0),
)
"""Reference, transcript, speaker and seconds: a word taken for another, one lost, one made up."""


def spoken() -> list[UtteranceRow]:
    """SPOKEN as an evaluation's rows."""
    return [
        UtteranceRow(f"clip{i}", "sw", said, heard, duration_s, speaker, looped=False)
        for i, (said, heard, speaker, duration_s) in enumerate(SPOKEN)
    ]


def card() -> dict[str, Any]:
    """Return the data card of a corpus with two rows that were not taken."""
    return {
        "manifest_sha256": "m" * 64,
        "folder": "sw-corpus",
        "source": "table",
        "splits": {},
        "max_reject_fraction": 0.05,
        "first_rejections": [],
        "num_rows": 3770,
        "num_rejected": 2,
        "rejected": {"AUD-CORRUPT": 2},
        "notes": {"TXT-NFC": 7},
        "warnings": ["speakers are shared between train and test"],
        "confirmed": [],
        "split_by": "sentence",
    }
