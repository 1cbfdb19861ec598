"""whisper: OpenAI's multilingual normalizer, to compare with published tables."""

import re
import unicodedata

from mothertongue.evaluation.normalizers.base import Normalizer


def _whisper(text: str) -> str:
    """OpenAI's multilingual normalizer with its defaults, which published Whisper WERs use.

    It turns every mark into a space, and so breaks the words of Indic scripts, Thai and vocalized
    Arabic into pieces: use it to compare with such tables, never to judge a model of those
    languages (arXiv 2409.02449). openai/whisper, whisper/normalizers/basic.py.
    """
    text = re.sub(r"[<\[][^>\]]*[>\]]", "", text.lower())
    text = re.sub(r"\(([^)]+?)\)", "", text)
    composed = unicodedata.normalize("NFKC", text)
    text = "".join(" " if unicodedata.category(char)[0] in "MSP" else char for char in composed)
    return re.sub(r"\s+", " ", text.lower())


NORMALIZER = Normalizer("whisper", "2", _whisper, "as OpenAI's tables do", place=10)
