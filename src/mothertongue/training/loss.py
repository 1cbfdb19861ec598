"""The training loss: cross-entropy where a label counts, and nothing computed elsewhere.

B batch, S samples, T encoder frames, D width, L label tokens, N rows of B x L, V vocabulary,
R masks.
"""

import torch
from torch import Tensor, nn

from mothertongue.model.decoder import read_labels
from mothertongue.model.encoder import continue_from, encode
from mothertongue.model.features import log_mel
from mothertongue.strategies.base import Whisper
from mothertongue.training.tied_embedding import embed, projected_cross_entropy


class LabelLoss(nn.Module):
    """From samples and labels to a sum over label tokens, in one forward for accelerate to wrap.

    With a depth it starts from the hidden_BTD after so many encoder layers instead of samples.
    `dtype` is that of the products: what does not train is kept in it, see `store_frozen`.
    """

    def __init__(self, model: Whisper, depth: int = 0, dtype: torch.dtype = torch.float32) -> None:
        super().__init__()
        self.model, self.depth = model, depth
        store_frozen(model, dtype)
        projection = model.proj_out.weight
        self.frozen_VD = None if projection.requires_grad else projection.detach().to(dtype)

    def forward(
        self,
        heard: Tensor,
        inputs_BL: Tensor,
        targets_BL: Tensor,
        masks_BR4: Tensor | None = None,
        rows_N: Tensor | None = None,
        factors_B: Tensor | None = None,
    ) -> Tensor:
        """The cross-entropy, in nats, summed over the targets that are not IGNORED; a scalar.

        `heard` is samples_BS, or hidden_BTD where there is a depth. masks_BR4 are for the
        spectrogram of samples_BS. The 51,865-wide projection is computed for the rows_N only, see
        `Batch.counted_rows`; without them for all B x L rows. factors_B multiply the cross-entropy
        of each clip.
        """
        features = self.features(heard, masks_BR4)
        return self.of_features(features, inputs_BL, targets_BL, factors_B, rows_N)

    def features(self, heard: Tensor, masks_BR4: Tensor | None = None) -> Tensor:
        """mel_BMF of samples_BS; with a depth the hidden_BTD as they are."""
        if self.depth:
            return heard
        return log_mel(heard, self.model.config.num_mel_bins, masks_BR4)

    def of_features(
        self,
        heard: Tensor,
        inputs_BL: Tensor,
        targets_BL: Tensor,
        factors_B: Tensor | None = None,
        rows_N: Tensor | None = None,
    ) -> Tensor:
        """The same cross-entropy, from what `features` gives."""
        whisper = self.model.model
        hidden_BTD = (
            continue_from(whisper.encoder, heard, self.depth)
            if self.depth
            else encode(whisper.encoder, heard)
        )
        embedded_BLD, weight_VD = embed(inputs_BL, whisper.decoder.embed_tokens)
        states_ND = read_labels(whisper.decoder, embedded_BLD, hidden_BTD).flatten(0, 1)
        targets_N, factors_N = targets_BL.flatten(), per_target(factors_B, targets_BL)
        if rows_N is not None:
            states_ND, targets_N = states_ND[rows_N], targets_N[rows_N]
            factors_N = None if factors_N is None else factors_N[rows_N]
        projection_VD = weight_VD if self.frozen_VD is None else self.frozen_VD
        return projected_cross_entropy(states_ND, projection_VD, targets_N, factors_N)


def per_target(factors_B: Tensor | None, targets_BL: Tensor) -> Tensor | None:
    """factors_N of B x L flattened targets from those of the clips; None without them."""
    return None if factors_B is None else factors_B[:, None].expand_as(targets_BL).flatten()


def store_frozen(model: Whisper, dtype: torch.dtype) -> None:
    """Keep the weights of products that do not train in the type that products are computed in.

    Autocast would cast them anew at every step; the result has the same bits, and they take half
    of the memory in bfloat16. Embeddings and norms stay float32: autocast leaves them so.
    """
    for module in model.modules():
        is_product = isinstance(module, nn.Linear | nn.Conv1d) and module is not model.proj_out
        if is_product and not any(each.requires_grad for each in module.parameters()):
            module.to(dtype)
