"""Check that two models have the same weights, and give the same scores."""

import torch
from torch import Tensor
from transformers import WhisperForConditionalGeneration

from mothertongue.model.tokenizer import Tokens

Model = WhisperForConditionalGeneration


def weights(model: Model) -> dict[str, Tensor]:
    return {name: value for name, value in model.state_dict().items() if name != "proj_out.weight"}


def logits(model: Model, tokens: Tokens) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    mel_BMF = torch.randn(1, model.config.num_mel_bins, 3000, generator=generator)
    with torch.inference_mode():
        return model(mel_BMF, decoder_input_ids=torch.tensor([tokens.label("habari", "sw")])).logits


def assert_same(loaded: Model, expected: Model, tokens: Tokens) -> None:
    ours, theirs = weights(loaded), weights(expected)
    assert ours.keys() == theirs.keys()
    for name, value in theirs.items():
        assert ours[name].dtype == torch.float32
        assert torch.equal(ours[name], value), name
    assert loaded.proj_out.weight is loaded.model.decoder.embed_tokens.weight
    torch.testing.assert_close(logits(loaded, tokens), logits(expected, tokens))
