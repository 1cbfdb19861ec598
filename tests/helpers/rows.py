"""Rows of an evaluation, made by hand."""

from typing import Any

from mothertongue.evaluation.rates import UtteranceRow


def said(reference: str, hypothesis: str = "", **changes: Any) -> UtteranceRow:
    """The row of a Swahili clip of 2 s."""
    facts = {"id": "clip0", "language": "sw", "duration_s": 2.0, "speaker": "ana", "looped": False}
    return UtteranceRow(reference=reference, hypothesis=hypothesis, **(facts | changes))
