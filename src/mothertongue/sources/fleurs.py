"""FLEURS as published: a tsv without a header for each split, and audio/<split>/*.wav."""

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from mothertongue.sources.base import Rejection, Row, Source, to_row
from mothertongue.sources.records import read_delimited

# `sentence_id` repeats for every speaker who read the sentence, so it is no id of a clip. We do
# not need it to keep a sentence in one split either: its text groups it.
HEADER = (
    "sentence_id",
    "file_name",
    "raw_transcription",
    "transcription",
    "chars",
    "num_samples",
    "gender",
)
SPLITS = ("train", "dev", "test")
SAMPLE_RATE_HZ = 16_000


class FleursSource(Source):
    """One language folder of google/fleurs, such as `sw_ke`."""

    kind: Literal["fleurs"] = "fleurs"
    path: Path
    """The language folder."""
    text: Literal["transcription", "raw_transcription"] = "transcription"
    """`transcription` is lower case without punctuation, as the FLEURS and Whisper papers score;
    `raw_transcription` is as written."""

    @property
    def root(self) -> Path:
        return self.path

    def rows(self) -> Iterator[Row | Rejection]:
        for split in SPLITS:
            if not (self.path / f"{split}.tsv").is_file():
                continue
            table = self.path / f"{split}.tsv"
            for item in read_delimited(table, "\t", has_quotes=False, header=HEADER):
                if isinstance(item, Rejection):
                    yield item
                else:
                    where, record = item
                    yield to_row(where, self._fields(split, record))

    def _fields(self, split: str, record: dict[str, str]) -> dict[str, object]:
        samples = record["num_samples"]
        return {
            "audio": f"audio/{split}/{record['file_name']}",
            "text": record[self.text],
            "split": split,
            "duration_s": int(samples) / SAMPLE_RATE_HZ if samples.isdecimal() else samples,
        }
