"""Our training step and our decoding beside transformers' own, on the same clips, in one run.

Full fine-tuning of whisper-base on the demo's synthetic clips. transformers pads every clip to 30 s
and computes the vocabulary at every position, as its Whisper recipes do. Ratios are comparable
between machines, seconds are not. usage: step.py [ROUNDS]
"""

import json
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

import torch

from mothertongue.batches import FULL_CONTEXT_S
from mothertongue.decoding.torch_engine import TorchTranscriber
from mothertongue.decoding.transcript import DecodeConfig
from mothertongue.demo import demo_experiment
from mothertongue.devices import best_device, dtype_of
from mothertongue.features import Batch, load_clip, log_mel, pad_samples
from mothertongue.manifest import read_manifest
from mothertongue.model import load_base
from mothertongue.records import environment
from mothertongue.strategies.full import Full
from mothertongue.training.dataset import StepDataset
from mothertongue.training.loss import LabelLoss

BATCH_SIZE = 8
STEPS = 2
DECODED = 16


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    base = load_base("openai/whisper-base")
    model = Full().apply(base.model, seed=0)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-6, fused=True)
    batches, clips = load_data(base.tokens)
    ours = LabelLoss(model)

    def theirs(samples_BS: torch.Tensor, inputs_BL: torch.Tensor, targets_BL: torch.Tensor) -> Any:
        missing = FULL_CONTEXT_S * 16_000 - samples_BS.shape[1]
        mel_BMF = log_mel(torch.nn.functional.pad(samples_BS, (0, missing)), 80)
        return model(input_features=mel_BMF, decoder_input_ids=inputs_BL, labels=targets_BL).loss

    def step(loss: Callable[..., Any], dtype: torch.dtype) -> Callable[[], None]:
        def run() -> None:
            for batch in batches:
                with torch.autocast("cpu", dtype, enabled=dtype != torch.float32):
                    value = loss(*batch.tensors())
                value.backward()
                optimizer.step()
                optimizer.zero_grad()

        return run

    def generate() -> None:
        mel_BMF = log_mel(pad_samples(clips, FULL_CONTEXT_S), 80)
        with torch.inference_mode():
            model.generate(mel_BMF, language="sw", task="transcribe", max_length=100)

    def decode(context: Any) -> Callable[[], None]:
        transcribe = TorchTranscriber(
            model, base.tokens, context=context, config=DecodeConfig(batch_size=DECODED)
        )
        return lambda: void(transcribe(clips, "sw"))

    native = dtype_of("auto", best_device())
    training = {
        "transformers, 30 s, float32": step(theirs, torch.float32),
        f"transformers, 30 s, {native}": step(theirs, native),
        f"mothertongue, cut, {native}": step(ours, native),
    }
    decoding = {
        "transformers generate, 30 s, float32": generate,
        "mothertongue, 30 s, float32": decode("full"),
        "mothertongue, cut, float32": decode("bucket"),
    }
    result = {
        "training": compare(training, rounds, len(batches) * BATCH_SIZE),
        "decoding": compare(decoding, rounds, len(clips)),
        "environment": environment(),
    }
    print(json.dumps(result, indent=2))


def load_data(tokens: Any) -> tuple[list[Batch], list[Any]]:
    """Whole steps of the demo's train split, and clips of its test split."""
    experiment = demo_experiment([f"train.batch_size={BATCH_SIZE}", "train.full_context_share=0"])
    root = experiment.manifests[0]
    utterances = list(read_manifest(root))
    train = [each for each in utterances if each.split == "train"]
    steps = StepDataset(root, train, tokens, experiment.train)
    batches = [batch for i in range(STEPS) for batch in steps[i]]  # type: ignore[union-attr]
    test = [each for each in utterances if each.split == "test"][:DECODED]
    return batches, [load_clip(root, each) for each in test]


def compare(
    candidates: dict[str, Callable[[], None]], rounds: int, clips: int
) -> dict[str, dict[str, float]]:
    """Clips a second of each, medians over rounds in turn, and the ratio to the first."""
    seconds: dict[str, list[float]] = {name: [] for name in candidates}
    for number in range(rounds + 1):  # the first round warms up
        for name, run in candidates.items():
            began = time.perf_counter()
            run()
            if number:
                seconds[name].append(time.perf_counter() - began)
    first = statistics.median(next(iter(seconds.values())))
    return {
        name: {
            "clips_per_s": round(clips / statistics.median(times), 2),
            "times_the_first": round(first / statistics.median(times), 2),
        }
        for name, times in seconds.items()
    }


def void(value: object) -> None:
    del value


if __name__ == "__main__":
    main()
