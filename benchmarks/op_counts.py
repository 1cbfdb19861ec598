"""Count what a training step asks of a device: operations and kernels, by phase and strategy.

    python benchmarks/op_counts.py [--out docs/op_counts.json]

Python starts every kernel of a step, and on a fast GPU that is what a step waits for, so fewer are
faster. Counted on a CPU in a step as a GPU takes it, of 2 + 2 layers under bfloat16: any processor
gives the same numbers. They depend on the number of layers, not on the width; kernels_per_layer is
what one more encoder layer and one more decoder layer add. tests/benchmarks/test_op_counts.py fails
when a number grows.
"""

import argparse
import json
import sys
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from transformers import WhisperConfig, WhisperForConditionalGeneration

from mothertongue.config import parse
from mothertongue.data.audio.load import SAMPLE_RATE_HZ
from mothertongue.experiment.config import Experiment
from mothertongue.experiment.train_config import TrainConfig
from mothertongue.model.devices import dtype_of
from mothertongue.system.arguments import Precision
from mothertongue.training import frozen_prefix, lean, loss
from mothertongue.training.batch import Batch
from mothertongue.training.distributed import Ranks
from mothertongue.training.frozen_prefix import FrozenPrefix
from mothertongue.training.step import Stepper

OUT = Path(__file__).parents[1] / "docs" / "op_counts.json"
LAYERS, WIDTH, CLIPS, SECONDS, LABEL, VOCABULARY = 2, 64, 1, 2, 16, 200
STRATEGIES: dict[str, dict[str, Any]] = {
    "full": {"kind": "full"},
    "freeze": {"kind": "freeze", "encoder_layers": 1},
    "reinit": {"kind": "reinit", "encoder_layers": 1},
    "lora": {"kind": "lora", "preset": "peft", "rank": 4, "alpha": 8, "dropout": 0.05},
    "bottleneck": {"kind": "bottleneck", "dim": 4},
    "bottleneck, top 1": {"kind": "bottleneck", "dim": 4, "encoder_top": 1},
    "bitfit": {"kind": "bitfit"},
}
PHASES: dict[str, list[tuple[Any, str]]] = {
    "features": [(loss, "log_mel"), (frozen_prefix, "log_mel")],
    "frozen prefix": [(frozen_prefix, "prefix")],
    "encoder": [(lean.LeanPasses, "_encoded")],
    "decoder": [(lean.LeanPasses, "_decoded")],
    "loss": [(lean, "projected_cross_entropy")],
    "backward, update": [(torch.Tensor, "backward")],
}
"""The functions with which each phase begins."""
VIEWS = {
    *("_reshape_alias", "_unsafe_view", "alias", "as_strided", "detach", "expand", "lift_fresh"),
    *("permute", "reshape", "select", "slice", "split", "split_with_sizes", "squeeze", "t"),
    *("transpose", "unbind", "unflatten", "unfold", "unsqueeze", "view", "view_as_real"),
    *("empty", "empty_like", "empty_strided", "new_empty", "new_empty_strided"),
}
"""Operations that start no kernel."""
SEVERAL = {
    "convolution": 2,
    "convolution_backward": 5,
    "native_layer_norm_backward": 3,
    "_scaled_dot_product_flash_attention_for_cpu_backward": 3,
    "_fft_r2c": 2,
}
"""Operations that start several kernels on a GPU, estimated."""


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, default=OUT)
    found = counts()
    parser.parse_args().out.write_text(json.dumps(found, indent=2) + "\n")
    print(f"{'strategy':<18} {'phase':<14} {'ops':>6} {'kernels':>8} {'kernels a layer':>16}")
    for strategy, phases in found.items():
        for phase, each in phases.items():
            print(
                f"{strategy:<18} {phase:<14} {each['ops']:>6} {each['kernels']:>8} "
                f"{each['kernels_per_layer']:>16}"
            )
    return 0


def counts() -> dict[str, dict[str, dict[str, int]]]:
    """Return ops, kernels and kernels_per_layer of each phase of each strategy."""
    return {name: counts_of(settings) for name, settings in STRATEGIES.items()}


def counts_of(settings: dict[str, Any]) -> dict[str, dict[str, int]]:
    """Return ops, kernels and kernels_per_layer of each phase of a strategy."""
    few, more = (count(settings, layers) for layers in (LAYERS, LAYERS + 1))
    return {
        phase: {
            "ops": ops.total(),
            "kernels": kernels(ops),
            "kernels_per_layer": kernels(more[phase]) - kernels(ops),
        }
        for phase, ops in few.items()
    }


def kernels(ops: Counter[str]) -> int:
    """Return how many kernels they start on a GPU, estimated."""
    return sum(SEVERAL.get(name, 1) * times for name, times in ops.items() if name not in VIEWS)


def count(settings: dict[str, Any], layers: int) -> dict[str, Counter[str]]:
    """Return the operations of a step of one micro-batch by phase, as a GPU takes it."""
    stepper, batch, phases = *step_of(settings, layers), Phases()
    stepper.one_gpu = stepper.gpu_step(recorder=None)
    stepper.take(1, [batch], 1e-6)  # the optimizer's state is there from now on
    with ExitStack() as patches:
        for phase, functions in PHASES.items():
            for owner, name in functions:
                counted = phases.during(phase, getattr(owner, name))
                patches.enter_context(patch.object(owner, name, counted))
        with phases:
            stepper.take(2, [batch], 1e-6)
    return phases.found


def step_of(
    settings: dict[str, Any], layers: int = LAYERS, precision: Precision = "bf16", **train: Any
) -> tuple[Stepper, Batch]:
    """Return what trains a narrow random Whisper by a strategy, and a batch for it.

    `train` are other settings of the training.
    """
    shape = {"encoder_layers": layers, "decoder_layers": layers, "d_model": WIDTH}
    heads = {"encoder_attention_heads": 2, "decoder_attention_heads": 2}
    wide = {"encoder_ffn_dim": WIDTH, "decoder_ffn_dim": WIDTH}
    tokens = {"vocab_size": VOCABULARY, "pad_token_id": 1, "bos_token_id": 1, "eos_token_id": 1}
    torch.manual_seed(0)
    model = WhisperForConditionalGeneration(
        WhisperConfig(**shape, **heads, **wide, **tokens, decoder_start_token_id=2)
    )
    model.config._attn_implementation = "sdpa"
    experiment = {"name": "counts", "language": "sw", "data": ".", "strategy": settings}
    strategy = parse(Experiment, experiment, "counts").strategy
    model = strategy.apply(model, seed=0).train()
    depth, dtype = strategy.frozen_prefix(model), dtype_of(precision, model.device)
    frozen = FrozenPrefix(model, depth, dtype, None, print) if depth else None
    train |= {"precision": precision, "learning_rate": 1e-5, "batch_size": CLIPS}
    stepper = Stepper(model, frozen, TrainConfig.model_validate(train), Ranks(), print)
    labels_BL = torch.randint(2, VOCABULARY, (CLIPS, LABEL))
    samples_BS = 0.1 * torch.randn(CLIPS, SECONDS * SAMPLE_RATE_HZ)
    return stepper, Batch(("a",) * CLIPS, samples_BS, labels_BL, labels_BL.clone())


class Phases(TorchDispatchMode):
    """Counts operations by the phase that began last."""

    def __init__(self) -> None:
        super().__init__()
        self.phase, self.found = "inputs", dict[str, Counter[str]]()

    def __torch_dispatch__(
        self, operation: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        self.found.setdefault(self.phase, Counter())[operation_name(operation)] += 1
        return operation(*args, **(kwargs or {}))

    def during(self, phase: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return the same function, with which a phase begins."""

        def counted(*args: Any, **kwargs: Any) -> Any:
            self.phase = phase
            return function(*args, **kwargs)

        return counted


def operation_name(operation: Any) -> str:
    """Return the name of an operation without its namespace and overload."""
    return str(operation._schema.name.split("::")[1])


if __name__ == "__main__":
    sys.exit(main())
