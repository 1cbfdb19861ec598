"""The tied embedding: torch's own loss and gradients, to rounding, whatever the chunks."""

import pytest
import torch
from torch import Tensor, nn

from mothertongue.training import tied_embedding as projection
from mothertongue.training.batch import IGNORED
from mothertongue.training.tied_embedding import embed, projected_cross_entropy

VOCABULARY, WIDTH, PADDING = 50, 8, 7


def parts(seed: int = 0) -> tuple[nn.Embedding, nn.Linear, Tensor, Tensor]:
    """An embedding, something to learn between its two uses, tokens and targets."""
    torch.manual_seed(seed)
    embedding = nn.Embedding(VOCABULARY, WIDTH, padding_idx=PADDING)
    tokens_BL = torch.randint(VOCABULARY, (3, 11))
    tokens_BL[:, -2:] = PADDING
    tokens_BL[0, :3] = 5  # the same row several times
    return embedding, nn.Linear(WIDTH, WIDTH), tokens_BL, torch.randint(VOCABULARY, (33,))


def ours(embedding: nn.Embedding, middle: nn.Linear, tokens: Tensor, targets: Tensor) -> Tensor:
    states_BLD, weight_VD = embed(tokens, embedding)
    return projected_cross_entropy(middle(states_BLD).flatten(0, 1), weight_VD, targets)


def theirs(embedding: nn.Embedding, middle: nn.Linear, tokens: Tensor, targets: Tensor) -> Tensor:
    scores = middle(embedding(tokens)).flatten(0, 1) @ embedding.weight.T
    return nn.functional.cross_entropy(scores.float(), targets, reduction="sum")


def learned(loss: Tensor, *modules: nn.Module) -> list[Tensor]:
    """The loss and the gradients of all parameters that have one, which are cleared."""
    loss.backward()
    found = [p.grad for m in modules for p in m.parameters() if p.grad is not None]
    for module in modules:
        module.zero_grad()
    return [loss.detach(), *found]


@pytest.mark.parametrize("rows", [1, 7, 33, 512])
def test_loss_and_gradients_are_torchs(rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(projection, "CHUNK_ROWS", rows)
    embedding, middle, *data = parts()
    mine = learned(ours(embedding, middle, *data), embedding, middle)
    torch.testing.assert_close(mine, learned(theirs(embedding, middle, *data), embedding, middle))
    assert len(mine) == 4


def test_ignored_targets_count_nothing() -> None:
    embedding, middle, tokens, targets = parts()
    targets[[0, 4, 32]] = IGNORED  # what torch ignores too
    mine = learned(ours(embedding, middle, tokens, targets), embedding, middle)
    expected = learned(theirs(embedding, middle, tokens, targets), embedding, middle)
    torch.testing.assert_close(mine, expected)


@pytest.mark.parametrize("rows", [7, 512])
def test_factors_multiply_the_loss_of_each_row(rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(projection, "CHUNK_ROWS", rows)
    embedding, middle, tokens, targets = parts()
    targets[[0, 4, 32]] = IGNORED
    factors_N = torch.tensor([1.0, 0.3, 0.5]).repeat(11)

    def weighed(factors_N: Tensor | None) -> list[Tensor]:
        states_BLD, weight_VD = embed(tokens, embedding)
        states_ND = middle(states_BLD).flatten(0, 1)
        loss = projected_cross_entropy(states_ND, weight_VD, targets, factors_N)
        return learned(loss, embedding, middle)

    scores = middle(embedding(tokens)).flatten(0, 1) @ embedding.weight.T
    each_N = nn.functional.cross_entropy(scores, targets, reduction="none")
    expected = learned((each_N * factors_N).sum(), embedding, middle)
    torch.testing.assert_close(weighed(factors_N), expected)
    assert all(map(torch.equal, weighed(torch.ones(33)), weighed(None)))


def test_rows_of_the_product_come_in_few_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    """A product of another height is compiled anew."""
    seen, errors = set[int](), projection._softmax_errors

    def counting(scores_CV: Tensor, *labels: Tensor) -> tuple[Tensor, Tensor]:
        seen.add(len(scores_CV))
        return errors(scores_CV, *labels)

    monkeypatch.setattr(projection, "_softmax_errors", counting)
    weight_VD = torch.randn(VOCABULARY, WIDTH)
    for rows in range(1, 130):
        projected_cross_entropy(torch.randn(rows, WIDTH), weight_VD, torch.zeros(rows).long())
    assert seen == {64, 128, 192}


def test_two_losses_in_one_backward_pass_add_up() -> None:
    embedding, middle, *data = parts()
    other = (data[0].flip(1), data[1].flip(0))
    both = ours(embedding, middle, *data) + 2 * ours(embedding, middle, *other)
    expected = theirs(embedding, middle, *data) + 2 * theirs(embedding, middle, *other)
    torch.testing.assert_close(
        learned(both, embedding, middle), learned(expected, embedding, middle)
    )


def test_gradients_add_to_those_that_are_there() -> None:
    embedding, middle, *data = parts()
    for _ in range(2):
        ours(embedding, middle, *data).backward()
    twice = embedding.weight.grad
    embedding.weight.grad = None
    ours(embedding, middle, *data).backward()
    torch.testing.assert_close(twice, 2 * embedding.weight.grad)


def test_a_frozen_embedding_gets_no_gradient_and_the_rest_does() -> None:
    embedding, middle, *data = parts()
    embedding.requires_grad_(False)
    mine = learned(ours(embedding, middle, *data), embedding, middle)
    torch.testing.assert_close(mine, learned(theirs(embedding, middle, *data), embedding, middle))
    assert len(mine) == 3


def test_under_autocast_products_are_bfloat16_and_gradients_keep_the_weights_type() -> None:
    embedding, middle, *data = parts()
    with torch.autocast("cpu", torch.bfloat16):
        loss = ours(embedding, middle, *data)
        expected = theirs(embedding, middle, *data)
    mine = learned(loss, embedding, middle)
    reference = learned(expected, embedding, middle)
    assert {value.dtype for value in mine} == {torch.float32}
    for value, other in zip(mine, reference, strict=True):
        torch.testing.assert_close(value, other, rtol=0.05, atol=0.02 * float(other.abs().max()))


def test_scores_far_apart_stay_finite() -> None:
    states_ND = torch.full((4, WIDTH), 300.0, requires_grad=True)
    weight_VD = torch.linspace(-1, 1, VOCABULARY)[:, None].expand(-1, WIDTH).contiguous()
    loss = projected_cross_entropy(states_ND, weight_VD, torch.zeros(4, dtype=torch.long))
    expected = nn.functional.cross_entropy(
        states_ND.detach() @ weight_VD.T, torch.zeros(4, dtype=torch.long), reduction="sum"
    )
    torch.testing.assert_close(loss.detach(), expected)
    loss.backward()
    assert torch.isfinite(states_ND.grad).all()
