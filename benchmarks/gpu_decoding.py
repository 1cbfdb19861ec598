"""Greedy and beam decoding with large-v2's shape on one GPU: ours and transformers' generate.

    python benchmarks/gpu_decoding.py [--shape large-v2] [--out gpu_decoding.json]

Random weights and noise, bfloat16: every clip is decoded to the same number of tokens on both
sides. Random weights say one word for ever, so our guard against loops is off, and no side may end.
Seconds of audio a second, encoder included: the best of some rounds, both sides in turn.
"""

import argparse
import gc
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor, nn
from transformers import GenerationConfig, WhisperConfig, WhisperForConditionalGeneration
from transformers.utils import logging as transformers_logging

from mothertongue.data.audio.load import SAMPLE_RATE_HZ
from mothertongue.decoding import beams
from mothertongue.decoding.search import Rules, Search, Waiting
from mothertongue.model.encoder import encode
from mothertongue.model.features import log_mel
from mothertongue.model.graphs import CudaRecorder
from mothertongue.model.sizes import openai_config
from mothertongue.system.environment import environment
from mothertongue.system.files import write_json
from mothertongue.system.json_files import to_json

Json = dict[str, Any]
TOKENS_PER_S = 5  # of read speech
NEVER = -1  # a token that no model says
START, END, NO_TIMESTAMPS = 50258, 50257, 50363  # Whisper's vocabulary of 51,865
SIZES = (1, 16, 64)
GRAPHS = "ours, graphs"


def main() -> int:
    options = parse_arguments()
    device = torch.device(options.device)
    if device.type == "cuda" and not torch.cuda.is_available():
        print("no GPU here: benchmarks/gpu_decoding.py needs one that CUDA finds", file=sys.stderr)
        return 1
    config = openai_config(options.shape)
    assert config is not None, f"{options.shape}: not a shape of Whisper's"
    name = torch.cuda.get_device_name() if device.type == "cuda" else "CPU"
    transformers_logging.set_verbosity_error()  # of its two ways to give a limit
    model = made(config, device)
    rows: list[Json] = []
    for clip_s in (12, 30):
        for beam_size in (1, 5):
            for size in options.sizes:
                rows.append(measure(model, size, clip_s, beam_size, options.rounds))
                print(line(rows[-1]), flush=True)
    if options.out is not None:
        facts = {"device": name, "shape": options.shape, "environment": to_json(environment())}
        write_json(options.out, facts | {"rows": rows})
    return 0


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--shape", default="large-v2")
    parser.add_argument("--sizes", type=int, nargs="*", default=SIZES, help="clips in a batch")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--device", default="cuda", choices=["cuda", "cpu"])
    parser.add_argument("--out", type=Path)
    return parser.parse_args()


def made(
    config: WhisperConfig, device: torch.device, dtype: torch.dtype = torch.bfloat16
) -> WhisperForConditionalGeneration:
    """A model that both sides use; generate asks for its own configuration."""
    with device:
        model = nn.Module.to(WhisperForConditionalGeneration(config).eval(), dtype)
    model.config._attn_implementation = "sdpa"
    model.generation_config = GenerationConfig(
        decoder_start_token_id=START,
        bos_token_id=END,
        eos_token_id=END,
        pad_token_id=END,
        no_timestamps_token_id=NO_TIMESTAMPS,
        is_multilingual=False,
        return_timestamps=False,
    )
    return model


def measure(
    model: WhisperForConditionalGeneration, size: int, clip_s: int, beam_size: int, rounds: int
) -> Json:
    """Both sides in turn; theirs is padded to 30 s, ours to the clip.

    Ours once more with its steps replayed, which on a CPU are only called.
    """
    tokens = TOKENS_PER_S * clip_s
    eager, replayed = (
        searching(model, size, beam_size, has_graphs) for has_graphs in (False, True)
    )
    sides: dict[str, Callable[[], object]] = {
        "transformers": lambda: theirs(model, sound(model, size, 30), tokens, beam_size),
        "ours at 30 s": lambda: ours(eager, sound(model, size, 30), tokens),
        "ours": lambda: ours(eager, sound(model, size, clip_s), tokens),
        GRAPHS: lambda: ours(replayed, sound(model, size, clip_s), tokens),
    }
    if clip_s == 30:
        del sides["ours at 30 s"]
    found: Json = {"clip_s": clip_s, "tokens": tokens, "beam_size": beam_size, "batch_size": size}
    for decode in sides.values():
        decode()
    times: dict[str, list[float]] = {who: [] for who in sides}
    for _ in range(rounds):
        for who, decode in sides.items():
            times[who].append(seconds_of(decode, model.device))
    return found | {who: size * clip_s / min(each) for who, each in times.items()}


def sound(model: WhisperForConditionalGeneration, size: int, seconds: int) -> Tensor:
    """mel_BMF of noise, in the model's type."""
    samples_BS = torch.randn(size, seconds * SAMPLE_RATE_HZ, device=model.device)
    return log_mel(samples_BS, model.config.num_mel_bins).to(model.dtype)


@torch.inference_mode()
def theirs(
    model: WhisperForConditionalGeneration, mel_BMF: Tensor, tokens: int, beam_size: int
) -> None:
    found = model.generate(
        mel_BMF, num_beams=beam_size, max_new_tokens=tokens, min_new_tokens=tokens
    )
    assert found.shape[1] >= tokens, found.shape


def searching(
    model: WhisperForConditionalGeneration, size: int, beam_size: int, has_graphs: bool
) -> Search:
    none_V = torch.zeros(model.config.vocab_size, device=model.device)
    is_recorded = has_graphs and model.device.type == "cuda"
    recorder = CudaRecorder(model.device) if is_recorded else None
    with torch.inference_mode():
        return Search(model, Rules(none_V, none_V, NEVER), size, beam_size, recorder=recorder)


@torch.inference_mode()
def ours(search: Search, mel_BMF: Tensor, tokens: int) -> None:
    hidden_BTD = encode(search.model.model.encoder, mel_BMF)
    found = texts(search, [waiting(i, hidden_TD, tokens) for i, hidden_TD in enumerate(hidden_BTD)])
    assert [len(each) for each in found.values()] == [tokens] * len(mel_BMF)


def waiting(clip: int, hidden_TD: Tensor, tokens: int) -> Waiting:
    """Return a clip that waits to be decoded to so many tokens."""
    return Waiting(clip, hidden_TD, [START, NO_TIMESTAMPS], tokens)


def texts(search: Search, clips: Sequence[Waiting]) -> dict[int, list[int]]:
    """Return the tokens of each clip; our guard against loops is off."""
    with patch.object(beams, "is_loop", lambda _: False):
        return {clip: best.tokens for clip, best in search(clips)}


def seconds_of(decode: Callable[[], object], device: torch.device) -> float:
    gc.collect()
    began = time.perf_counter()
    decode()
    if device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - began


def line(row: Json) -> str:
    theirs_s = row["transformers"]
    sides = [
        f"{who} {row[who]:.0f} ({row[who] / theirs_s:.2f})"
        for who in ("transformers", "ours at 30 s", "ours", GRAPHS)
        if who in row
    ]
    shape = f"clips of {row['clip_s']} s, batch {row['batch_size']}, beam {row['beam_size']}"
    return f"{shape:<36} audio s/s: {'; '.join(sides)}"


if __name__ == "__main__":
    sys.exit(main())
