import shutil
from dataclasses import replace

import pytest
import torch
from pydantic import TypeAdapter
from tiny import noise, tiny_model
from torch import Tensor, nn
from transformers import WhisperForConditionalGeneration

from mothertongue.experiment.config import AnyStrategy
from mothertongue.model.features import log_mel
from mothertongue.model.tokenizer import Tokens
from mothertongue.training.batch import Batch, collate
from mothertongue.training.loss import LabelLoss
from mothertongue.training.step import compile_layers

TEXTS = ["habari ya asubuhi", "ndiyo", "karibu sana rafiki"]


@pytest.fixture
def learner(tokens: Tokens) -> WhisperForConditionalGeneration:
    """A tiny Whisper whose weights may collect gradients."""
    model = tiny_model(tokens)
    model.model.encoder.embed_positions.requires_grad_(False)
    return model


def batch_of(tokens: Tokens, context_s: int) -> Batch:
    clips = [noise(context_s - 0.5, seed) for seed in range(len(TEXTS))]
    labels = [tokens.label(text, "sw") for text in TEXTS]
    return collate(["a", "b", "c"], clips, labels, context_s, tokens.end)


def gradients(model: nn.Module) -> dict[str, Tensor]:
    found = {
        name: weight.grad.clone()
        for name, weight in model.named_parameters()
        if weight.grad is not None
    }
    model.zero_grad()
    return found


def assert_close(ours: dict[str, Tensor], theirs: dict[str, Tensor]) -> None:
    assert ours.keys() == theirs.keys()
    for name, value in theirs.items():
        torch.testing.assert_close(ours[name], value, atol=1e-4 * value.abs().max().item(), rtol=0)


def test_loss_and_gradients_are_those_of_transformers(learner, tokens: Tokens) -> None:
    batch = batch_of(tokens, 30)
    loss = LabelLoss(learner)(*batch.tensors())
    loss.backward()
    ours = gradients(learner)
    theirs = learner(
        input_features=log_mel(batch.samples_BS, 80),
        decoder_input_ids=batch.inputs_BL,
        labels=batch.targets_BL,
    ).loss
    (theirs * batch.counted).backward()
    torch.testing.assert_close(loss, theirs * batch.counted, rtol=1e-5, atol=0)
    assert_close(ours, gradients(learner))


def test_loss_is_that_of_labels_given_to_transformers(learner, tokens: Tokens) -> None:
    """Given labels alone, transformers shifts them itself."""
    batch = batch_of(tokens, 30)
    labels_BL = torch.full((3, max(len(tokens.label(text, "sw")) for text in TEXTS)), -100)
    for row, text in enumerate(TEXTS):
        label = tokens.label(text, "sw")[1:]  # transformers puts the start token in front
        labels_BL[row, : len(label)] = torch.tensor(label)
    with torch.inference_mode():
        theirs = learner(input_features=log_mel(batch.samples_BS, 80), labels=labels_BL).loss
        ours = LabelLoss(learner)(*batch.tensors())
    torch.testing.assert_close(ours / batch.counted, theirs, rtol=1e-5, atol=0)


def test_micro_batches_add_up(learner, tokens: Tokens) -> None:
    batch = batch_of(tokens, 2)
    loss = LabelLoss(learner)
    whole = loss(*batch.tensors())
    whole.backward()
    expected = gradients(learner)
    parts = [loss(*part.tensors()) for part in batch.split(1)]
    torch.stack(parts).sum().backward()
    torch.testing.assert_close(torch.stack(parts).sum(), whole, rtol=1e-5, atol=0)
    assert_close(gradients(learner), expected)


def test_factors_of_clips_are_the_same_in_micro_batches(learner, tokens: Tokens) -> None:
    batch = batch_of(tokens, 4)
    loss, factors_B = LabelLoss(learner), torch.tensor([1.0, 0.25, 0.5])
    alone_B = torch.stack([loss(*part.tensors()).detach() for part in batch.split(1)])
    batch = replace(batch, factors_B=factors_B)
    rows_N = batch.counted_rows(torch.device("cpu"))
    whole = loss(*batch.tensors(), rows_N=rows_N, factors_B=batch.factors_B)
    torch.testing.assert_close(whole.detach(), factors_B @ alone_B, rtol=1e-5, atol=0)
    whole.backward()
    expected = gradients(learner)
    for part in batch.split(2):
        loss(*part.tensors(), factors_B=part.factors_B).backward()
    assert_close(gradients(learner), expected)


def test_padding_of_a_label_does_not_count(learner, tokens: Tokens) -> None:
    batch = batch_of(tokens, 2)
    longer = [nn.functional.pad(part, (0, 5), value=tokens.end) for part in batch.tensors()[1:]]
    longer[1][:, -5:] = -100
    with torch.inference_mode():
        loss = LabelLoss(learner)
        torch.testing.assert_close(
            loss(batch.samples_BS, *longer), loss(*batch.tensors()), rtol=1e-5, atol=0
        )


def test_untrained_model_knows_nothing(learner, tokens: Tokens) -> None:
    """With equal logits every token costs log V."""
    with torch.no_grad():
        learner.proj_out.weight.zero_()
    batch = batch_of(tokens, 1)
    loss = LabelLoss(learner)(*batch.tensors())
    expected = torch.tensor(float(tokens.vocabulary_size)).log() * batch.counted
    torch.testing.assert_close(loss, expected)


@pytest.mark.parametrize(
    "settings",
    [
        {"kind": "freeze", "encoder_layers": 1},
        {"kind": "bottleneck", "dim": 4, "encoder_top": 1},
        {"kind": "lora", "rank": 2},
    ],
)
def test_frozen_weights_kept_in_bfloat16_change_no_bit(settings, tokens: Tokens) -> None:
    """Autocast would cast them to the same values in each step."""

    def learned(dtype: torch.dtype) -> list[Tensor]:
        strategy = TypeAdapter(AnyStrategy).validate_python(settings)
        model = strategy.apply(tiny_model(tokens), seed=0)
        loss = LabelLoss(model, 0, dtype)
        kept = {value.dtype for value in model.parameters() if not value.requires_grad}
        assert kept == {torch.float32, dtype}
        with torch.autocast("cpu", torch.bfloat16):
            value = loss(*batch_of(tokens, 2).tensors())
        value.backward()
        return [value.detach(), *gradients(model).values()]

    as_stored, as_kept = learned(torch.float32), learned(torch.bfloat16)
    assert len(as_kept) > 5
    assert all(map(torch.equal, as_stored, as_kept))


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("g++") is None, reason="torch.compile needs a C++ compiler")
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")
def test_compiled_layers_give_the_same_loss_and_gradients(tokens: Tokens) -> None:
    plain, compiled = tiny_model(tokens), tiny_model(tokens)
    for model in (plain, compiled):
        model.model.encoder.embed_positions.requires_grad_(False)
    compile_layers(compiled)
    for context_s in (2, 3):
        batch = batch_of(tokens, context_s)
        losses = [LabelLoss(model)(*batch.tensors()) for model in (plain, compiled)]
        torch.testing.assert_close(losses[0], losses[1], rtol=1e-5, atol=0)
        for loss in losses:
            loss.backward()
        assert_close(gradients(compiled), gradients(plain))
