"""The training loss: cross-entropy where a label counts, and nothing computed elsewhere.

B batch, S samples, L label tokens, N counted tokens, V vocabulary.
"""

from torch import Tensor, nn

from mothertongue.encoder import encode
from mothertongue.features import IGNORED, log_mel
from mothertongue.strategies.base import Whisper


class LabelLoss(nn.Module):
    """From samples and labels to a sum over label tokens, in one forward for accelerate to wrap."""

    def __init__(self, model: Whisper) -> None:
        super().__init__()
        self.model = model

    def forward(self, samples_BS: Tensor, inputs_BL: Tensor, targets_BL: Tensor) -> Tensor:
        """The cross-entropy, in nats, summed over the N targets that are not IGNORED; a scalar.

        The 51,865-wide projection is computed for those N rows only.
        """
        whisper = self.model.model
        hidden_BTD = encode(whisper.encoder, log_mel(samples_BS, whisper.config.num_mel_bins))
        states_BLD = whisper.decoder(
            input_ids=inputs_BL, encoder_hidden_states=hidden_BTD, use_cache=False
        ).last_hidden_state
        counts_BL = targets_BL != IGNORED
        logits_NV = self.model.proj_out(states_BLD[counts_BL]).float()
        return nn.functional.cross_entropy(logits_NV, targets_BL[counts_BL], reduction="sum")
