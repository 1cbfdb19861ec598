"""Change a clip at random, in a new way in each epoch.

Each kind of change draws from its own generator, seeded by the run's seed, the epoch, the clip's id
and the kind. The result depends neither on ranks and data workers nor on earlier draws, and without
one kind the other kinds stay as they are.
"""

from collections.abc import Callable, Iterator
from functools import partial

import numpy as np

from mothertongue.data.audio.decoders import Samples
from mothertongue.data.audio.file import AudioError
from mothertongue.data.augment.config import (
    AugmentConfig,
    GainConfig,
    LowPassConfig,
    NoiseConfig,
    ReverberationConfig,
    allowed,
)
from mothertongue.data.augment.masks import Masks, draw_masks, no_masks
from mothertongue.data.augment.sound_folder import SoundFolder
from mothertongue.data.augment.waveform import (
    add_noise,
    change_gain,
    change_speed,
    colored_noise,
    decaying_response,
    from_direct_sound,
    low_pass,
    reverberate,
    telephone,
)
from mothertongue.data.draws import drawn_number, drawn_share
from mothertongue.data.manifest import Utterance

LONGEST_NOISE_S, LONGEST_RESPONSE_S = 600.0, 10.0

Rng = np.random.Generator
Change = Callable[[Samples, Rng], Samples]


class Augmenter:
    """Changes clips as the settings say. With all settings off it returns its input."""

    def __init__(self, config: AugmentConfig, seed: int) -> None:
        """Raises ConfigError if a folder of sounds has no sounds."""
        self.config, self.seed = config, seed
        self._changes = list(_changes(config, dict(_folders(config))))

    def factor(self, clip: Utterance, epoch: int) -> float:
        """Return the speed factor of the clip; 1 if the factor would make it longer than 30 s.

        It depends on the stated duration, not on the samples: the plan of an epoch needs it.
        """
        speed = self.config.speed
        if speed is None:
            return 1.0
        # Without a generator, which takes 10 times as long: a plan needs this for every clip.
        share = drawn_share("speed", self.seed, epoch, clip.id)
        return allowed(speed.drawn(share), clip.duration_s)

    def duration_s(self, clip: Utterance, epoch: int) -> float:
        """Return the duration of the clip in this epoch, in seconds."""
        return clip.duration_s / self.factor(clip, epoch)

    def samples(self, samples_N: Samples, clip: Utterance, epoch: int) -> Samples:
        """Return the changed samples of the clip for this epoch.

        Raises AudioError if a sound that is mixed in cannot be read.
        """
        factor = self.factor(clip, epoch)
        if factor != 1:
            samples_N = change_speed(samples_N, factor)
        for name, probability, change in self._changes:
            rng = self._rng(name, clip, epoch)
            if rng.random() < probability:
                samples_N = change(samples_N, rng)
        return samples_N

    def masks(self, num_frames: int, clip: Utterance, epoch: int) -> Masks:
        """Return the masks of the clip in this epoch; its spectrogram has `num_frames` frames.

        Valid only if the settings have `spec_augment`.
        """
        config = self.config.spec_augment
        assert config is not None
        rng = self._rng("spec_augment", clip, epoch)
        is_masked = rng.random() < config.probability
        return draw_masks(config, num_frames, rng) if is_masked else no_masks(config)

    def _rng(self, name: str, clip: Utterance, epoch: int) -> Rng:
        return np.random.default_rng(drawn_number(name, self.seed, epoch, clip.id))


def sound_digests(config: AugmentConfig) -> dict[str, str]:
    """Return the SHA-256 of each folder of sounds, by the name of the change that uses it."""
    return {name: folder.digest() for name, folder in _folders(config)}


def _folders(config: AugmentConfig) -> Iterator[tuple[str, SoundFolder]]:
    """Yield the folders of sounds, each after the name of the change that uses it."""
    limits = {"reverberation": LONGEST_RESPONSE_S, "noise": LONGEST_NOISE_S}
    for name, longest_s in limits.items():
        change = getattr(config, name)
        if change is not None and change.folder is not None:
            yield name, SoundFolder(change.folder, f"train.augment.{name}.folder", longest_s)


def _changes(
    config: AugmentConfig, folders: dict[str, SoundFolder]
) -> Iterator[tuple[str, float, Change]]:
    """Yield the name, probability and function of each change that is on.

    The order is that of a recording: the room, the noise in it, the microphone, the line, its
    level.
    """
    if room := config.reverberation:
        recorded = folders.get("reverberation")
        yield "reverberation", room.probability, partial(_in_room, room, recorded)
    if noise := config.noise:
        yield "noise", noise.probability, partial(_in_noise, noise, folders.get("noise"))
    if band := config.low_pass:
        yield "low_pass", band.probability, partial(_low_passed, band)
    if line := config.telephone:
        yield "telephone", line.probability, _on_telephone
    if gain := config.gain:
        yield "gain", gain.probability, partial(_gained, gain)


def _in_room(
    config: ReverberationConfig, folder: SoundFolder | None, samples_N: Samples, rng: Rng
) -> Samples:
    if folder is not None:
        return reverberate(samples_N, from_direct_sound(_response(folder, rng)))
    response_K = decaying_response(rng.uniform(*config.rt60_s), rng.uniform(*config.direct_db), rng)
    return reverberate(samples_N, response_K)


def _in_noise(
    config: NoiseConfig, folder: SoundFolder | None, samples_N: Samples, rng: Rng
) -> Samples:
    snr_db = rng.uniform(*config.snr_db)
    if folder is None:
        color = config.colors[rng.integers(len(config.colors))]
        return add_noise(samples_N, colored_noise(len(samples_N), color, rng), snr_db)
    sound_K = _sound(folder, rng)
    start = int(rng.integers(len(sound_K)))
    # From `start` on; the sound is repeated if it is shorter than the clip.
    noise_N = np.resize(np.roll(sound_K, -start), len(samples_N))
    return add_noise(samples_N, noise_N, snr_db)


def _low_passed(config: LowPassConfig, samples_N: Samples, rng: Rng) -> Samples:
    return low_pass(samples_N, rng.uniform(*config.cutoff_hz))


def _on_telephone(samples_N: Samples, rng: Rng) -> Samples:
    return telephone(samples_N)


def _gained(config: GainConfig, samples_N: Samples, rng: Rng) -> Samples:
    return change_gain(samples_N, rng.uniform(*config.db))


def _response(folder: SoundFolder, rng: Rng) -> Samples:
    """Return a recorded room. Raises AudioError for silence, which would silence the clip too."""
    number = int(rng.integers(len(folder.files)))
    response_K = folder.load(number)
    if not response_K.any():
        reason = f"{folder.files[number]}: silence, expected the response of a room to an impulse"
        raise AudioError("AUD-SILENT", reason, "remove it from the folder")
    return response_K


def _sound(folder: SoundFolder, rng: Rng) -> Samples:
    return folder.load(int(rng.integers(len(folder.files))))
