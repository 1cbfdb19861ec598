"""transformers' generate, in batches. A child of bench.py; usage: generate.py JSON"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from decoding import LONGEST_TOKENS, Decode, run_decoder
from transformers import WhisperForConditionalGeneration

from mothertongue.data.clips import Samples
from mothertongue.model.context import FULL_CONTEXT_S
from mothertongue.model.devices import best_device, dtype_of
from mothertongue.model.features import log_mel, pad_samples
from mothertongue.model.load import load_base


def opened(spec: dict[str, Any]) -> Decode:
    folder = Path(spec["work"]) / "base"
    tokens, dtype = load_base(str(folder)).tokens, dtype_of(spec["precision"], best_device())
    model = WhisperForConditionalGeneration.from_pretrained(
        folder, attn_implementation="sdpa", dtype=dtype
    ).eval()

    @torch.inference_mode()
    def decode(audio: Sequence[Samples]) -> list[str]:
        texts = []
        for start in range(0, len(audio), spec["batch_size"]):
            padded_BS = pad_samples(audio[start : start + spec["batch_size"]], FULL_CONTEXT_S)
            found = model.generate(
                log_mel(padded_BS, model.config.num_mel_bins).to(dtype),
                language=spec["language"],
                task="transcribe",
                max_new_tokens=LONGEST_TOKENS,
            )
            # Control tokens are the end token and all above it.
            said = [[each for each in row if each < tokens.end] for row in found.tolist()]
            texts += [tokens.decode(each) for each in said]
        return texts

    return decode


if __name__ == "__main__":
    run_decoder(opened)
