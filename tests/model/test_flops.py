"""Operations counted from the shape against those that torch counts while it computes."""

import pytest
import torch
from runs import byte_tokens
from tiny import tiny_model
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from mothertongue.model.encoder import encode
from mothertongue.model.flops import training_flops
from mothertongue.strategies.base import Strategy
from mothertongue.strategies.bottleneck import BottleneckAdapters
from mothertongue.strategies.freeze import Freeze
from mothertongue.strategies.full import Full
from mothertongue.strategies.lora import Lora
from mothertongue.strategies.reinit import Reinit

FRAMES, TOKENS = 100, 30
STRATEGIES = [
    Full(),
    Freeze(encoder_layers=2),
    Freeze(encoder_layers=4),
    Freeze(encoder_layers=2, stem=False),
    Reinit(encoder_layers=1),
    BottleneckAdapters(dim=2),
    BottleneckAdapters(dim=2, encoder_top=1),
    Lora(rank=1, alpha=1),
]


@pytest.mark.parametrize("recomputes", [False, True])
@pytest.mark.parametrize("strategy", STRATEGIES, ids=repr)
def test_a_training_step_does_what_was_counted(strategy: Strategy, recomputes: bool) -> None:
    model = tiny_model(byte_tokens(), d_model=128, encoder_layers=4)
    model.config._attn_implementation = "eager"  # torch does not count its fused attention on a CPU
    strategy.apply(model, seed=0).train()
    if recomputes:
        model.activation_checkpointing_enable()
    mel_BMF = torch.zeros(1, 80, 2 * FRAMES)
    labels_BL = torch.zeros(1, TOKENS, dtype=torch.long)
    with FlopCounterMode(display=False) as counter:
        hidden_BTD = encode(model.model.encoder, mel_BMF)
        states_BLD = model.model.decoder(
            input_ids=labels_BL, encoder_hidden_states=hidden_BTD, use_cache=False
        ).last_hidden_state
        logits_NV = model.proj_out(states_BLD[0])
        nn.functional.cross_entropy(logits_NV, labels_BL[0]).backward()
    counted = training_flops(model, FRAMES, TOKENS, recomputes)
    # Torch does not do a layer's last product again.
    tolerance = 0.1 if recomputes else 0.05
    assert counted == pytest.approx(counter.get_total_flops(), rel=tolerance)
