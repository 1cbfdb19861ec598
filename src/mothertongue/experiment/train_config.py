"""The settings of training, and the learning rate of each step."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    WithJsonSchema,
    model_validator,
)

from mothertongue.config import Config
from mothertongue.data.augment.config import AugmentConfig
from mothertongue.data.replay import ReplayConfig
from mothertongue.experiment.trackers import known_tracker, tracker_names
from mothertongue.model.context import Context
from mothertongue.system.arguments import Precision

SAVE_EVERY_STEPS = 500
"""The most steps between two checkpoints where the settings give none: an epoch can take days."""

TrackerName = Annotated[
    str,
    AfterValidator(known_tracker),
    WithJsonSchema({"type": "string", "enum": tracker_names()}),
]


@dataclass(frozen=True, slots=True)
class BatchSize:
    """The size of an optimizer step: a number of clips, or as many as fit in some seconds."""

    clips: int
    seconds: float | None = None
    """Seconds of context; where they are given, `clips` does not count."""

    def clips_at(self, context_s: int) -> int:
        """Return how many clips of one context a step takes, at least one."""
        return self.clips if self.seconds is None else max(1, int(self.seconds // context_s))


class TrainConfig(Config):
    """Length, batches, learning rate, precision, memory and validations of a training."""

    epochs: int | None = Field(default=None, gt=0, le=10_000)
    """Passes over the training split, at most: see `patience`. None: 30 for half an hour or less,
    15 for 2 hours, 8 from 7 hours on, and more of them, up to 30, where they would be fewer than
    800 steps. Models tuned longer on Common Voice were better, though the loss rose (zuazo's model
    cards on the Hub: large-v3 in Basque, 5 to 90 epochs, 13.3 to 10.6 % WER; base in Galician, 10
    to 50 epochs, 21.0 to 17.3 %)."""
    batch_size: PositiveInt = 8
    """Clips per optimizer step."""
    batch_seconds: float | None = Field(default=None, ge=30)
    """Instead of batch_size: a step has as many clips as fit in this many seconds of context, so
    that steps of short clips cost as much as steps of long clips."""
    micro_batch_size: PositiveInt | None = None
    """Clips per forward pass; gradients add up to `batch_size`. None: all of them, if they fit; on
    a CPU no more than 80 s of audio context together, such as 2 clips at 30 s. It changes no result
    beyond rounding, and a run may go on with fewer than it began with."""
    learning_rate: PositiveFloat | None = None
    """The highest rate, reached after the warm-up. None: by the strategy and the width of the base,
    as strategies/learning_rates.py lists it; full tuning has 1e-4 for tiny and base, 5e-5 for
    small, 2e-5 for medium and 1e-5 for large. For base, 1e-4 made 28 % fewer errors than 1e-5 in
    Swahili and Yoruba, and forgot other languages (docs/results.md); in Czech it was best of 1e-6,
    1e-5 and 1e-4 (sgangireddy's whisper-base-cv models on the Hub: 42.9, 34.0 and 26.9 % WER). 1e-5
    is what is usual for large, and Liu et al. 2024's for full tuning."""
    warmup_ratio: float = Field(default=0.1, ge=0, le=1)
    """Share of all steps over which the rate climbs from 0; then it falls to 0, both linearly."""
    weight_decay: NonNegativeFloat = 0.01
    """AdamW's weight decay, on matrices only, not on biases and norms."""
    max_grad_norm: PositiveFloat = 1.0
    """Gradients are scaled down to this norm."""
    context: Context = "bucket"
    """bucket: each clip at its own length in whole seconds; full: all at 30 s, as in the paper."""
    full_context_share: float = Field(default=0.15, ge=0, le=1)
    """Share of the steps that run at 30 s all the same, since other software decodes at 30 s."""
    join_share: float = Field(default=0.0, ge=0, le=1)
    """Share of the steps whose clips are joined up to 30 s with short silences, anew in each epoch:
    clips of one speaker and language, or of one recording where no speaker is stated. These steps
    count as steps at 30 s, so `full_context_share` adds only what it is more than this. The model
    then also learns long audio. What it gains was not measured yet."""
    timestamps_share: float = Field(default=0.0, ge=0, le=1)
    """Share of the clips whose labels have Whisper's timestamps, anew in each epoch: `<|0.00|> text
    <|2.40|>`, and the times of each clip where clips are joined. The model then keeps its segments
    in other software. What it gains was not measured yet."""
    previous_text_share: float = Field(default=0.0, ge=0, le=1)
    """Share of the clips, anew in each epoch, whose labels begin with the text before them, as far
    as there is one: that of the 30 s before in the same recording or, where clips are whole files,
    by the same speaker. It is given, not learned. What it gains was not measured yet."""
    context_jitter_s: int = Field(default=0, ge=0, le=29)
    """Every micro-batch that does not run at 30 s gets a random context, up to this many seconds
    longer than its clips need."""
    language_temperature: float = Field(default=1.0, ge=1)
    """Each language's share of an epoch is proportional to its clips^(1/T): 1 is as the data is,
    larger evens languages out by repeating the small; XLM-R's alpha 0.3 is 3.3 (Conneau et al.
    2020, sec. 3)."""
    pseudo_label_weight: float | None = Field(default=None, gt=0, le=1)
    """The factor of the loss of clips whose text a model wrote (see `mothertongue label`); they
    stand in `data` beside the others. 0.5: such a clip moves the weights half as much. None: as
    much as any other."""
    replay: ReplayConfig | None = None
    """Also train on other languages: {data: [data/en, data/fr]}. Replay kept languages far better
    than penalties on the weights when large-v2 learned ten languages one after the other (CL-MASR's
    README: 50.8 % mean WER, 98.0 % with EWC, 98.5 % without either)."""
    augment: AugmentConfig = AugmentConfig()
    """Random changes of the training clips: {speed: {}, gain: {}, spec_augment: {}}; all are off by
    default, also in the recipes: on clean tests they lost after 4 epochs (docs/results.md)."""
    precision: Precision = "auto"
    """The precision of the activations; the weights stay float32. auto: on a GPU bf16 where it
    computes in it; on a CPU the faster one, measured in seconds when the first run of such a base
    begins on this kind of processor, and kept for this user. It changes results, so a run records
    it, and goes on with it anywhere."""
    gradient_checkpointing: bool = False
    """Compute activations twice and keep none: less memory, more time."""
    zero: Literal[0, 2, 3] = 0
    """ZeRO's stage on several devices (Rajbhandari et al. 2020), by torch's FSDP2. 2: each keeps a
    part of the gradients and of AdamW's memory; 3: of the weights that train too. It changes no
    result beyond rounding."""
    compile: bool = False
    """Let torch.compile fuse what lies between the products of a layer, for a GPU; on two cores of
    a CPU the compiled step took 1.6 times as long. With `graphs` the compiled layers are replayed.
    """
    cudnn_attention: bool = False
    """On one GPU and from 20 s of context on, let cuDNN compute attention where it can. It changes
    no result beyond rounding."""
    graphs: Literal["auto", "off"] = "off"
    """auto: on one GPU, replay the passes of batches whose shape came twice before as CUDA graphs,
    and so the optimizer; several devices and `gradient_checkpointing` go without. It changes no
    result beyond rounding."""
    eval_every_steps: PositiveInt | None = None
    """How often to decode validation clips; None: once an epoch."""
    validation_clips: PositiveInt | Literal["all"] = 200
    """How many of the validation split's clips, drawn by the seed, as many of each language as
    there are; all where there are fewer. The best weights are decoded once more at the end, on all
    clips at 30 s."""
    save_every_steps: PositiveInt | None = None
    """How often to write a checkpoint; None: after each validation, and every 500 steps. It changes
    no result."""
    patience: PositiveInt | None = None
    """Stop after this many validations in a row without a better one. Better is a lower error rate
    (see `select_by`); where it is equal, a lower other error rate, then a lower loss. None: 5 where
    `epochs` is None too; never where it is given."""
    average_last: int | None = Field(default=None, ge=2, le=100)
    """Average the weights at this many last validations, such as 5. After the last step the
    average decodes all validation clips at 30 s, and is taken as the best weights if its error rate
    is lower than theirs; where it is equal, if the other error rate is lower. The record has both.
    It needs this many copies of what trains on the disk, and no memory while the run trains. Of
    LoRA the factors are averaged. None: no such average; what it gains was not measured yet."""
    ema: float | None = Field(default=None, gt=0, lt=1)
    """Keep an exponential moving average of the weights with this decay, over the steps from the
    first one on; it is taken as `average_last` is, and the better of both where both are given. The
    weights of the last 1 / (1 - ema) steps count most: 0.99 has 100 steps, and 10 % of all steps is
    usual. It needs one more copy of what trains, float32, in the memory of each device (with zero a
    part of it) and in each checkpoint. None: no such average; what it gains was not measured yet.
    """
    workers: int | None = Field(default=None, ge=0, le=256)
    """Processes that decode audio ahead of the model; they change no result. None: up to 12 with a
    GPU, and none if the model itself uses the processor."""
    prefix_cache_gb: float = Field(default=10.0, ge=0, le=1e6)
    """Disk for the outputs of the encoder layers that do not train, shared by all runs; 0: none. It
    changes no result."""
    trackers: tuple[TrackerName, ...] = ()
    """Trackers that log every step and validation too: mlflow, tensorboard, trackio, wandb. Each is
    set up by its own environment variables; one that dies stops no run."""
    seed: NonNegativeInt = 0
    """The seed of the order of the clips and of all random numbers."""

    @property
    def replayed(self) -> tuple[Path, ...]:
        """The manifests of `replay`."""
        return self.replay.manifests if self.replay else ()

    @property
    def num_epochs(self) -> int:
        """`epochs`, of a run that has begun: see experiment/defaults.py."""
        assert self.epochs is not None, "epochs were not settled"
        return self.epochs

    @property
    def peak_learning_rate(self) -> float:
        """`learning_rate`, of a run that has begun: see experiment/defaults.py."""
        assert self.learning_rate is not None, "the learning rate was not settled"
        return self.learning_rate

    @property
    def changes_clips(self) -> bool:
        """Return whether the model hears clips in another way in each epoch."""
        return self.augment.is_on or self.join_share > 0

    @property
    def padded_share(self) -> float:
        """Return the share of the steps whose clips are padded to 30 s, where clips are cut."""
        return max(0.0, self.full_context_share - self.join_share)

    @property
    def size(self) -> BatchSize:
        """The size of an optimizer step."""
        return BatchSize(self.batch_size, self.batch_seconds)

    @property
    def largest_micro_batch(self) -> int:
        """Return the number of clips in a forward pass, as long as memory does not run out."""
        return self.micro_batch_size or self.size.clips_at(1)

    def clips_of(self, split: int) -> int:
        """Return how many clips of a validation split are decoded during training."""
        return split if self.validation_clips == "all" else min(self.validation_clips, split)

    def num_validations(self, steps_per_epoch: int) -> int:
        """Return how many validations the whole run has, at most."""
        every = self.eval_every_steps or steps_per_epoch
        return -(-self.num_epochs * steps_per_epoch // every)

    def num_saves(self, steps_per_epoch: int) -> int:
        """Return how many checkpoints the whole run writes, at most."""
        steps = self.num_epochs * steps_per_epoch
        if every := self.save_every_steps:
            return -(-steps // every)
        return self.num_validations(steps_per_epoch) + steps // SAVE_EVERY_STEPS

    @property
    def has_averages(self) -> bool:
        """Return whether an average of the weights may become the best weights."""
        return self.ema is not None or self.average_last is not None

    def decodes_best_again(self, split: int) -> bool:
        """Return whether the best weights decode the whole split at 30 s at the end.

        False where the validation that chose them already decoded all clips at 30 s.
        """
        return self.context != "full" or self.clips_of(split) < split

    @model_validator(mode="after")
    def _every_setting_has_effect(self) -> "TrainConfig":
        for name, reason in self._idle():
            if getattr(self, name) != type(self).model_fields[name].default:
                raise ValueError(f"{name} has no effect with {reason}; remove it")
        if self.batch_seconds is not None and self.language_temperature != 1:
            raise ValueError(
                "batch_seconds gives no fixed number of steps with language_temperature above 1; "
                "give batch_size"
            )
        if self.join_share and self.batch_seconds is not None:
            raise ValueError(
                "batch_seconds gives no fixed number of steps with join_share, which joins other "
                "clips in each epoch; give batch_size, or remove join_share"
            )
        if self.join_share and self.batch_size == 1:
            raise ValueError(
                "join_share has no effect with batch_size=1: the joined clips of a step are as "
                "many as batch_size; give a larger one, or remove join_share"
            )
        if self.batch_seconds is not None and self.augment.speed is not None:
            raise ValueError(
                "batch_seconds gives no fixed number of steps with augment.speed, which changes "
                "the lengths of clips in each epoch; give batch_size, or remove augment.speed"
            )
        if self.batch_seconds is not None and self.replay is not None:
            raise ValueError(
                "batch_seconds gives no fixed number of steps with replay, which draws other clips "
                "in each epoch; give batch_size, or remove replay"
            )
        return self

    def _idle(self) -> Iterator[tuple[str, str]]:
        """Yield the settings that have no effect because of other settings, with the reason."""
        # Against the default, not `model_fields_set`: a run's own record states every setting.
        if self.context == "full":
            yield "full_context_share", "context=full"
            yield "context_jitter_s", "context=full"
        if self.batch_seconds is not None:
            yield "batch_size", "batch_seconds"


def learning_rate(step: int, total_steps: int, config: TrainConfig) -> float:
    """Return the rate after `step` steps: linear warm-up from 0, then linear decay to 0."""
    warmup = round(config.warmup_ratio * total_steps)
    if step < warmup:
        return config.peak_learning_rate * (step + 1) / warmup
    return config.peak_learning_rate * (total_steps - step) / max(1, total_steps - warmup)
