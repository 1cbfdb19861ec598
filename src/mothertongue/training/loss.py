"""The training loss: cross-entropy where a label counts, and nothing computed elsewhere.

B batch, S samples, T encoder frames, D width, L label tokens, N counted tokens, V vocabulary.
"""

from torch import Tensor, nn

from mothertongue.encoder import continue_from, encode
from mothertongue.features import IGNORED, log_mel
from mothertongue.strategies.base import Whisper
from mothertongue.training.projection import embed, projected_cross_entropy


class LabelLoss(nn.Module):
    """From samples and labels to a sum over label tokens, in one forward for accelerate to wrap.

    With a depth it starts from the hidden_BTD after so many encoder layers instead of samples.
    """

    def __init__(self, model: Whisper, depth: int = 0) -> None:
        super().__init__()
        self.model, self.depth = model, depth

    def forward(self, heard: Tensor, inputs_BL: Tensor, targets_BL: Tensor) -> Tensor:
        """The cross-entropy, in nats, summed over the N targets that are not IGNORED; a scalar.

        `heard` is samples_BS, or hidden_BTD where there is a depth. The 51,865-wide projection is
        computed for those N rows only.
        """
        whisper = self.model.model
        hidden_BTD = (
            continue_from(whisper.encoder, heard, self.depth)
            if self.depth
            else encode(whisper.encoder, log_mel(heard, whisper.config.num_mel_bins))
        )
        embedded_BLD, weight_VD = embed(inputs_BL, whisper.decoder.embed_tokens)
        states_BLD = whisper.decoder(
            inputs_embeds=embedded_BLD,
            encoder_hidden_states=hidden_BTD,
            use_cache=False,
        ).last_hidden_state
        counts_BL = targets_BL != IGNORED
        return projected_cross_entropy(states_BLD[counts_BL], weight_VD, targets_BL[counts_BL])
