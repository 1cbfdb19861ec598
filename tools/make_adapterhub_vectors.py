"""Have AdapterHub's `adapters` compute what a Whisper with bottleneck adapters gives, and keep it.

    make oracles

`adapters` pins an older transformers, so this runs in .venv-adapterhub, made from
tools/adapterhub-requirements.txt, and imports nothing of mothertongue. The file it writes is what
tests/strategies/test_adapterhub.py replays: random weights and inputs, outputs, loss, gradients.
The same versions on the same kind of processor give the same bytes.

B batch, M mels, F mel frames, T encoder frames, L label tokens, D width.
"""

import argparse
import json
import logging
import os
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"

import adapters
import torch
import transformers
from adapters import SeqBnConfig
from safetensors.torch import save_file
from torch import Tensor, nn
from transformers import WhisperConfig
from transformers import WhisperForConditionalGeneration as Whisper

ROOT = Path(__file__).resolve().parent.parent
OUTPUT = ROOT / "tests" / "strategies" / "adapterhub_vectors.safetensors"

WIDTH, DIM = 32, 8
SHAPE = {
    "vocab_size": 100,
    "num_mel_bins": 8,
    "d_model": WIDTH,
    "encoder_layers": 3,
    "decoder_layers": 2,
    "encoder_attention_heads": 4,
    "decoder_attention_heads": 4,
    "encoder_ffn_dim": 48,
    "decoder_ffn_dim": 48,
    "max_source_positions": 16,
    "max_target_positions": 8,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "decoder_start_token_id": 3,
}
# AdapterHub counts the layers from the encoder's bottom to the decoder's top.
LEFT_OUT: dict[str, list[int]] = {"all": [], "top1": [0, 1]}
# y = x + Up(GELU(Down(LN(x)))), x being the layer's output, FFN residual included.
BOTTLENECK = {
    "ln_before": True,
    "non_linearity": "gelu",
    "reduction_factor": WIDTH / DIM,
    "original_ln_before": True,
    "original_ln_after": True,
    "residual_before_ln": True,
}
OUR_NAMES = {"adapter_norm_before": "norm", "adapter_down.1": "down", "adapter_up": "up"}
BASE_DEVIATION, ADAPTER_DEVIATION = 0.2, 0.3


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("output", nargs="?", type=Path, default=OUTPUT)
    output = parser.parse_args().output
    # It warns that no adapter is active. All are: else run() would find no gradient to store.
    logging.getLogger("adapters").setLevel(logging.ERROR)
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    save_file(vectors(torch.Generator().manual_seed(0)), output, {"made_with": made_with()})


def vectors(generator: torch.Generator) -> dict[str, Tensor]:
    """Base, inputs and, for each placement, what `adapters` computes, under the test's names."""
    base = Whisper(WhisperConfig(**SHAPE)).eval()
    draw(dict(base.named_parameters()), BASE_DEVIATION, generator)
    weights = {name: value.detach().clone() for name, value in base.named_parameters()}
    inputs = draw_inputs(generator)
    tensors = inputs | {f"base.{name}": value for name, value in weights.items()}
    for case, left_out in LEFT_OUT.items():
        adapted = with_adapters(weights, left_out, generator)
        tensors |= {f"{case}.{name}": value for name, value in run(adapted, inputs).items()}
    return tensors


def draw(weights: dict[str, Tensor], deviation: float, generator: torch.Generator) -> None:
    """Fill weights with noise, those of LayerNorms around 1, so that all of them count."""
    with torch.no_grad():
        for name, weight in weights.items():
            middle = 1.0 if name.endswith("norm.weight") or "norm_before.weight" in name else 0.0
            weight.copy_(middle + deviation * torch.randn(weight.shape, generator=generator))


def draw_inputs(generator: torch.Generator) -> dict[str, Tensor]:
    """Mels of noise, and labels that end in one ignored place."""
    frames = 2 * SHAPE["max_source_positions"]
    mel_BMF = torch.randn(2, SHAPE["num_mel_bins"], frames, generator=generator)
    tokens_BL = torch.randint(4, SHAPE["vocab_size"], (2, 6), generator=generator)
    tokens_BL[:, 0] = SHAPE["decoder_start_token_id"]
    labels_BL = tokens_BL.roll(-1, dims=1)
    labels_BL[:, -1] = SHAPE["eos_token_id"]
    labels_BL[1, -1] = -100
    return {"mel_BMF": mel_BMF, "inputs_BL": tokens_BL, "labels_BL": labels_BL}


def with_adapters(
    weights: dict[str, Tensor], left_out: list[int], generator: torch.Generator
) -> Whisper:
    """The base with AdapterHub's bottleneck in all layers but these; adapter weights are drawn."""
    model = Whisper(WhisperConfig(**SHAPE)).eval()
    model.load_state_dict(weights, strict=False)
    adapters.init(model)
    model.add_adapter("a", config=SeqBnConfig(**BOTTLENECK, leave_out=left_out))
    model.train_adapter("a")
    draw(trained(model), ADAPTER_DEVIATION, generator)
    return model.eval()


def run(model: Whisper, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
    """The adapters' weights and gradients under our names, the outputs and the loss."""
    found = model(
        input_features=inputs["mel_BMF"],
        decoder_input_ids=inputs["inputs_BL"],
        labels=inputs["labels_BL"],
        output_hidden_states=True,
    )
    found.loss.backward()
    adapter = {our_name(name): value for name, value in trained(model).items()}
    return {
        "encoder_BTD": found.encoder_last_hidden_state.detach(),
        "decoder_BLD": found.decoder_hidden_states[-1].detach(),
        "loss": found.loss.detach(),
        **{f"weight.{name}": value.detach() for name, value in adapter.items()},
        **{f"gradient.{name}": value.grad for name, value in adapter.items()},
    }


def trained(model: Whisper) -> dict[str, nn.Parameter]:
    """The parameters that `adapters` trains."""
    return {name: value for name, value in model.named_parameters() if value.requires_grad}


def our_name(name: str) -> str:
    """ "model.encoder.layers.0...adapter_down.1.bias" as "encoder.layers.0.down.bias"."""
    layer, _, inside = name.removeprefix("model.").partition(".output_adapters.adapters.a.")
    module, _, kind = inside.rpartition(".")
    return f"{layer}.{OUR_NAMES[module]}.{kind}"


def made_with() -> str:
    """Versions and configuration, as JSON in one value: safetensors keeps no order of several."""
    packages = {each.__name__: each.__version__ for each in (adapters, transformers, torch)}
    facts = {
        "versions": packages,
        "whisper": SHAPE,
        "bottleneck": BOTTLENECK,
        "leave_out": LEFT_OUT,
    }
    return json.dumps(facts, sort_keys=True)


if __name__ == "__main__":
    main()
