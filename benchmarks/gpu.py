"""large-v2's shape on one GPU: ours and the transformers/PEFT recipe, for each strategy.

    python benchmarks/gpu.py [--shape large-v2] [--steps 6] [--out gpu.json]

Random weights and noise: speed depends on neither. Batches of 8, at FLEURS-like lengths (mean 12 s)
and at 30 s; seconds a step (mean), peak memory, and MFU: the counted floating-point operations
over the device's peak rate. `trained` and `seconds` are the columns "Paras" and "Time" of Liu et
al. 2024, table 6, with one device for all rows. 3.5 minutes on an H200.
"""

import argparse
import gc
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from statistics import fmean
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from peers import recipe
from peers.seq2seq_trainer import prepared
from programs.ours import EnoughError, StepTimer
from safetensors.torch import save_file
from torch import nn
from transformers import WhisperConfig, WhisperForConditionalGeneration
from work import indices, plan, representative

from mothertongue.config import parse
from mothertongue.data.audio.load import SAMPLE_RATE_HZ
from mothertongue.data.manifest import Utterance
from mothertongue.experiment.config import Experiment
from mothertongue.experiment.run_dir import RunDir, environment
from mothertongue.experiment.train_config import TrainConfig
from mothertongue.model.context import FULL_CONTEXT_S, context_s
from mothertongue.model.devices import peak_memory_bytes
from mothertongue.model.flops import FRAMES_PER_S, encoder_layer, stem, training_flops
from mothertongue.model.sizes import openai_config
from mothertongue.strategies.base import Strategy, Whisper, trained_parameters
from mothertongue.system.files import write_json
from mothertongue.training.batch import Batch
from mothertongue.training.frozen_prefix import FrozenPrefix
from mothertongue.training.loop import TrainingInputs, train

Json = dict[str, Any]
BATCH_SIZE, TOKENS, WARM_UP = 8, 60, 2
MEAN_S, DEVIATION_S, DRAWN = 12.0, 4.5, 2_000
EXPERIMENT = {"name": "gpu", "language": "sw", "data": "."}
# Dense bfloat16, NVIDIA's data sheets.
PEAK_TFLOPS = {"H200": 989, "H100 PCIe": 756, "H100": 989, "A100": 312, "L40S": 362, "4090": 165}


def main() -> int:
    options = parse_arguments()
    if options.device == "cuda" and not torch.cuda.is_available():
        print("no GPU here: benchmarks/gpu.py needs one that CUDA finds", file=sys.stderr)
        return 1
    config = openai_config(options.shape)
    assert config is not None, f"{options.shape}: not a shape of Whisper's"
    name = torch.cuda.get_device_name() if options.device == "cuda" else "CPU"
    found: Json = {"device": name, "shape": options.shape, "environment": environment()}
    found["ceiling_tflops"] = ceiling_tflops(torch.device(options.device))
    found["peak_tflops"] = next((v for k, v in PEAK_TFLOPS.items() if k in name), None)
    found["rows"] = []
    asked = strategies(config)
    for label, settings in asked.items():
        if label not in (options.only or asked):
            continue
        for mean in ("12 s", "30 s"):
            for row in measure(label, settings, mean, config, options):
                found["rows"].append(row)
                print(line(row, found), flush=True)
    if options.out is not None:
        write_json(options.out, found)
    return 0


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--shape", default="large-v2")
    parser.add_argument("--steps", type=int, default=6)
    parser.add_argument("--only", nargs="*", help="strategies, as the table names them")
    parser.add_argument("--device", default="cuda", choices=["cuda", "cpu"])
    parser.add_argument("--compile", action="store_true", help="train.compile, on our side")
    parser.add_argument("--graphs", default="auto", choices=["auto", "off"], help="train.graphs")
    parser.add_argument("--out", type=Path)
    return parser.parse_args()


def strategies(config: WhisperConfig) -> dict[str, Json]:
    """The paper's five, and adapters on top: 20 and 9 of 32 layers at large-v2's depth."""
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


def measure(
    label: str, settings: Json, mean: str, config: WhisperConfig, options: argparse.Namespace
) -> Iterator[Json]:
    """The recipe, ours, and ours from stored states where a strategy has frozen layers."""
    strategy = parse(Experiment, EXPERIMENT | {"strategy": settings}, label).strategy
    clips = drawn_clips(mean, options.steps)
    device = torch.device(options.device)
    for who in ("transformers", "ours", "ours, stored states"):
        model = None  # the last candidate's: the Trainer's refers to itself and goes by collection
        held_bytes = forget(device)
        with device:
            model = WhisperForConditionalGeneration(config)
        if who == "transformers":
            reply = peer_steps(model, strategy, settings, clips, options)
        else:
            model = nn.Module.to(strategy.apply(model, seed=0), device)
            depth = strategy.frozen_prefix(model)
            if who != "ours" and not depth:
                continue
            reply = our_steps(model, depth, who != "ours", clips, options)
        yield {
            "strategy": label,
            "lengths": mean,
            "who": who,
            "trained": sum(each.numel() for each in trained_parameters(model).values()),
            "seconds": fmean(reply["step_s"][-options.steps :]),
            "peak_memory_bytes": reply["peak_memory_bytes"] - held_bytes,
            "tflop": tflop(model, strategy, clips, who),
        }


def drawn_clips(mean: str, steps: int) -> list[Utterance]:
    """The clips of representative steps of an epoch of FLEURS-like lengths, or of 30 s."""
    rng = np.random.default_rng(0)
    drawn = rng.normal(MEAN_S, DEVIATION_S, DRAWN).clip(3, FULL_CONTEXT_S)
    lengths = np.full(DRAWN, float(FULL_CONTEXT_S)) if mean == "30 s" else drawn
    clips = [Utterance(f"{i}", "", "", "sw", float(each)) for i, each in enumerate(lengths)]
    return representative(clips, steps, BATCH_SIZE)


def our_steps(
    model: Whisper, depth: int, is_stored: bool, clips: list[Utterance], options: argparse.Namespace
) -> Json:
    """The training loop itself, on noise; stopped before it would write weights."""
    settings = {"batch_size": BATCH_SIZE, "precision": "bf16", "compile": options.compile}
    settings |= {"epochs": 1, "learning_rate": 1e-5, "graphs": options.graphs}
    config = TrainConfig.model_validate(settings | {"full_context_share": 0.0})
    width, vocabulary = model.config.d_model, model.config.vocab_size
    steps = plan(clips, BATCH_SIZE, 0)
    frozen = FrozenPrefix(model, depth, depth, torch.bfloat16, None, print) if depth else None

    def noise(seconds: int, count: int) -> Batch:
        labels_BL = torch.randint(vocabulary, (count, TOKENS))
        samples_BS = None if is_stored else torch.randn(count, seconds * SAMPLE_RATE_HZ)
        shape = count, seconds * FRAMES_PER_S, width
        hidden_BTD = torch.randn(shape).bfloat16() if is_stored else None
        return Batch(("",) * count, samples_BS, labels_BL, labels_BL, hidden_BTD)

    drawn = [[noise(each.context_s, len(each.indices)) for each in step] for step in steps]
    if options.device == "cuda":
        drawn = [[batch.pin_memory() for batch in step] for step in drawn]

    def steps_from(_: int) -> Iterator[list[Batch]]:
        while True:
            yield from drawn

    timer = StepTimer(WARM_UP * len(steps) + options.steps)
    with TemporaryDirectory() as folder, suppress(EnoughError):
        run_dir = RunDir(Path(folder))
        train(model, TrainingInputs(10**6, steps_from, None, frozen=frozen), config, run_dir, timer)
    return {"step_s": timer.step_s, "peak_memory_bytes": peak_memory_bytes(model.device)}


def peer_steps(
    model: Whisper,
    strategy: Strategy,
    settings: Json,
    clips: list[Utterance],
    options: argparse.Namespace,
) -> Json:
    """Seq2SeqTrainer at 30 s; PEFT's LoRA, and the modules of the other strategies from ours."""
    model.config._attn_implementation = "sdpa"
    is_lora = settings["kind"] == "lora"
    tuned = prepared(model, settings) if is_lora else strategy.apply(model, seed=0)
    bins = model.config.num_mel_bins
    steps = [indices(step) for step in plan(clips, BATCH_SIZE, 0)]
    labels = torch.randint(100, 50_000, (len(clips), TOKENS + 1)).tolist()
    with TemporaryDirectory() as folder:
        mel_NMF = torch.randn(len(clips), bins, FULL_CONTEXT_S * 100)
        save_file({"mel_NMF": mel_NMF}, Path(folder) / "features.safetensors")
        spec = {"work": folder, "precision": "bf16", "learning_rate": 1e-6}
        work = {"labels": labels, "steps": steps * (WARM_UP + 1)}
        return recipe.train(tuned, spec, work)


def tflop(model: Whisper, strategy: Strategy, clips: list[Utterance], who: str) -> float:
    """Of a step: what is computed forward and backward, without layers that are read."""
    depth = strategy.frozen_prefix(model) if who == "ours, stored states" else 0
    total = 0.0
    for each in clips:
        cut = context_s(each.duration_s, "full" if who == "transformers" else "bucket")
        frames = FRAMES_PER_S * cut
        skipped = [*stem(model.config, frames), *[encoder_layer(model.config, frames)] * depth]
        total += training_flops(model, frames, TOKENS)
        total -= sum(part.linear + part.attention for part in skipped if depth)
    return total / len(clips) * BATCH_SIZE / 1e12


def ceiling_tflops(device: torch.device) -> float:
    """What one large product in bfloat16 reaches."""
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
    if device.type == "cuda":
        torch.cuda.synchronize()


def forget(device: torch.device) -> int:
    """Free what the last candidate held, and count its peak no more. The bytes that stay."""
    gc.collect()
    if device.type == "cpu":
        return 0
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    return torch.cuda.memory_allocated()


def line(row: Json, facts: Json) -> str:
    rate = row["tflop"] / row["seconds"]
    peak = facts["peak_tflops"]
    mfu = f"MFU {rate / peak:.0%}  " if peak else ""
    return (
        f"{row['strategy']:<18} {row['lengths']:<5} {row['who']:<20} {row['trained']:>13,}  "
        f"{row['seconds']:.3f} s/step  {row['peak_memory_bytes'] / 1e9:.1f} GB  {mfu}"
        f"{rate / facts['ceiling_tflops']:.0%} of the ceiling"
    )


if __name__ == "__main__":
    sys.exit(main())
