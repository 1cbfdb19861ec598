"""Choose the precision that a run trains in, by the speed of a pass through layers and back."""

from copy import deepcopy
from functools import partial

import torch
from transformers import WhisperConfig
from transformers.models.whisper.modeling_whisper import WhisperDecoderLayer, WhisperEncoderLayer

from mothertongue.experiment.config import Experiment
from mothertongue.experiment.run_dir import RunDir
from mothertongue.model.devices import best_device
from mothertongue.model.load import base_config
from mothertongue.model.precision import Choice, Speeds, choose, in_turns

CLIPS, FRAMES, TOKENS = 2, 250, 32
"""A micro-batch of clips of 5 s."""


def chosen_precision(experiment: Experiment, run_dir: RunDir | None = None) -> Choice | None:
    """Return the faster precision for a run that leaves it open; None for other runs.

    A run that was begun goes on as it was. All strategies take the same, so that the runs of a
    comparison do.
    """
    is_begun = run_dir is not None and run_dir.identity.is_file()
    if experiment.train.precision != "auto" or is_begun:
        return None
    config = base_config(experiment.base)
    return choose("training", config, best_device(), partial(training_speeds, config))


def training_speeds(config: WhisperConfig) -> Speeds:
    """Return the seconds of a pass through an encoder layer and a decoder layer, and back."""
    config = deepcopy(config)
    config._attn_implementation = "sdpa"
    with torch.random.fork_rng(devices=[]):
        encoder, decoder = WhisperEncoderLayer(config), WhisperDecoderLayer(config, 0)
        hidden_BTD = torch.randn(CLIPS, FRAMES, config.d_model)
        states_BLD = torch.randn(CLIPS, TOKENS, config.d_model)

        def step(dtype: torch.dtype) -> None:
            with torch.autocast("cpu", dtype, enabled=dtype != torch.float32):
                heard_BTD = encoder(hidden_BTD, None)
                said_BLD = decoder(states_BLD, None, heard_BTD, use_cache=False)
            said_BLD.float().mean().backward()

        return in_turns(step)
