"""The work that every side does: one base and the same steps of the same clips, on disk.

So that a child process, even of another environment, reads it without mothertongue. N clips,
M mels, F mel frames at 30 s.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file
from transformers import WhisperConfig, WhisperFeatureExtractor, WhisperForConditionalGeneration

from mothertongue.data.clips import load_clip
from mothertongue.data.manifest import Utterance, read_manifest, write_manifest
from mothertongue.experiment.config import Experiment
from mothertongue.experiment.train_config import BatchSize
from mothertongue.model.context import FRAMES_PER_S, FULL_CONTEXT_S, context_s
from mothertongue.model.features import log_mel, pad_samples
from mothertongue.model.flops import encoder_layer, stem, training_flops
from mothertongue.model.load import Base
from mothertongue.system.files import write_json
from mothertongue.training.bucketing import Step, plan_epoch

Json = dict[str, Any]
SEED = 0


def make_work(
    folder: Path, base: Base, clips: Sequence[Utterance], steps: Sequence[Step], language: str
) -> Json:
    """Write base/, data/, features.safetensors and plan.json, and return the plan.

    `clips` are in the manifest, those of split train are what `steps` count.
    """
    train = [each for each in clips if each.split == "train"]
    write_manifest(folder / "data" / "manifest.jsonl", clips)
    save_base(base, folder / "base")
    bins = base.model.config.num_mel_bins
    mels = [log_mel(pad_samples([load_clip(Path(), each)], FULL_CONTEXT_S), bins) for each in train]
    save_file({"mel_NMF": torch.cat(mels)}, folder / "features.safetensors")
    found = {
        "language": language,
        "clips": len(train),
        "mean_s": round(float(np.mean([each.duration_s for each in train])), 2),
        "labels": [base.tokens.label(each.text, each.language) for each in train],
        "contexts_s": [context_s(each.duration_s, "bucket") for each in train],
        "steps": [indices(step) for step in steps],
    }
    write_json(folder / "plan.json", found)
    return found


def save_base(base: Base, folder: Path) -> None:
    """In the layout that transformers 4 and 5 read."""
    base.model.save_pretrained(folder)
    write_json(folder / "tokenizer.json", base.tokens.definition)
    WhisperFeatureExtractor(base.model.config.num_mel_bins).save_pretrained(folder)


def read_split(data: Path, split: str) -> list[Utterance]:
    """With absolute audio paths."""
    return [
        replace(each, audio=str((data / each.audio).resolve()))
        for each in read_manifest(data)
        if each.split == split
    ]


def representative(clips: Sequence[Utterance], steps: int, batch_size: int) -> list[Utterance]:
    """The clips of a few steps of an epoch, at equal distances from the shortest to the longest."""
    whole = [
        step
        for step in plan(clips, batch_size, 0)
        if len(step) == 1 and len(step[0].indices) == batch_size
    ]
    whole.sort(key=lambda step: step[0].context_s)
    places = (2 * np.arange(steps) + 1) * len(whole) // (2 * steps)
    return [clips[i] for place in places for i in whole[place][0].indices]


def plan(clips: Sequence[Utterance], batch_size: int, epoch: int) -> list[Step]:
    """The steps that a run of ours takes in an epoch, none of them at the full context."""
    contexts = [context_s(each.duration_s, "bucket") for each in clips]
    return plan_epoch(range(len(clips)), contexts, BatchSize(batch_size), seed=SEED, epoch=epoch)


def indices(step: Step) -> list[int]:
    return [index for micro_batch in step for index in micro_batch.indices]


def experiment(folder: Path, found: Json, strategy: Json, train: Json) -> Json:
    """Ours, on this work."""
    return {
        "name": "bench",
        "base": str(folder / "base"),
        "language": found["language"],
        "data": str(folder / "data"),
        "strategy": strategy,
        "train": {"full_context_share": 0.0, "seed": SEED} | train,
    }


def flops_per_clip(
    settings: Json, found: Json, context: int | None = None, cached: bool = False
) -> float:
    """Forward and backward, the mean over all clips, at one context or each at its own seconds.

    `cached`: without the layers whose outputs are read from the store.
    """
    parsed = Experiment.model_validate(settings)
    config = WhisperConfig.from_pretrained(parsed.base)
    with torch.device("meta"):
        model = parsed.strategy.apply(WhisperForConditionalGeneration(config), seed=0)
    depth = parsed.strategy.frozen_prefix(model)
    tokens = round(float(np.mean([len(each) - 1 for each in found["labels"]])))

    def of_clip(cut: int) -> float:
        frames = FRAMES_PER_S * (context or cut)
        layer = encoder_layer(config, frames)
        skipped = [*stem(config, frames), *[layer] * depth] if cached else []
        done = sum(each.linear + each.attention for each in skipped)
        return training_flops(model, frames, tokens) - done

    return float(np.mean([of_clip(cut) for cut in found["contexts_s"]]))


def products(found: Json, config: WhisperConfig, size: int) -> list[tuple[int, int, int, int]]:
    """(how many, M, K, N) of the products with weights in one forward pass of a mean step."""
    width, inner = config.d_model, config.encoder_ffn_dim
    frames = size * FRAMES_PER_S * round(float(np.mean(found["contexts_s"])))
    tokens = size * round(float(np.mean([len(each) - 1 for each in found["labels"]])))
    encoder, decoder = config.encoder_layers, config.decoder_layers
    return [
        (4 * encoder + 2 * decoder, frames, width, width),
        (encoder, frames, width, inner),
        (encoder, frames, inner, width),
        (6 * decoder, tokens, width, width),
        (decoder, tokens, width, inner),
        (decoder, tokens, inner, width),
        (1, tokens, width, config.vocab_size),
    ]
