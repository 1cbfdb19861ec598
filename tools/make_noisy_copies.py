"""Write noisy copies of the test split of prepared data, to see what noise does to a model.

python tools/make_noisy_copies.py DATA OUT --babble OTHER [--snr-db 10] [--split test]

OUT/babble has each clip with four other people speaking (clips of OTHER, prepared data too, in
other places for each clip) at this ratio of the mean powers, in dB. OUT/telephone has each clip as
a telephone line gives it: 300 to 3,400 Hz at 8 kHz, 8-bit mu-law. The same command writes the same
bytes.
"""

import argparse
import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import soundfile

from mothertongue.data.audio.load import SAMPLE_RATE_HZ
from mothertongue.data.augment.waveform import add_noise, telephone
from mothertongue.data.clips import Samples, load_clip
from mothertongue.data.manifest import MANIFEST_NAME, ROOT, Utterance, read_data, write_manifest

VOICES = 4


def main() -> None:
    options = parse_arguments()
    clips = [clip for clip in read_data([options.data]) if clip.split == options.split]
    voices = [load_clip(ROOT, clip) for clip in read_data([options.babble])]
    draw = random.Random(0)
    write_copy(clips, options.out / "telephone", telephone)
    write_copy(
        clips,
        options.out / "babble",
        lambda clip_N: add_noise(clip_N, babble(voices, len(clip_N), draw), options.snr_db),
    )


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--babble", type=Path, required=True)
    parser.add_argument("--snr-db", type=float, default=10.0)
    parser.add_argument("--split", default="test")
    return parser.parse_args()


def babble(voices: list[Samples], num_samples: int, draw: random.Random) -> Samples:
    """Return the sum (N,) of some voices of equal power, each repeated from a drawn place."""
    chosen = [
        np.roll(voice_M, draw.randrange(len(voice_M))) for voice_M in draw.sample(voices, VOICES)
    ]
    loud = [voice_M / np.sqrt(np.mean(voice_M**2) + 1e-12) for voice_M in chosen]
    total_N: Samples = sum(np.resize(voice_M, num_samples) for voice_M in loud).astype(np.float32)
    return total_N


def write_copy(clips: list[Utterance], folder: Path, changed: Callable[[Samples], Samples]) -> None:
    """Write the changed clips as 16-bit FLAC, with their manifest."""
    (folder / "clips").mkdir(parents=True, exist_ok=True)
    copies = []
    for number, clip in enumerate(clips):
        name = f"clips/{number:04}.flac"
        samples_N = np.clip(changed(load_clip(ROOT, clip)), -1, 1)
        soundfile.write(folder / name, samples_N, SAMPLE_RATE_HZ, subtype="PCM_16")
        duration_s = len(samples_N) / SAMPLE_RATE_HZ
        copies.append(replace(clip, audio=name, start_s=None, duration_s=duration_s))
    write_manifest(folder / MANIFEST_NAME, copies)


if __name__ == "__main__":
    main()
