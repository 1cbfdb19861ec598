"""Split the transcript of a recording into segments short enough for subtitles. No torch.

All times are in seconds from the start of the recording.
"""

import math
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from mothertongue.data.languages import UNSPACED
from mothertongue.decoding.transcript import Transcript
from mothertongue.decoding.word_timestamps import Word
from mothertongue.inference.speech_detection import Piece
from mothertongue.inference.subtitle_lines import broken

MAX_SEGMENT_S = 7.0  # what broadcasters let stand at most
MAX_LINES = 2
LONG_PAUSE_S = 1.0
SENTENCE_ENDS = tuple(".?!…。？！।॥።፧؟۔")


@dataclass(frozen=True, slots=True)
class Segment:
    """A part of a transcript, with its words if the engine gives their times."""

    start_s: float
    end_s: float
    text: str
    tokens: tuple[int, ...]
    average_log_probability: float | None
    no_speech_probability: float | None
    words: tuple[Word, ...] | None
    looped: bool = False
    """Whether the decoder ended in a loop here; what it repeated stands here once."""
    is_cut: bool = False
    """Whether text is missing after it, since the decoder met its limit of tokens."""

    @property
    def compression_ratio(self) -> float:
        """Return the text's bytes over its compressed bytes, as openai/whisper: high for loops."""
        data = self.text.encode("utf-8")
        return len(data) / len(zlib.compress(data))


@dataclass(frozen=True, slots=True)
class Recording:
    """The transcript of a recording, and its length. `language` is None without speech."""

    language: str | None
    duration_s: float
    segments: tuple[Segment, ...]
    decoded_again: int = 0
    """How many pieces were decoded again in halves, since their text was cut off or looped."""
    is_translated: bool = False
    """Whether the text is English, whatever the language of the speech."""
    textless: tuple[tuple[float, float], ...] = ()
    """The start and end of each piece in which the decoder wrote nothing."""

    @property
    def text(self) -> str:
        return joined_text(self.segments, "en" if self.is_translated else self.language)


def joined_text(segments: Iterable[Segment], language: str | None) -> str:
    """Return the text of all segments, joined as in this language."""
    said = [each for each in segments if each.text]
    return "".join(space_before(each, language) + each.text for each in said).strip()


def space_before(segment: Segment, language: str | None) -> str:
    """Return the text between a segment and the one before it.

    It is a space; in languages that put none between words only where the decoder wrote one.
    """
    if language not in UNSPACED:
        return " "
    return " " if segment.words and segment.words[0].text.startswith(" ") else ""


def segments_of(piece: Piece, transcript: Transcript) -> list[Segment]:
    """Return the segments of a piece: one for each subtitle, or only one without word times."""
    if not transcript.text:
        return []
    whole = Segment(
        start_s=piece.start_s,
        end_s=piece.end_s,
        text=transcript.text,
        tokens=transcript.tokens,
        average_log_probability=transcript.average_log_probability,
        no_speech_probability=transcript.no_speech_probability,
        words=None,
    )
    segments = [whole]
    if transcript.words:
        groups = _in_subtitles(_moved(transcript.words, piece))
        segments = [_segment(whole, words) for words in groups]
    last = replace(segments[-1], looped=transcript.looped, is_cut=transcript.is_cut)
    return [*segments[:-1], last]


def _moved(words: Iterable[Word], piece: Piece) -> list[Word]:
    return [
        replace(each, start_s=piece.start_s + each.start_s, end_s=piece.start_s + each.end_s)
        for each in words
    ]


def _in_subtitles(words: Sequence[Word]) -> list[list[Word]]:
    """Return groups of words that end with a sentence, at a pause, or when a subtitle is full."""
    groups: list[list[Word]] = []
    for word in words:
        if not groups or _must_break(groups[-1], word):
            groups.append([])
        groups[-1].append(word)
    return groups


def _must_break(group: Sequence[Word], word: Word) -> bool:
    text = "".join(each.text for each in [*group, word])
    return (
        len(broken(text)) > MAX_LINES
        or word.end_s - group[0].start_s > MAX_SEGMENT_S
        or word.start_s - group[-1].end_s > LONG_PAUSE_S
        or group[-1].text.rstrip().endswith(SENTENCE_ENDS)
    )


def _segment(whole: Segment, words: Sequence[Word]) -> Segment:
    """Return one subtitle. Its log-probability is from its words; other values are the piece's."""
    logs = [math.log(max(each.probability, 1e-10)) for each in words for _ in each.tokens]
    return replace(
        whole,
        start_s=words[0].start_s,
        end_s=words[-1].end_s,
        text="".join(each.text for each in words).strip(),
        tokens=tuple(token for each in words for token in each.tokens),
        average_log_probability=sum(logs) / len(logs),
        words=tuple(words),
    )
