"""Rows of benchmarks/gpu.py: a step of training with large-v2's shape, ours and the peer's.

Random weights and noise: speed depends on neither. Batches of FLEURS-like lengths (mean 12 s) or of
30 s; seconds a step (median), peak memory, and the counted floating-point operations. `trained` and
`seconds` are the columns "Paras" and "Time" of Liu et al. 2024, table 6, with one device for all
rows.
"""

import gc
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from gpu_profile import PeersProfilingTimer, Profile, ProfilingTimer
from peers import recipe
from peers.seq2seq_trainer import prepared
from programs.ours import EnoughError
from safetensors.torch import save_file
from torch import nn
from transformers import WhisperConfig, WhisperForConditionalGeneration
from work import indices, plan, representative

from mothertongue.config import parse
from mothertongue.data.audio.load import SAMPLE_RATE_HZ
from mothertongue.data.manifest import Utterance
from mothertongue.experiment.config import Experiment
from mothertongue.experiment.run_dir import RunDir
from mothertongue.experiment.train_config import BatchSize, TrainConfig
from mothertongue.model.context import FRAMES_PER_S, FULL_CONTEXT_S, context_s
from mothertongue.model.devices import peak_memory_bytes
from mothertongue.model.flops import encoder_layer, stem, training_flops
from mothertongue.strategies.base import Strategy, Whisper, trained_parameters
from mothertongue.training import gpu_step
from mothertongue.training.batch import Batch
from mothertongue.training.bucketing import Step, plan_epoch
from mothertongue.training.frozen_prefix import FrozenPrefix
from mothertongue.training.loop import TrainingInputs, train

Json = dict[str, Any]
TOKENS = 60
MEAN_S, DEVIATION_S, DRAWN = 12.0, 4.5, 2_000
EXPERIMENT = {"name": "gpu", "language": "sw", "data": "."}
PEER = "transformers"
LAYERS, LEAN, GRAPHS, STORED = "ours, layers", "ours, lean", "ours, graphs", "ours, stored states"
"""Transformers' layers; half the operations; those replayed; those from stored states."""
COMPILED, CUDNN = "ours, compiled graphs", "ours, graphs and cuDNN"
"""Replayed too: layers that torch.compile fused; attention by cuDNN."""


@dataclass(frozen=True, slots=True)
class Setup:
    """The shape, the device, and how much is measured."""

    config: WhisperConfig
    device: torch.device
    steps: int = 10
    """Measured steps, after a warm-up."""
    warm_up: int = 5
    batch_size: int = 8


def strategies(config: WhisperConfig) -> dict[str, Json]:
    """Return the paper's five, and adapters on top: 20 and 9 of 32 layers at large-v2's depth."""
    depth = config.encoder_layers
    frozen, top = round(depth * 20 / 32), max(1, round(depth * 9 / 32))
    lora = {"kind": "lora", "preset": "peft", "rank": 32, "alpha": 64, "dropout": 0.05}
    return {
        "full": {"kind": "full"},
        f"freeze {frozen}": {"kind": "freeze", "encoder_layers": frozen},
        "reinit 1": {"kind": "reinit", "encoder_layers": 1},
        "lora": lora,
        "bottleneck": {"kind": "bottleneck", "dim": 64},
        f"bottleneck top {top}": {"kind": "bottleneck", "dim": 64, "encoder_top": top},
    }


def row(label: str, who: str, mean: str, setup: Setup) -> Json | None:
    """Return a measured row; None for stored states of a strategy without frozen layers."""
    found = measured(label, who, mean, setup)
    if found is None:
        return None
    model, strategy, clips, held_bytes, reply = found
    return {
        "strategy": label,
        "lengths": mean,
        "batch_size": setup.batch_size,
        "who": who,
        "trained": sum(each.numel() for each in trained_parameters(model).values()),
        "seconds": median(reply["step_s"][-setup.steps :]),
        "first_s": reply["step_s"][0],
        "peak_memory_bytes": reply["peak_memory_bytes"] - held_bytes,
        "tflop": tflop(model, strategy, clips, who) * setup.batch_size,
    }


def profiled(label: str, who: str, mean: str, setup: Setup) -> Json:
    """Return the kernels of the last step, and for how much of it the device computes."""
    profile = Profile(setup.device)
    assert measured(label, who, mean, setup, profile) is not None
    return profile.facts()


def measured(
    label: str, who: str, mean: str, setup: Setup, profile: Profile | None = None
) -> tuple[Whisper, Strategy, list[Utterance], int, Json] | None:
    """Return the trained model, its strategy, its clips, the bytes held before, and the times."""
    settings = strategies(setup.config)[label]
    strategy = parse(Experiment, EXPERIMENT | {"strategy": settings}, label).strategy
    clips = drawn_clips(mean, setup)
    held_bytes = forget(setup.device)
    with setup.device:
        model = WhisperForConditionalGeneration(setup.config)
    model.config._attn_implementation = "sdpa"
    if who == PEER:
        steps = [indices(step) for step in plan(clips, setup.batch_size, 0)]
        reply = peer_steps(model, strategy, settings, clips, steps, setup, profile)
    else:
        model = nn.Module.to(strategy.apply(model, seed=0), setup.device)
        depth = strategy.frozen_prefix(model)
        if who == STORED and not depth:
            return None
        steps_of_clips = plan(clips, setup.batch_size, 0)
        reply = our_steps(model, depth, who, steps_of_clips, setup, profile)
    return model, strategy, clips, held_bytes, reply


def real_run(who: str, setup: Setup, steps: int) -> Json:
    """Return clips a second over many steps of an epoch as it comes: rare shapes, 15 % at 30 s.

    Captures are in it, and the first steps too.
    """
    rng = np.random.default_rng(1)
    lengths = rng.normal(MEAN_S, DEVIATION_S, steps * setup.batch_size).clip(3, FULL_CONTEXT_S)
    clips = [Utterance(f"{i}", "", "", "sw", float(each)) for i, each in enumerate(lengths)]
    forget(setup.device)
    with setup.device:
        model = WhisperForConditionalGeneration(setup.config)
    model.config._attn_implementation = "sdpa"
    contexts = [context_s(each.duration_s, "bucket") for each in clips]
    size = BatchSize(setup.batch_size)
    planned = plan_epoch(
        range(len(clips)), contexts, size, full_context_share=0.15, seed=0, epoch=0
    )[:steps]
    whole = Setup(setup.config, setup.device, steps, 0, setup.batch_size)
    settings: Json = {"kind": "full"}
    strategy = parse(Experiment, EXPERIMENT | {"strategy": settings}, "run").strategy
    if who == PEER:
        wanted = [indices(step) for step in planned]
        reply = peer_steps(model, strategy, settings, clips, wanted, whole)
    else:
        model = nn.Module.to(strategy.apply(model, seed=0), setup.device)
        reply = our_steps(model, 0, who, planned, whole)
    seen = sum(len(each.indices) for step in planned for each in step)
    return {"who": who, "steps": len(planned), "clips_per_s": seen / sum(reply["step_s"])}


def drawn_clips(mean: str, setup: Setup) -> list[Utterance]:
    """Return the clips of representative steps of an epoch of FLEURS-like lengths, or of 30 s."""
    rng = np.random.default_rng(0)
    drawn = rng.normal(MEAN_S, DEVIATION_S, DRAWN).clip(3, FULL_CONTEXT_S)
    lengths = np.full(DRAWN, float(FULL_CONTEXT_S)) if mean == "30 s" else drawn
    clips = [Utterance(f"{i}", "", "", "sw", float(each)) for i, each in enumerate(lengths)]
    return representative(clips, setup.steps, setup.batch_size)


def our_steps(
    model: Whisper,
    depth: int,
    who: str,
    steps: Sequence[Step],
    setup: Setup,
    profile: Profile | None = None,
) -> Json:
    """Return the training loop's own times, on noise; stopped before it would write weights."""
    settings = {"batch_size": setup.batch_size, "precision": "bf16", "epochs": 1}
    settings |= {"learning_rate": 1e-5, "full_context_share": 0.0}
    settings |= {"compile": who == COMPILED, "cudnn_attention": who == CUDNN}
    settings["graphs"] = "off" if who in (LAYERS, LEAN) else "auto"
    config = TrainConfig.model_validate(settings)
    frozen = FrozenPrefix(model, depth, torch.bfloat16, None, print) if depth else None
    drawn = [[_noise(model, len(x.indices), x.context_s, who) for x in step] for step in steps]
    if setup.device.type == "cuda":
        drawn = [[batch.pin_memory() for batch in step] for step in drawn]

    def steps_from(_: int) -> Iterator[list[Batch]]:
        while True:
            yield from drawn

    timer = ProfilingTimer(setup.warm_up * len(steps) + setup.steps, profile)
    inputs = TrainingInputs(10**6, steps_from, None, frozen=frozen)
    with TemporaryDirectory() as folder, suppress(EnoughError), _passes(who):
        train(model, inputs, config, RunDir(Path(folder)), timer)
    return {"step_s": timer.step_s, "peak_memory_bytes": peak_memory_bytes(model.device)}


def _noise(model: Whisper, count: int, seconds: int, who: str) -> Batch:
    labels_BL = torch.randint(model.config.vocab_size, (count, TOKENS + -TOKENS % 16))
    if who != STORED:
        samples_BS = torch.randn(count, seconds * SAMPLE_RATE_HZ)
        return Batch(("",) * count, samples_BS, labels_BL, labels_BL)
    shape = count, seconds * FRAMES_PER_S, model.config.d_model
    return Batch(("",) * count, None, labels_BL, labels_BL, torch.randn(shape).bfloat16())


@contextmanager
def _passes(who: str) -> Iterator[None]:
    """A context in which LAYERS trains by transformers' layers on one GPU too."""
    if who != LAYERS:
        yield
        return
    with patch.object(gpu_step, "lean_obstacle", lambda model: "the benchmark"):
        yield


def peer_steps(
    model: Whisper,
    strategy: Strategy,
    settings: Json,
    clips: list[Utterance],
    steps: list[list[int]],
    setup: Setup,
    profile: Profile | None = None,
) -> Json:
    """Return Seq2SeqTrainer's times at 30 s; PEFT's LoRA, other strategies' modules from ours."""
    tuned = prepared(model, settings) if settings["kind"] == "lora" else strategy.apply(model, 0)
    bins = model.config.num_mel_bins
    labels = torch.randint(100, 50_000, (len(clips), TOKENS + 1)).tolist()
    with TemporaryDirectory() as folder:
        mel_NMF = torch.randn(1, bins, FULL_CONTEXT_S * 100).expand(len(clips), -1, -1)
        save_file({"mel_NMF": mel_NMF.contiguous()}, Path(folder) / "features.safetensors")
        spec = {"work": folder, "precision": "bf16", "learning_rate": 1e-6}
        work = {"labels": labels, "steps": steps * (setup.warm_up + 1)}
        last = len(work["steps"])
        return recipe.train(tuned, spec, work, timer=PeersProfilingTimer(last, profile))


def tflop(model: Whisper, strategy: Strategy, clips: list[Utterance], who: str) -> float:
    """Return those of a clip: computed forward and backward, without layers that are read."""
    depth = strategy.frozen_prefix(model) if who == STORED else 0
    total = 0.0
    for each in clips:
        cut = context_s(each.duration_s, "full" if who == PEER else "bucket")
        frames = FRAMES_PER_S * cut
        skipped = [*stem(model.config, frames), *[encoder_layer(model.config, frames)] * depth]
        total += training_flops(model, frames, TOKENS)
        total -= sum(part.linear + part.attention for part in skipped if depth)
    return total / len(clips) / 1e12


def ceiling_tflops(device: torch.device) -> float:
    """Return what one large product in bfloat16 reaches."""
    size = 8192 if device.type == "cuda" else 512
    left, right = (torch.randn(size, size, device=device).bfloat16() for _ in range(2))
    times_s = []
    for _ in range(10):
        synchronize(device)
        began = time.perf_counter()
        torch.mm(left, right)
        synchronize(device)
        times_s.append(time.perf_counter() - began)
    return 2 * size**3 / min(times_s) / 1e12


def synchronize(device: torch.device) -> None:
    """Wait for the device."""
    if device.type == "cuda":
        torch.cuda.synchronize()


def forget(device: torch.device) -> int:
    """Free what the last row held, and count its peak no more; return the bytes that stay."""
    gc.collect()
    if device.type == "cpu":
        return 0
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    return torch.cuda.memory_allocated()
