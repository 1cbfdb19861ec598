"""How a run trains, and its learning rate."""

from pydantic import (
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    model_validator,
)

from mothertongue.batches import Context
from mothertongue.config import Config
from mothertongue.devices import Precision


class TrainConfig(Config):
    """How long, how fast and how carefully to train."""

    epochs: PositiveInt = 10
    """Passes over the training split, at most: see `patience`."""
    batch_size: PositiveInt = 8
    """Clips per optimizer step."""
    micro_batch_size: PositiveInt | None = None
    """Clips per forward pass; gradients add up to `batch_size`. None: all of them, if they fit."""
    learning_rate: PositiveFloat = 1e-5
    """The highest rate, reached after the warm-up; 1e-5 is Liu et al. 2024's for full tuning."""
    warmup_ratio: float = Field(default=0.1, ge=0, le=1)
    """Share of all steps over which the rate climbs from 0; then it falls to 0, both linearly."""
    weight_decay: NonNegativeFloat = 0.01
    """AdamW's, on matrices only: never on biases and norms."""
    max_grad_norm: PositiveFloat = 1.0
    """Gradients are scaled down to this norm."""
    context: Context = "bucket"
    """bucket: each clip at its own length in whole seconds; full: all at 30 s, as in the paper."""
    full_context_share: float = Field(default=0.15, ge=0, le=1)
    """Share of the steps that run at 30 s all the same: the world decodes there."""
    language_temperature: float = Field(default=1.0, ge=1, allow_inf_nan=False)
    """Each language's share of an epoch is proportional to its clips^(1/T): 1 is as the data is,
    larger evens languages out by repeating the small; XLM-R's alpha 0.3 is 3.3 (Conneau et al.
    2020, sec. 3)."""
    precision: Precision = "auto"
    """Of the activations; the weights stay float32. auto: bf16 where the device computes in it."""
    gradient_checkpointing: bool = False
    """Compute activations twice and keep none: less memory, more time."""
    eval_every_steps: PositiveInt | None = None
    """How often to decode the validation split; None: once an epoch."""
    save_every_steps: PositiveInt | None = None
    """How often to write a checkpoint; None: after each validation."""
    patience: PositiveInt | None = None
    """Stop after this many validations in a row without a better WER; None: never."""
    workers: NonNegativeInt = 0
    """Processes that decode audio ahead of the model; they change no result."""
    seed: NonNegativeInt = 0
    """Of the order of the clips and of all random numbers."""

    @model_validator(mode="after")
    def _share_has_effect(self) -> "TrainConfig":
        # Against the default, not `model_fields_set`: a run's own record states every setting.
        default = type(self).model_fields["full_context_share"].default
        if self.context == "full" and self.full_context_share != default:
            raise ValueError("full_context_share has no effect with context=full; remove it")
        return self


def learning_rate(step: int, total_steps: int, config: TrainConfig) -> float:
    """The rate of the step after `step` steps: linear warm-up from 0, then linear decay to 0."""
    warmup = round(config.warmup_ratio * total_steps)
    if step < warmup:
        return config.learning_rate * (step + 1) / warmup
    return config.learning_rate * (total_steps - step) / max(1, total_steps - warmup)
