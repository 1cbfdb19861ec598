"""raw: the text as it is written."""

from mothertongue.evaluation.normalizers.base import Normalizer


def _raw(text: str) -> str:
    """Return the text with each run of white space as one space, and none at the ends."""
    return " ".join(text.split())


NORMALIZER = Normalizer("raw", "2", _raw, "as written", place=90)
