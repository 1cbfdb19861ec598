"""Whisper's tied embedding at both of its places: the decoder's input, and the cross-entropy.

The embedding is the projection too: 51,865 rows, a third of whisper-base. This gives torch's
own loss and gradients, but computes the gradient of that matrix once, in one memory.
B batch, L label tokens, N counted tokens, C rows of a chunk, D width, V vocabulary.
"""

from typing import Any

import torch
from torch import Tensor, nn

from mothertongue.training.batch import IGNORED

CHUNK_ROWS = 512  # 106 MB of float32 scores
ROWS = 64
"""N is filled up to a multiple of it: every other N is a product of another shape, for which oneDNN
compiles primitives anew, 60 ms of a step of 2.5 s, and keeps them in memory."""


def embed(tokens_BL: Tensor, embedding: nn.Embedding) -> tuple[Tensor, Tensor]:
    """states_BLD, the embedding's rows of these tokens, and weight_VD, for the projection.

    Use them in the same backward pass: the few rows' gradient is added in place to that of
    weight_VD, where torch's own would be a second matrix of V rows, nearly all of them zero.
    """
    if not embedding.weight.requires_grad:
        return embedding(tokens_BL), embedding.weight
    states_BLD, weight_VD = _Embed.apply(tokens_BL, embedding.weight, embedding.padding_idx)
    return states_BLD, weight_VD


def projected_cross_entropy(
    states_ND: Tensor, weight_VD: Tensor, targets_N: Tensor, factors_N: Tensor | None = None
) -> Tensor:
    """The cross-entropy, in nats, of softmax(states x weight^T) summed over N; a scalar.

    factors_N, float32, multiply the cross-entropy of each row; without them all are 1.

    The scores of only CHUNK_ROWS rows are in memory at once, and none is kept for the backward
    pass: the gradients are computed with them. Under autocast the products run in its type, the
    softmax in float32.
    """
    missing = -len(targets_N) % ROWS
    states_ND = nn.functional.pad(states_ND, (0, 0, 0, missing))
    targets_N = nn.functional.pad(targets_N, (0, missing), value=IGNORED)
    counts_N = targets_N != IGNORED
    if factors_N is not None:
        counts_N = counts_N * nn.functional.pad(factors_N, (0, missing))
    loss: Tensor = _CrossEntropy.apply(states_ND, weight_VD, targets_N, counts_N)
    return loss


class _Embed(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, tokens_BL: Tensor, weight_VD: Tensor, padding: int | None
    ) -> tuple[Tensor, Tensor]:
        ctx.save_for_backward(tokens_BL)
        ctx.padding = padding
        return nn.functional.embedding(tokens_BL, weight_VD), weight_VD

    @staticmethod
    def backward(ctx: Any, grad_BLD: Tensor, grad_VD: Tensor) -> tuple[None, Tensor, None]:
        (tokens_BL,) = ctx.saved_tensors
        counts_BL1 = (tokens_BL != ctx.padding)[..., None]  # as in torch: none for padding
        rows_ND = (grad_BLD * counts_BL1).flatten(0, 1).to(grad_VD.dtype)
        return None, grad_VD.index_add_(0, tokens_BL.flatten(), rows_ND), None


class _CrossEntropy(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, states_ND: Tensor, weight_VD: Tensor, targets_N: Tensor, counts_N: Tensor
    ) -> Tensor:
        """counts_N: whether each row counts, or its factor."""
        states, weight = _in_autocast_type(states_ND), _in_autocast_type(weight_VD)
        needs_states, needs_weight, *_ = ctx.needs_input_grad
        loss = states_ND.new_zeros((), dtype=torch.float32)
        grad_states: list[Tensor] = []
        grad_weight_VD: Tensor | None = None
        with torch.autocast(states.device.type, enabled=False):
            chunks = (each.split(CHUNK_ROWS) for each in (states, targets_N, counts_N))
            for part_CD, targets_C, counts_C in zip(*chunks, strict=True):
                scores_CV = (part_CD @ weight.T).float()
                chunk_loss, error_CV = _softmax_errors(scores_CV, targets_C, counts_C)
                loss += chunk_loss
                error_CV = error_CV.to(weight.dtype)
                counts_C1 = counts_C[:, None]
                if needs_states:
                    grad_states.append((error_CV @ weight * counts_C1).to(states_ND.dtype))
                if needs_weight:
                    counted_CD = (part_CD * counts_C1).to(part_CD.dtype)
                    more_VD = (error_CV.T @ counted_CD).to(weight_VD.dtype)
                    grad_weight_VD = (
                        more_VD if grad_weight_VD is None else grad_weight_VD.add_(more_VD)
                    )
        ctx.gradients = torch.cat(grad_states) if needs_states else None, grad_weight_VD
        return loss

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor | None, None, None]:
        states_ND, weight_VD = (_times(gradient, grad) for gradient in ctx.gradients)
        ctx.gradients = None
        return states_ND, weight_VD, None, None


def _softmax_errors(
    scores_CV: Tensor, targets_C: Tensor, counts_C: Tensor
) -> tuple[Tensor, Tensor]:
    """The summed cross-entropy and its gradient by the scores, softmax minus one-hot.

    counts_C multiply the terms of the sum, not the gradient. No value is read, so that the host
    does not wait for a GPU.
    """
    targets_C1 = targets_C.clamp(min=0)[:, None]
    log_CV = scores_CV.log_softmax(-1)
    loss = -(log_CV.gather(1, targets_C1)[:, 0] * counts_C).sum()
    error_CV = log_CV.exp_()
    minus_C1 = error_CV.new_full((), -1.0).expand(targets_C1.shape)
    return loss, error_CV.scatter_add_(1, targets_C1, minus_C1)


def _in_autocast_type(value: Tensor) -> Tensor:
    device = value.device.type
    if not torch.is_autocast_enabled(device):
        return value
    return value.to(torch.get_autocast_dtype(device))


def _times(gradient: Tensor | None, factor: Tensor) -> Tensor | None:
    return None if gradient is None else gradient.mul_(factor)
