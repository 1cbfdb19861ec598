"""raw: the text as it is written."""

from mothertongue.evaluation.normalizers.base import Normalizer


def _raw(text: str) -> str:
    """The text as it is; only runs of white space become one space, and none is left outside."""
    return " ".join(text.split())


NORMALIZER = Normalizer("raw", "2", _raw, "as written", place=90)
