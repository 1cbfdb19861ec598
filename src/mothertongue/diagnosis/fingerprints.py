"""Compute fingerprints of sound that survive another codec, gain or cut; find near-duplicates.

Haitsma and Kalker 2002, "A Highly Robust Audio Fingerprinting System": a spectrum in 33 bands gives
32 bits for each frame. A bit says whether the difference of two neighbouring bands grows over time.
No torch.
N samples at 16 kHz, F frames, B bands.
"""

import base64
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from mothertongue.data.audio.load import SAMPLE_RATE_HZ, Samples

Words = np.ndarray[Any, np.dtype[np.uint32]]
WINDOW, HOP = 4096, 512
"""0.26 s every 32 ms, with much overlap: a shift by half a step matters little."""
NUM_BANDS = 33
LOWEST_HZ, HIGHEST_HZ = 300.0, 3500.0  # the band of a telephone's codec
QUIET = 1e-3  # share of the loudest frame's energy: -30 dB; quieter frames differ between codecs
MAX_BIT_ERRORS = 0.3
"""The share of differing bits in aligned fingerprints. Unrelated sound differs in half of the bits
(in the paper the limit is 0.35, sec. 4.2)."""
MIN_FRAMES = 24
"""The number of frames that must overlap, 0.8 s: fewer frames agree by chance too often."""
MAX_SHARERS = 50  # a word in more clips than this is no evidence


def fingerprint(samples_N: Samples) -> str:
    """Return the words of a clip in base64, 32 bits a frame, 0 if quiet. Empty under 0.4 s."""
    if len(samples_N) < WINDOW + HOP:
        return ""
    energy_FB = _band_energy(samples_N)
    bands_FB = np.log(energy_FB + 1e-10 * energy_FB.max(initial=1e-20))
    slopes_FB = bands_FB[:, 1:] - bands_FB[:, :-1]
    bits_FB = slopes_FB[1:] > slopes_FB[:-1]
    loud_F = energy_FB.sum(axis=1)
    bits_FB[loud_F[1:] < QUIET * loud_F.max(initial=0.0)] = False
    return base64.b64encode(np.packbits(bits_FB, axis=1).tobytes()).decode("ascii")


def near_duplicates(fingerprints: Sequence[str]) -> Iterator[tuple[int, int, float]]:
    """Yield pairs of numbers of clips with the same sound, and their share of differing bits.

    Words that two clips share vote for a shift between them. The best shift is then verified on all
    frames that overlap.
    """
    words = [_words(each) for each in fingerprints]
    places: dict[int, list[tuple[int, int]]] = defaultdict(list)
    for number, words_F in enumerate(words):
        for place, word in enumerate(words_F.tolist()):
            if word:
                places[word].append((number, place))
    votes: Counter[tuple[int, int, int]] = Counter()
    for found in places.values():
        if len(found) <= MAX_SHARERS:
            votes.update((a, b, j - i) for a, i in found for b, j in found if a < b)
    best: dict[tuple[int, int], tuple[int, int]] = {}
    for (a, b, shift), count in votes.items():
        best[a, b] = max(best.get((a, b), (0, 0)), (count, shift))
    for (a, b), (_, shift) in sorted(best.items()):
        share = _differing(words[a], words[b], shift)
        if share < MAX_BIT_ERRORS:
            yield a, b, share


def _differing(a_F: Words, b_F: Words, shift: int) -> float:
    """Return the share of bits that differ if frame f of `a` is on frame f + shift of `b`."""
    first = max(0, -shift)
    count = min(len(a_F) - first, len(b_F) - first - shift)
    if count <= 0:
        return 1.0
    a_F, b_F = a_F[first : first + count], b_F[first + shift : first + shift + count]
    both_F = (a_F > 0) & (b_F > 0)
    if both_F.sum() < MIN_FRAMES:
        return 1.0
    return float(np.bitwise_count(a_F[both_F] ^ b_F[both_F]).mean() / (NUM_BANDS - 1))


def _words(text: str) -> Words:
    return np.frombuffer(base64.b64decode(text), dtype=">u4").astype(np.uint32)


def _band_energy(samples_N: Samples) -> np.ndarray[Any, np.dtype[np.float64]]:
    frames_FN = np.lib.stride_tricks.sliding_window_view(samples_N, WINDOW)[::HOP]
    spectrum_FK = np.abs(np.fft.rfft(frames_FN * np.hanning(WINDOW), axis=1)) ** 2
    edges_hz = np.geomspace(LOWEST_HZ, HIGHEST_HZ, NUM_BANDS + 1)
    edges = np.round(edges_hz * WINDOW / SAMPLE_RATE_HZ).astype(int)
    energy_FB = np.add.reduceat(spectrum_FK[:, : edges[-1]], edges[:-1], axis=1)
    return np.asarray(energy_FB, np.float64)
