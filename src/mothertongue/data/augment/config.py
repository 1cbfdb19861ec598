"""Define the settings of augmentation, as `train.augment` gives them."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, NonNegativeInt, PositiveInt, model_validator

from mothertongue.config import Config

LONGEST_S = 30.0  # the length of Whisper's positions


def _ascending(bounds: tuple[float, float]) -> tuple[float, float]:
    if bounds[0] > bounds[1]:
        raise ValueError("expected the smaller number first")
    return bounds


def _changing(factors: tuple[float, ...]) -> tuple[float, ...]:
    if 1.0 in factors:
        raise ValueError("factor 1 changes nothing; leave it out, and lower the probability")
    if any(round(each, 3) != each for each in factors):
        # With three decimals 16,000 times a factor is whole, so no clip exceeds its context.
        raise ValueError("expected at most three decimals")
    return factors


Probability = Annotated[float, Field(gt=0, le=1)]
Factor = Annotated[float, Field(ge=0.5, le=2)]
Color = Literal["white", "pink", "brown"]
_Db = Annotated[float, Field(ge=-100, le=100)]
_Hz = Annotated[float, Field(ge=500, le=7900)]
_Rt60 = Annotated[float, Field(ge=0.01, le=5)]
DbRange = Annotated[tuple[_Db, _Db], AfterValidator(_ascending)]
HzRange = Annotated[tuple[_Hz, _Hz], AfterValidator(_ascending)]
Rt60Range = Annotated[tuple[_Rt60, _Rt60], AfterValidator(_ascending)]


def allowed(factor: float, duration_s: float) -> float:
    """Return the factor, or 1 if it would make a clip longer than Whisper takes."""
    return 1.0 if duration_s / factor > LONGEST_S else factor


class SpeedConfig(Config):
    """Change the speed of speech by resampling. The pitch changes too.

    Ko et al. 2015, "Audio augmentation for speech recognition", sec. 2.
    """

    probability: Probability = 0.67
    """Share of the clips that change. With two factors, 0.67 gives each factor a third of the clips
    and leaves a third unchanged, as Ko et al. 2015 do."""
    factors: Annotated[tuple[Factor, ...], Field(min_length=1), AfterValidator(_changing)] = (
        0.9,
        1.1,
    )
    """The factors, equally likely: 1.1 is faster. A clip that a factor would make longer than 30 s
    stays unchanged."""

    def drawn(self, share: float) -> float:
        """Return the factor for a number in [0, 1); 1 if the clip stays unchanged."""
        place = int(share / self.probability * len(self.factors))
        return self.factors[place] if place < len(self.factors) else 1.0

    def outcomes(self, duration_s: float) -> list[tuple[float, float]]:
        """Return the possible durations of a clip in seconds, each after its probability."""
        share = self.probability / len(self.factors)
        factors = [allowed(factor, duration_s) for factor in self.factors]
        changed = [(share, duration_s / factor) for factor in factors]
        return [(1 - self.probability, duration_s), *changed]


class ReverberationConfig(Config):
    """Add the sound of a room: convolve the clip with an impulse response."""

    probability: Probability = 0.1
    """Share of the clips that change."""
    rt60_s: Rt60Range = (0.1, 0.5)
    """The range of the reverberation time in s. In this time the sound falls by 60 dB. The response
    of the room is noise that decays exponentially (Polack 1988). Small rooms are in this range."""
    direct_db: DbRange = (0.0, 10.0)
    """The range of the ratio of the energy of the direct sound to that of the room, in dB."""
    folder: Path | None = None
    """A folder of recorded impulse responses (sound files, at most 10 s each), used instead of
    synthetic ones."""

    @model_validator(mode="after")
    def _every_setting_has_effect(self) -> "ReverberationConfig":
        for name in ("rt60_s", "direct_db"):
            if self.folder and getattr(self, name) != type(self).model_fields[name].default:
                raise ValueError(f"{name} has no effect with a folder; remove it")
        return self


class NoiseConfig(Config):
    """Add noise to the speech."""

    probability: Probability = 0.3
    """Share of the clips that change."""
    snr_db: DbRange = (10.0, 30.0)
    """The range of the signal-to-noise ratio in dB, of the mean powers over the whole clip."""
    colors: Annotated[tuple[Color, ...], Field(min_length=1)] = ("white", "pink", "brown")
    """The colors of the noise, equally likely: a power density of 1, 1/f or 1/f^2."""
    folder: Path | None = None
    """A folder of sound files (at most 10 minutes each), used instead of colored noise."""

    @model_validator(mode="after")
    def _every_setting_has_effect(self) -> "NoiseConfig":
        if self.folder and self.colors != type(self).model_fields["colors"].default:
            raise ValueError("colors has no effect with a folder; remove it")
        return self


class LowPassConfig(Config):
    """Remove high frequencies, as some microphones and files do."""

    probability: Probability = 0.1
    """Share of the clips that change."""
    cutoff_hz: HzRange = (4000.0, 7000.0)
    """The range of the cutoff frequency. Higher frequencies are removed; an 8 kHz file holds 4000
    Hz."""


class TelephoneConfig(Config):
    """Imitate a telephone line: 300 to 3,400 Hz at 8 kHz (ITU-T G.712), 8-bit mu-law (G.711)."""

    probability: Probability = 0.1
    """Share of the clips that change."""


class GainConfig(Config):
    """Make clips louder or quieter."""

    probability: Probability = 1.0
    """Share of the clips that change."""
    db: DbRange = (-6.0, 6.0)
    """The range of the gain in dB."""


class SpecAugmentConfig(Config):
    """Mask parts of the log-mel spectrogram of a clip, never the silence after it.

    Park et al. 2019, "SpecAugment", without time warping, which they found to matter least.
    """

    probability: Probability = 1.0
    """Share of the clips that change."""
    frequency_masks: NonNegativeInt = Field(default=2, le=20)
    """Number of frequency masks; 2 in Park et al.'s policy LD."""
    frequency_share: float = Field(default=0.34, gt=0, le=1)
    """The widest frequency mask as a share of the mel bins; 0.34 is LD's 27 of 80."""
    time_masks: NonNegativeInt = Field(default=2, le=20)
    """Number of time masks; 2 in LD."""
    time_frames: PositiveInt = Field(default=100, le=3000)
    """The longest time mask in frames of 10 ms; 100 in LD."""
    time_share: float = Field(default=0.05, gt=0, le=1)
    """The longest time mask as a share of the clip's own frames (Park et al.'s p); the smaller of
    the two limits holds. LD has 1, which can mask all of a short clip."""

    @model_validator(mode="after")
    def _has_masks(self) -> "SpecAugmentConfig":
        if not self.frequency_masks and not self.time_masks:
            raise ValueError("no masks at all; give frequency_masks or time_masks, or remove it")
        return self


class AugmentConfig(Config):
    """Change the training clips at random, anew in each epoch, in this order; off by default.

    `{}` turns a change on with its defaults. Validation and evaluation are never augmented.
    """

    speed: SpeedConfig | None = None
    """Change the speed of speech."""
    reverberation: ReverberationConfig | None = None
    """Add the sound of a room."""
    noise: NoiseConfig | None = None
    """Add noise to the speech."""
    low_pass: LowPassConfig | None = None
    """Remove high frequencies."""
    telephone: TelephoneConfig | None = None
    """Imitate a telephone line."""
    gain: GainConfig | None = None
    """Make clips louder or quieter."""
    spec_augment: SpecAugmentConfig | None = None
    """Mask parts of the spectrogram."""

    @property
    def is_on(self) -> bool:
        """Return whether any change is on."""
        return self != AugmentConfig()
