"""Find faults of transcripts: empty, in another script, too long or too short. No torch."""

import math
from collections import Counter
from collections.abc import Iterator, Sequence

from mothertongue.data.scripts import script_of
from mothertongue.data.text_cleaning import sentence_key
from mothertongue.diagnosis.findings import ExaminedClip, Finding, score_of
from mothertongue.diagnosis.similarity import bare_letters
from mothertongue.diagnosis.statistics import robust_z

HOME_SHARE = 0.1
"""A script that this share of a language's transcripts have is one of its own: Japanese has
three."""
MAX_FOREIGN = 0.5  # share of letters
MIN_CLIPS = 20  # with fewer, the spread of a corpus is not known
OUTLIER = 5.0
"""Robust standard deviations of both measures together: normal values reach this once in 10^6."""
EACH = 1.5
"""Each measure alone must reach this too: a slow speaker or a model's gap changes only one of
them."""
LEAST = 0.05  # of the logarithm of a length: 5 %
MIN_FACTOR = 1.4  # with even speed, deviations are tiny; less is no lost or added sentence


def text_findings(clips: Sequence[ExaminedClip]) -> Iterator[Finding]:
    """Yield EMPTY and WRONG-SCRIPT findings for the clips of one language."""
    scripts = [Counter(filter(None, map(script_of, clip.text))) for clip in clips]
    has = Counter(name for found in scripts for name in found)
    home = {name for name, count in has.items() if count >= max(2, HOME_SHARE * len(clips))}
    usual = ", ".join(name.title() for name, _ in has.most_common() if name in home)
    for clip, found in zip(clips, scripts, strict=True):
        if not sentence_key(clip.text):
            message = f"the transcript is {clip.text[:40]!r}"
            yield Finding(clip.id, "EMPTY", score_of("EMPTY", 1.0), message)
            continue
        foreign = {name: count for name, count in found.items() if name not in home}
        share = sum(foreign.values()) / max(1, found.total())
        if home and share > MAX_FOREIGN:
            name = max(foreign, key=foreign.__getitem__).title()
            message = f"{share:.0%} of the letters are {name}; the corpus has {usual}"
            score = score_of("WRONG-SCRIPT", share)
            yield Finding(clip.id, "WRONG-SCRIPT", score, message, script=name)


def length_findings(clips: Sequence[ExaminedClip]) -> Iterator[Finding]:
    """Yield TOO-MUCH-TEXT and TOO-LITTLE-TEXT findings for the clips of one language.

    Two measures must agree: characters per second, and the length of the transcript compared with
    that of the recognized text. Clips whose decoding looped or gave nothing have only the first
    one, and are not judged.
    """
    judged = [
        clip
        for clip in clips
        if clip.utterance.duration_s > 0
        and bare_letters(clip.text)
        and bare_letters(clip.heard.text)
        and not clip.heard.looped
    ]
    if len(judged) < MIN_CLIPS:
        return
    rates = [math.log(len(bare_letters(c.text)) / c.utterance.duration_s) for c in judged]
    ratios = [math.log(len(bare_letters(c.text)) / len(bare_letters(c.heard.text))) for c in judged]
    middle = math.exp(float(sorted(ratios)[len(ratios) // 2]))
    for clip, rate_z, ratio_z, ratio in zip(
        judged, robust_z(rates, LEAST), robust_z(ratios, LEAST), ratios, strict=True
    ):
        sign = 1 if rate_z > 0 else -1
        both = sign * (rate_z + ratio_z) / math.sqrt(2)
        factor = (math.exp(ratio) / middle) ** sign
        if both < OUTLIER or min(sign * rate_z, sign * ratio_z) < EACH or factor < MIN_FACTOR:
            continue
        code, word = ("TOO-MUCH-TEXT", "longer") if sign > 0 else ("TOO-LITTLE-TEXT", "shorter")
        speed = len(clip.text) / clip.utterance.duration_s
        message = (
            f"{speed:.1f} characters a second; the transcript is {factor:.1f} times {word} beside "
            "what was recognized than is usual here"
        )
        yield Finding(
            clip.id,
            code,
            score_of(code, 1 - OUTLIER / (2 * both)),
            message,
            characters_per_s=round(speed, 2),
            factor=round(factor, 2),
        )
