"""A batch of clips with their labels, ready for the model's device.

B batch, S samples (16,000 a second), L label tokens, T encoder frames (50 a second), D width,
R masks."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from mothertongue.data.audio.load import SAMPLE_RATE_HZ
from mothertongue.data.clips import Samples
from mothertongue.model.context import FRAMES_PER_S
from mothertongue.model.features import pad_samples
from mothertongue.model.tokenizer import MAX_LABEL_TOKENS

IGNORED = -100  # a target that no loss counts

LABEL_STEP, GPU_LABEL_STEP = 8, 16
"""L is a multiple of it, so that batches have few different L. A CPU compiles the product of
another shape anew and keeps it in memory; on a GPU a captured graph serves one shape."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Clips of one context with their labels, ready for the model's device."""

    ids: tuple[str, ...]
    """The ids of the clips; fewer than B where silent rows fill the batch, see `filled`."""
    samples_BS: Tensor | None
    """float32, S = context in seconds x 16,000; silence after the end of each clip. None where
    hidden_BTD is given."""
    inputs_BL: Tensor
    """The decoder's input: the label without its last token, padded with the end token."""
    targets_BL: Tensor
    """The decoder's targets: the label without its first token, padded with IGNORED."""
    hidden_BTD: Tensor | None = None
    """The output of the encoder's frozen layers, instead of samples."""
    keys: tuple[str, ...] = ()
    """The key of each clip's output in the store of such outputs; empty without a store."""
    masks_BR4: Tensor | None = None
    """float32, the masks of each clip's spectrogram, see `log_mel`; None without SpecAugment."""
    factors_B: Tensor | None = None
    """float32, the factor of each clip's loss; None where all are 1."""

    def to(self, device: torch.device) -> "Batch":
        """The same batch on a device."""
        return self._with(lambda part: part.to(device, non_blocking=True))

    def pin_memory(self) -> "Batch":
        """The same batch where a GPU can fetch it while it computes; torch's loader calls this."""
        return self._with(Tensor.pin_memory)

    def tensors(self) -> tuple[Tensor, ...]:
        """The model's inputs: hidden_BTD or else samples_BS; inputs_BL; targets_BL; masks_BR4.

        The last only where there are masks.
        """
        heard = self.samples_BS if self.hidden_BTD is None else self.hidden_BTD
        assert heard is not None
        masks = () if self.masks_BR4 is None else (self.masks_BR4,)
        return heard, self.inputs_BL, self.targets_BL, *masks

    @property
    def context_s(self) -> float:
        """The audio context of each clip, in seconds."""
        if self.samples_BS is not None:
            return self.samples_BS.shape[1] / SAMPLE_RATE_HZ
        assert self.hidden_BTD is not None
        return self.hidden_BTD.shape[1] / FRAMES_PER_S

    @property
    def rows(self) -> int:
        """B: the clips and the silent rows after them."""
        return len(self.inputs_BL)

    @property
    def counted(self) -> int:
        """How many targets the loss counts."""
        return int((self.targets_BL != IGNORED).sum())

    def counted_rows(self, device: torch.device) -> Tensor | None:
        """rows_N for `LabelLoss` on a device: where flattened targets count; None for a GPU.

        It computes all B x L rows: N would be another number in each step, and a graph needs one.
        Ask it of a batch in the host's memory.
        """
        if device.type == "cuda":
            return None
        return (self.targets_BL != IGNORED).flatten().nonzero()[:, 0]

    def filled(self, rows: int) -> "Batch":
        """The same batch with silent rows after its clips, `rows` together; no loss counts them."""
        more = max(0, rows - self.rows)
        filled = self._with(lambda part: torch.cat([part, part.new_zeros(more, *part.shape[1:])]))
        filled.targets_BL[self.rows :] = IGNORED
        return filled

    def split(self, size: int) -> list["Batch"]:
        """The same clips in order, in batches of at most `size`."""
        return [self._rows(slice(i, i + size)) for i in range(0, self.rows, size)]

    def _rows(self, rows: slice) -> "Batch":
        return replace(
            self._with(lambda part: part[rows]), ids=self.ids[rows], keys=self.keys[rows]
        )

    def _with(self, change: Callable[[Tensor], Tensor]) -> "Batch":
        return replace(
            self,
            samples_BS=None if self.samples_BS is None else change(self.samples_BS),
            inputs_BL=change(self.inputs_BL),
            targets_BL=change(self.targets_BL),
            hidden_BTD=None if self.hidden_BTD is None else change(self.hidden_BTD),
            masks_BR4=None if self.masks_BR4 is None else change(self.masks_BR4),
            factors_B=None if self.factors_B is None else change(self.factors_B),
        )


def collate(
    ids: Sequence[str],
    clips: Sequence[Samples],
    labels: Sequence[Sequence[int]],
    context_s: int,
    end_token: int,
) -> Batch:
    """One batch from clips of at most `context_s` seconds and their label tokens."""
    return Batch(tuple(ids), pad_samples(clips, context_s), *pad_labels(labels, end_token))


def pad_labels(
    labels: Sequence[Sequence[int]],
    end_token: int,
    multiple: int = LABEL_STEP,
    uncounted: Sequence[int] = (),
) -> tuple[Tensor, Tensor]:
    """inputs_BL and targets_BL of a batch, L = the tokens of the longest label less one.

    L is rounded up to a multiple of `multiple`, as far as Whisper has positions. `uncounted` are
    how many targets at the beginning of each label no loss counts; none where it is empty.
    """
    longest = max(map(len, labels)) - 1
    width = min(-(-longest // multiple) * multiple, MAX_LABEL_TOKENS)
    inputs_BL = torch.full((len(labels), width), end_token)
    targets_BL = torch.full((len(labels), width), IGNORED)
    for row, label in enumerate(labels):
        inputs_BL[row, : len(label) - 1] = torch.tensor(label[:-1])
        targets_BL[row, : len(label) - 1] = torch.tensor(label[1:])
    for row, count in enumerate(uncounted):
        targets_BL[row, :count] = IGNORED
    return inputs_BL, targets_BL
