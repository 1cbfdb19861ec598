"""Decode a clip again in two halves if its text was cut off or ended in a loop. No torch.

A decoder writes 444 tokens at most. In scripts of two to four tokens a character that is less than
30 s of speech; and what follows a loop in the audio is missing in the text.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from mothertongue.data.audio.load import Samples, split_at_quiet
from mothertongue.decoding.transcript import Clip, ClipTranscriber, Transcript
from mothertongue.inference.speech_detection import Piece

MIN_CUT_S = 4.0
"""A clip that was cut off is halved while it is longer: 444 tokens in 4 s are 28 characters a
second of the 4 bytes that a character has at most, quicker than anybody speaks."""
MIN_LOOPED_S = 11.0
"""A clip that loops is halved while it is longer. Music and noise loop at any length, so this also
bounds what they cost: 30 s are decoded seven times at most."""
LONGEST_HALF = 0.6
"""The longest half as a share of the clip: it is cut at its quietest moment from 0.4 to 0.6."""


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a clip with its start in the clip, in seconds, and its transcript."""

    start_s: float
    samples_N: Samples
    transcript: Transcript

    def piece(self, clip_start_s: float) -> Piece:
        """Return the piece of the recording, whose clip begins at `clip_start_s`."""
        return Piece(clip_start_s + self.start_s, self.samples_N)


def decode_parts(engine: ClipTranscriber, clips: Sequence[Clip]) -> list[list[Part]]:
    """Return the parts of each clip in order: one, or several if it was decoded again.

    All halves of all clips share batches. They take the language of the whole clip.
    """
    transcripts = engine.decode(clips)
    found = [
        [Part(0.0, clip.samples_N, transcript)]
        for clip, transcript in zip(clips, transcripts, strict=True)
    ]
    again = [i for i, each in enumerate(clips) if _is_halved(each.duration_s, transcripts[i])]
    if not again:
        return found
    halves = [half for i in again for half in _halves(clips[i], transcripts[i].language)]
    decoded = decode_parts(engine, halves)
    for place, i in enumerate(again):
        first, second = decoded[2 * place : 2 * place + 2]
        middle_s = halves[2 * place].duration_s
        found[i] = [*first, *(replace(each, start_s=middle_s + each.start_s) for each in second)]
    return found


def _is_halved(duration_s: float, transcript: Transcript) -> bool:
    return (transcript.is_cut and duration_s > MIN_CUT_S) or (
        transcript.looped and duration_s > MIN_LOOPED_S
    )


def _halves(clip: Clip, language: str) -> list[Clip]:
    parts = split_at_quiet(clip.samples_N, LONGEST_HALF * clip.duration_s)
    assert len(parts) == 2  # what is left of the clip is 0.4 to 0.6 of it
    return [replace(clip, samples_N=part_N, language=language) for part_N in parts]
