import pytest
import torch
from tiny import noise, tiny_model
from torch import Tensor, nn
from transformers import WhisperForConditionalGeneration

from mothertongue.features import Batch, collate, log_mel
from mothertongue.tokens import Tokens
from mothertongue.training.loss import LabelLoss

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
