"""Keep the keys and values of clips that are decoded together, each at its own position.

Each clip has a slot. A clip that takes the slot of another leaves the others as they are.
B slots, K beams a slot, N = B x K rows, L tokens of a prefix, P tokens so far, T encoder frames,
D width, H heads, E width of a head, V vocabulary.
"""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor
from transformers import WhisperForConditionalGeneration

from mothertongue.decoding.decoder_layers import (
    DecoderLayers,
    KeysAndValues,
    Remember,
    mask_beyond,
    one_query_dtype,
)

GROWTH_TOKENS = 64  # the room for the keys and values of tokens grows by so many at a time
TOKEN, PARENT, POSITION, FRAMES, IS_FIRST = range(5)
"""The values of a row in a step: its token; the row whose past it goes on from; the token's
position; the encoder frames of its clip; and whether it is the last token of the prefix."""


class KeyValueCache:
    """The keys and values of each row's tokens and of each slot's audio.

    The K rows of a slot share the audio. A row of several beams reads its past where it was
    written: `ancestors_NP` has the row that wrote each position.
    """

    def __init__(
        self, model: WhisperForConditionalGeneration, slots: int, beam_size: int = 1
    ) -> None:
        self.model, self.beam_size = model, beam_size
        self.decoder = DecoderLayers(model)
        first = self.decoder.layers[0]
        self.heads, rows = first.heads, slots * beam_size
        one = one_query_dtype(model.dtype, model.device)
        sizes = [(2, rows, first.heads, 0, first.head_width)] * len(self.decoder.layers)
        self.text = [torch.zeros(x, dtype=one, device=model.device) for x in sizes]
        sizes = [(2, slots, first.heads, 0, first.head_width)] * len(self.decoder.layers)
        kept = one if beam_size == 1 else model.dtype  # beams are so many queries
        self.audio = [torch.zeros(x, dtype=kept, device=model.device) for x in sizes]
        self.rows_N1 = torch.arange(rows, device=model.device)[:, None]
        self.ancestors_NP = self.rows_N1.expand(-1, 0)

    def make_room(self, positions: int, frames: int) -> None:
        """Let each row have so many positions, and each slot so many encoder frames."""
        room = self.text[0].shape[3]
        if positions > room:
            room = max(room + GROWTH_TOKENS, positions)
            self.text = [_longer(each, room) for each in self.text]
            fresh_NP = self.rows_N1.expand(-1, room - self.ancestors_NP.shape[1])
            self.ancestors_NP = torch.cat([self.ancestors_NP, fresh_NP], 1)
        if frames > self.audio[0].shape[3]:
            self.audio = [_longer(each, frames) for each in self.audio]

    def admit(
        self, hidden_BTD: Tensor, frames_B: Tensor, prefix_BL: Tensor, slots_B: Tensor
    ) -> None:
        """Give these slots to other clips: their audio, and the prefix without its last token.

        Prefixes of other lengths are padded at their end; what is written there is not seen before
        it is written again. There must be room for all of it.
        """
        count, frames = prefix_BL.shape[1], hidden_BTD.shape[1]
        first_B = slots_B * self.beam_size
        rows_BK = first_B[:, None] + self.rows_N1[: self.beam_size, 0]
        self.ancestors_NP[rows_BK] = first_B[:, None, None]
        for text_2NHPE in self.text:
            # A mask hides what the former clip left there only if it is finite.
            text_2NHPE.index_fill_(1, rows_BK.flatten(), 0)
        self.decoder(
            prefix_BL,
            torch.arange(count, device=prefix_BL.device),
            [_writer(each, first_B, count) for each in self.text],
            None,
            self._heard(hidden_BTD, slots_B),
            mask_beyond(frames_B, frames, hidden_BTD.dtype),
        )

    def _heard(self, hidden_BTD: Tensor, slots_B: Tensor) -> Iterator[KeysAndValues]:
        """Write the keys and values of these slots' audio, and yield them, layer by layer."""
        frames = hidden_BTD.shape[1]
        for layer, audio_2BHTE in zip(self.decoder.layers, self.audio, strict=True):
            heard = layer.listen(hidden_BTD)
            audio_2BHTE[..., frames:, :].index_fill_(1, slots_B, 0)
            for kept_BHTE, new_BHTE in zip(audio_2BHTE, heard, strict=True):
                kept_BHTE[slots_B, :, :frames] = new_BHTE.to(kept_BHTE.dtype)
            yield heard

    def logits(self, step_5N: Tensor, positions: int, frames: int) -> Tensor:
        """Append a token to each row; return logits (N, V), float32, of the next.

        The N rows are those of the first slots. `positions` and `frames` are no less than the
        largest of these rows, and have room.
        """
        slots = step_5N.shape[1] // self.beam_size
        states_N1D = self.decoder(
            step_5N[TOKEN, :, None],
            step_5N[POSITION, :, None],
            self._appenders(step_5N, positions),
            mask_beyond(step_5N[POSITION] + 1, positions, self.text[0].dtype),
            [(each[0, :slots, :, :frames], each[1, :slots, :, :frames]) for each in self.audio],
            mask_beyond(step_5N[FRAMES, :: self.beam_size], frames, self.audio[0].dtype),
        )
        return self.model.proj_out(states_N1D[:, 0]).float()

    def move(self, source: int, slot: int) -> None:
        """Copy a clip to another slot."""
        size = self.beam_size
        rows, rows_of_source = (slice(x * size, (x + 1) * size) for x in (slot, source))
        for text_2NHPE, audio_2BHTE in zip(self.text, self.audio, strict=True):
            text_2NHPE[:, rows] = text_2NHPE[:, rows_of_source]
            audio_2BHTE[:, slot] = audio_2BHTE[:, source]
        self.ancestors_NP[rows] = self.ancestors_NP[rows_of_source] + (slot - source) * size

    def _appenders(self, step_5N: Tensor, positions: int) -> list[Remember]:
        """Return what writes a token of each row, and gives all its keys and values, by layer."""
        count, room = step_5N.shape[1], self.text[0].shape[3]
        rows_N1, heads_H = self.rows_N1[:count], torch.arange(self.heads, device=step_5N.device)
        # Places in (N, H, room) as one row of them: an index of a head's keys is of one dimension.
        new_NH = (rows_N1 * self.heads + heads_H) * room + step_5N[POSITION, :, None]
        if self.beam_size == 1:
            return [_appender(each, new_NH.flatten(), count, positions) for each in self.text]
        ancestors_NP = self.ancestors_NP[:count]
        ancestors_NP.copy_(ancestors_NP[step_5N[PARENT]])
        ancestors_NP.scatter_(1, step_5N[POSITION, :, None], rows_N1)
        past_N1P = ancestors_NP[:, None, :positions] * self.heads
        past_P = torch.arange(positions, device=step_5N.device)
        past_NHP = (past_N1P + heads_H[:, None]) * room + past_P
        return [_gatherer(each, new_NH.flatten(), past_NHP) for each in self.text]


def _writer(text_2NHPE: Tensor, rows_B: Tensor, count: int) -> Remember:
    """Return what writes the keys and values of the first tokens of these rows."""

    def remember(*new: Tensor) -> KeysAndValues:
        for kept_NHPE, new_BHLE in zip(text_2NHPE, new, strict=True):
            kept_NHPE[rows_B, :, :count] = new_BHLE.to(kept_NHPE.dtype)
        keys, values = new
        return keys, values

    return remember


def _appender(text_2NHPE: Tensor, new_M: Tensor, count: int, positions: int) -> Remember:
    """Return what writes at the places new_M and reads the first positions of the same rows."""

    def remember(*new: Tensor) -> KeysAndValues:
        _write(text_2NHPE, new_M, new)
        keys, values = text_2NHPE[:, :count, :, :positions]
        return keys, values

    return remember


def _gatherer(text_2NHPE: Tensor, new_M: Tensor, past_NHP: Tensor) -> Remember:
    """Return what writes at the places new_M and reads at the places past_NHP."""

    def remember(*new: Tensor) -> KeysAndValues:
        _write(text_2NHPE, new_M, new)
        keys, values = (
            each.flatten(0, 2).index_select(0, past_NHP.flatten()).unflatten(0, past_NHP.shape)
            for each in text_2NHPE
        )
        return keys, values

    return remember


def _write(text_2NHPE: Tensor, new_M: Tensor, new: Sequence[Tensor]) -> None:
    for kept_NHPE, new_NH1E in zip(text_2NHPE, new, strict=True):
        kept_NHPE.flatten(0, 2).index_copy_(0, new_M, new_NH1E.flatten(0, 2).to(kept_NHPE.dtype))


def _longer(kept_2NHPE: Tensor, length: int) -> Tensor:
    """Return a copy with room for more. What is new in a slot that is in use must be finite."""
    old = kept_2NHPE.shape[3]
    longer_2NHPE = kept_2NHPE.new_empty(*kept_2NHPE.shape[:3], length, kept_2NHPE.shape[4])
    if old:
        longer_2NHPE[..., :old, :] = kept_2NHPE
        longer_2NHPE[..., old:, :] = 0
    return longer_2NHPE
