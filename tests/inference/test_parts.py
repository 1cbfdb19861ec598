"""Nothing that is said is lost where a piece has more text than the decoder can write."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from reader import RATE_HZ, Reader, ramp
from tiny import noise

from mothertongue.decoding.transcript import Clip, Transcript, make_transcript, token_limit
from mothertongue.inference.parts import decode_parts
from mothertongue.inference.records import recording_record
from mothertongue.inference.speech_detection import Spans, everything
from mothertongue.inference.subtitles import Recording
from mothertongue.inference.transcribe import transcribe_files
from mothertongue.model.tokenizer import Tokens

SECONDS = 120
# Blocks of letters in Unicode: from, to.
DENSE = {
    "Ethiopic": (0x1200, 0x1357), "Burmese": (0x1000, 0x1021), "Tibetan": (0x0F40, 0x0F6C),
    "Lao": (0x0E81, 0x0EAE), "Adlam": (0x1E900, 0x1E943), "Georgian": (0x10D0, 0x10F0),
    "Gujarati": (0x0A85, 0x0AB9), "Bengali": (0x0985, 0x09B9), "Gurmukhi": (0x0A05, 0x0A39),
    "Telugu": (0x0C05, 0x0C39), "Kannada": (0x0C85, 0x0CB9), "Malayalam": (0x0D05, 0x0D39),
    "Sinhala": (0x0D85, 0x0DC6),
}  # fmt: skip


def text_of(script: str, length: int, seed: int = 0) -> str:
    """Random words of 2-9 letters."""
    rng = np.random.default_rng(seed)
    first, last = DENSE[script]
    letters = [chr(code) for code in range(first, last + 1) if chr(code).isalpha()]
    words: list[str] = []
    while len(" ".join(words)) < length:
        words.append("".join(rng.choice(letters, rng.integers(2, 10))))
    return " ".join(words)[:length]


def voice(samples_N: np.ndarray) -> Spans:
    """A detector that hears somebody speak all the time, in spans of 29 s at most."""
    edges = [*range(0, len(samples_N), 29 * RATE_HZ), len(samples_N)]
    return list(pairwise(edges))


@pytest.fixture(scope="module")
def long(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("long") / "long.wav"
    soundfile.write(path, ramp(SECONDS), RATE_HZ, subtype="FLOAT")
    return path


def transcribed(engine: Any, path: Path, find: Any = everything, **options: Any) -> Recording:
    ((_, found),) = transcribe_files(engine, [path], find, "am", "full", **options)
    assert isinstance(found, Recording)
    return found


@pytest.mark.parametrize("find", [everything, voice], ids=["vad off", "detector"])
@pytest.mark.parametrize("script", DENSE)
def test_nothing_is_lost_of_two_minutes_without_a_pause(
    tokens: Tokens, long: Path, script: str, find: Any
) -> None:
    speed = 9 if script == "Ethiopic" else 15
    text = text_of(script, speed * SECONDS)
    found = transcribed(Reader(tokens, text, speed, "am"), long, find)
    assert found.text.replace(" ", "") == text.replace(" ", "")
    assert found.decoded_again > 0
    assert not any(each.is_cut or each.looped for each in found.segments)
    ends = [(each.start_s, each.end_s) for each in found.segments]
    assert ends[0][0] == 0 and ends[-1][1] == SECONDS
    assert [end for _, end in ends[:-1]] == pytest.approx([start for start, _ in ends[1:]])


def test_words_keep_their_times(tokens: Tokens, long: Path) -> None:
    text = text_of("Ethiopic", 9 * SECONDS)
    found = transcribed(Reader(tokens, text, 9, "am"), long, word_times=True)
    words = [word for each in found.segments for word in each.words or ()]
    assert found.decoded_again > 0
    place = 0
    for word in words:
        place = text.index(word.text.strip(), place)
        assert word.start_s == pytest.approx(place / 9, abs=0.12)  # a character
    assert "".join(word.text.strip() for word in words) == text.replace(" ", "")


def test_what_fits_is_decoded_once(tokens: Tokens, long: Path) -> None:
    engine = Reader(tokens, "habari ya asubuhi " * 100, 9, "sw")
    found = transcribed(engine, long)
    assert found.decoded_again == 0
    assert len(engine.clips) == len(found.segments)


def test_clips_that_are_not_cut_keep_their_place(tokens: Tokens) -> None:
    text = text_of("Tibetan", 12 * SECONDS)
    engine, whole_N = Reader(tokens, text, 12, "bo"), ramp(SECONDS)
    spans = [(0, 2), (10, 40), (50, 53), (60, 90)]
    clips = [Clip(whole_N[a * RATE_HZ : b * RATE_HZ], "bo") for a, b in spans]
    found = decode_parts(engine, clips)
    assert [len(parts) > 1 for parts in found] == [False, True, False, True]
    for (a, b), parts in zip(spans, found, strict=True):
        said = "".join(part.transcript.text for part in parts).replace(" ", "")
        assert said == text[12 * a : 12 * b].replace(" ", "")
    assert decode_parts(engine, []) == []


class Singer(Reader):
    """Says of a clip with the whole chorus in it only what is before, and the chorus once."""

    CHORUS = slice(45, 54)  # characters: from 5 s to 6 s

    def _read(self, clip: Clip) -> Transcript:
        begin, end = self.place(clip)
        if not begin <= self.CHORUS.start < self.CHORUS.stop <= end:
            return super()._read(clip)
        ids = self.tokens.encode(self.text[begin : self.CHORUS.start])
        loop = self.tokens.encode("haleluya") * 60
        limit = token_limit(clip.duration_s)
        return make_transcript(self.tokens, self.language, [*ids, *loop], limit, -0.1)


def test_what_follows_a_loop_is_found(tokens: Tokens, long: Path) -> None:
    rng = np.random.default_rng(0)
    text = "".join(rng.choice([*"abcdefghij"], 9 * SECONDS))
    found = transcribed(Singer(tokens, text, 9, "sw"), long)
    said = found.text.replace(" ", "")
    assert said.startswith(text[:45] + "haleluya")
    assert said.endswith(text[9 * 11 :])  # at most 11 s are taken together with the chorus
    assert (found.decoded_again, [each.looped for each in found.segments].count(True)) == (1, 1)
    facts = recording_record(found)
    assert (facts.decoded_again, facts.looped, facts.cut) == (1, 1, 0)
    assert [each.looped for each in facts.segments].count(True) == 1


class Hopeless:
    """Never ends."""

    def __init__(self, looped: bool) -> None:
        self.looped, self.seconds = looped, list[float]()

    def __call__(self, audio: Sequence[np.ndarray], language: str | None) -> list[Transcript]:
        raise AssertionError

    def decode(self, clips: Sequence[Clip]) -> list[Transcript]:
        self.seconds += [each.duration_s for each in clips]
        said = Transcript("ah", "sw", (1,), -0.1)
        return [replace(said, looped=self.looped, is_cut=not self.looped) for _ in clips]


@pytest.mark.parametrize(("looped", "least_s", "times"), [(True, 11.0, 7), (False, 4.0, 31)])
@pytest.mark.parametrize("seed", range(3))
def test_what_never_ends_has_its_price(
    looped: bool, least_s: float, times: int, seed: int, tmp_path: Path
) -> None:
    engine = Hopeless(looped)
    (parts,) = decode_parts(engine, [Clip(noise(30.0, seed), None)])
    assert len(engine.seconds) <= times
    assert all(len(each.samples_N) / RATE_HZ <= least_s for each in parts)
    assert sum(len(each.samples_N) for each in parts) == 30 * RATE_HZ
    assert all(each.transcript.is_cut != looped for each in parts)
