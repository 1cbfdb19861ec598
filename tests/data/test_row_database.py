"""Splits that the database makes: which speakers and sentences it holds out."""

import hashlib
from collections.abc import Iterable

import numpy as np

from mothertongue.data.clip_checks import Examined
from mothertongue.data.manifest import Split, Utterance
from mothertongue.data.row_database import open_row_database
from mothertongue.data.splits import TOLERANCES, SplitBy, assign

CLIP_S = 5.0
SPEAKERS = 100
# Zipf: the largest speaker has as many clips as are needed to fill a held-out split by itself.
CLIPS = [max(1, round(80 / (1 + rank))) for rank in range(SPEAKERS)]
SEEDS = range(40)


def examined(number: int, speaker: str | None, sentence: str) -> Examined:
    clip = Utterance(
        f"c{number}", f"/x/c{number}.wav", sentence, "sw", CLIP_S, split="train", speaker=speaker
    )
    return Examined(
        where=f"f:{number}",
        utterance=clip,
        split=None,
        long_id=None,
        audio_key=_key(f"audio {number}"),
        sentence_key=_key(sentence),
        sentence_id=None,
        notes=(),
    )


def split(
    rows: Iterable[Examined], seed: int, ways: tuple[SplitBy, ...] = ("speaker and sentence",)
) -> dict[str, Split]:
    """The split of each clip by its id."""
    with open_row_database() as database:
        for row in rows:
            database.add(row)
        database.index()
        assert database.split(seed, ways, 1.0) == ways[0]
        return {each.id: each.split for each in database.utterances()}


def zipf_rows() -> list[Examined]:
    owners = [speaker for speaker, clips in enumerate(CLIPS) for _ in range(clips)]
    return [examined(n, f"s{speaker}", f"sentence {n}") for n, speaker in enumerate(owners)]


def held_out(splits: dict[str, Split], rows: list[Examined]) -> set[str]:
    speakers = {row.utterance.id: row.utterance.speaker for row in rows}
    return {str(speakers[name]) for name, found in splits.items() if found == "test"}


def drawn_at_random(seed: int) -> set[str]:
    """The speakers in test where their order is a permutation by numpy: the reference."""
    order = np.random.default_rng(seed).permutation(SPEAKERS)
    groups = ((int(speaker), CLIPS[speaker] * CLIP_S) for speaker in order)
    found = assign(groups, sum(CLIPS) * CLIP_S, TOLERANCES[0])
    return {f"s{speaker}" for speaker, name in found if name == "test"}


def test_every_speaker_is_as_likely_to_be_held_out() -> None:
    rows = zipf_rows()
    ours = [held_out(split(rows, seed), rows) for seed in SEEDS]
    reference = [drawn_at_random(seed) for seed in range(1000)]
    # The mean number of speakers in test: within four standard errors of random drawing.
    counts = np.array([len(each) for each in reference])
    error = 4 * counts.std() / len(SEEDS) ** 0.5
    assert abs(np.mean([len(each) for each in ours]) - counts.mean()) < error
    # The second largest speaker fits into a held-out split; how often is it there?
    share = np.mean(["s1" in each for each in reference])
    error = 4 * (share * (1 - share) / len(SEEDS)) ** 0.5
    assert abs(np.mean(["s1" in each for each in ours]) - share) < error


def test_a_speaker_keeps_the_place_in_the_order_when_clips_are_added() -> None:
    rows = zipf_rows()
    before = held_out(split(rows, 0), rows)
    more = [examined(9000 + n, f"s{n}", f"new sentence {n}") for n in range(SPEAKERS)]
    after = held_out(split([*rows, *more], 0), [*rows, *more])
    assert len(before & after) > 0.7 * len(before)


def test_without_speakers_sentences_are_drawn_by_their_own_hash() -> None:
    rows = [examined(n, None, f"sentence {n % 50}") for n in range(200)]
    order = sorted(range(50), key=lambda n: _drawn(0, f"sentence {n}"))
    expected = {f"c{n}" for n in range(200) if n % 50 in order[:5]}
    found = split(rows, 0, ("sentence",))
    assert {name for name, where in found.items() if where == "test"} == expected


def _key(text: str) -> bytes:
    return hashlib.blake2b(text.encode(), digest_size=16).digest()


def _drawn(seed: int, text: str) -> bytes:
    return hashlib.blake2b(_key(text), digest_size=8, salt=seed.to_bytes(8, "little")).digest()
