"""The JSON of a transcript and of `transcribe`, with rounded numbers. No torch."""

from dataclasses import dataclass

from mothertongue.decoding.word_timestamps import Word
from mothertongue.inference.subtitles import Recording, Segment
from mothertongue.system.json_files import absent


@dataclass(frozen=True, slots=True)
class WordRecord:
    """A word, its times and its probability."""

    text: str
    start_s: float
    end_s: float
    probability: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentRecord:
    """A part of a transcript; `words` is null where the engine gives no times."""

    start_s: float
    end_s: float
    text: str
    average_log_probability: float | None
    no_speech_probability: float | None
    looped: bool
    is_cut: bool
    words: list[WordRecord] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingRecord:
    """The transcript of a recording."""

    audio: str | None = absent()
    """The path of the recording, in the result of the verb."""
    language: str | None
    duration_s: float
    text: str
    decoded_again: int
    looped: int
    """The number of segments that ended in a loop."""
    cut: int
    """The number of segments after which text is missing."""
    segments: list[SegmentRecord]


@dataclass(frozen=True, slots=True)
class TranscribeResult:
    """The new transcripts, the number of older ones, and the recordings that failed."""

    model: str
    files: list[RecordingRecord]
    already_done: int
    faults: list[str]


def recording_record(recording: Recording, audio: str | None = None) -> RecordingRecord:
    """Return the record of a transcript."""
    return RecordingRecord(
        audio=audio,
        language=recording.language,
        duration_s=round(recording.duration_s, 3),
        text=recording.text,
        decoded_again=recording.decoded_again,
        looped=sum(each.looped for each in recording.segments),
        cut=sum(each.is_cut for each in recording.segments),
        segments=[_segment(each) for each in recording.segments],
    )


def _segment(segment: Segment) -> SegmentRecord:
    return SegmentRecord(
        start_s=round(segment.start_s, 3),
        end_s=round(segment.end_s, 3),
        text=segment.text,
        average_log_probability=_rounded(segment.average_log_probability),
        no_speech_probability=_rounded(segment.no_speech_probability),
        looped=segment.looped,
        is_cut=segment.is_cut,
        words=None if segment.words is None else [_word(each) for each in segment.words],
    )


def _word(word: Word) -> WordRecord:
    times = round(word.start_s, 3), round(word.end_s, 3)
    return WordRecord(word.text.strip(), *times, round(word.probability, 4))


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)
