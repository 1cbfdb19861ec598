"""Find held-out clips whose audio, sentence or speaker a run also trains on. No torch."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from mothertongue.data.clip_facts import NUM_NAMED, ClipFacts
from mothertongue.data.manifest import PREPARE, Split
from mothertongue.errors import DataError

MOST_SHARED = 0.5
"""The share of the held-out clip's time above which two clips of one long file are one sound."""
HELD_OUT: tuple[tuple[Split, Split], ...] = (
    ("train", "validation"),
    ("train", "test"),
    ("validation", "test"),
)


@dataclass(frozen=True, slots=True)
class LeakCounts:
    """How many of the held-out clips share audio, a sentence or a speaker with others."""

    clips: int
    audio: int
    sentences: int
    speakers: int

    def __str__(self) -> str:
        """Return the counts as text; empty where nothing is shared."""
        parts = [
            f"{count:,} share {noun}"
            for count, noun in (
                (self.audio, "audio"),
                (self.sentences, "a sentence"),
                (self.speakers, "a speaker"),
            )
            if count
        ]
        if not parts:
            return ""
        return f"of {self.clips:,} clips {' and '.join(parts)} with the training clips"


@dataclass(frozen=True, slots=True)
class Leaks:
    """The held-out clips, by id, that share audio, a sentence or a speaker with others."""

    num_clips: int
    audio: tuple[str, ...]
    sentences: tuple[str, ...]
    speakers: tuple[str, ...]

    def counts(self) -> LeakCounts:
        """Return the number of clips that share each."""
        return LeakCounts(self.num_clips, len(self.audio), len(self.sentences), len(self.speakers))


def find_leaks(trained: Sequence[ClipFacts], held_out: Sequence[ClipFacts]) -> Leaks:
    """Return the clips of `held_out` that share audio, a sentence or a speaker with `trained`.

    Audio is the same where whole files have the same bytes, and the clips the same time in them.
    Only files of equal size are read. Speakers are compared by name.
    """
    sentences = {each.sentence for each in trained} - {""}
    speakers = {each.speaker for each in trained} - {None}
    return Leaks(
        len(held_out),
        tuple(_same_audio(trained, held_out)),
        tuple(each.id for each in held_out if each.sentence in sentences),
        tuple(each.id for each in held_out if each.speaker in speakers),
    )


def check_splits(facts: Sequence[ClipFacts], data: str, noted: Callable[[str], None]) -> None:
    """Raise DataError if two splits of a run's `data` share audio.

    A sentence or a speaker of train that is held out too is passed to `noted`.
    """
    faults = []
    for first, second in HELD_OUT:
        trained, held_out = (
            [each for each in facts if each.split == name] for name in (first, second)
        )
        found = find_leaks(trained, held_out)
        if found.audio:
            faults.append(
                f"  {second}: {len(found.audio):,} of {found.num_clips:,} clips have the audio of "
                f"a clip of {first}: {named(found.audio)}"
            )
        if first == "train" and (said := str(found.counts())):
            noted(f"{data}, {second}: {said}")
    if faults:
        raise DataError(
            f"{data}: clips of one split are also in another, expected every sound in one split:\n"
            + "\n".join(faults)
            + "\nRemove them from one of the manifests, or make one manifest of all with: "
            f"{PREPARE}"
        )


def named(ids: Sequence[str]) -> str:
    """Return the first of many ids, as text."""
    more = ", ..." if len(ids) > NUM_NAMED else ""
    return ", ".join(ids[:NUM_NAMED]) + more


def _same_audio(trained: Sequence[ClipFacts], held_out: Sequence[ClipFacts]) -> Iterator[str]:
    sizes = {each.size for each in trained} & {each.size for each in held_out}
    times: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for each in trained:
        if each.size in sizes:
            times[each.content()].append(_time(each))
    for each in held_out:
        if each.size not in sizes:
            continue
        start_s, end_s = _time(each)
        shared_s = MOST_SHARED * (end_s - start_s)
        known = times.get(each.content(), ())
        if any(min(end_s, end) - max(start_s, start) > shared_s for start, end in known):
            yield each.id


def _time(each: ClipFacts) -> tuple[float, float]:
    return each.start_s, each.start_s + each.duration_s
