"""Audio to log-mel and transcripts to labels, one batch of one context at a time.

B batch, S samples (16,000 a second), M mels, F mel frames (100 a second), L label tokens,
T encoder frames (50 a second), D width.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from transformers.audio_utils import mel_filter_bank

from mothertongue.audio import SAMPLE_RATE_HZ, AudioError, load_audio
from mothertongue.errors import DataError
from mothertongue.manifest import Utterance, duration_tolerance_s
from mothertongue.tokens import MAX_LABEL_TOKENS

WINDOW_SAMPLES = 400  # 25 ms
HOP_SAMPLES = 160  # 10 ms
ENCODER_FRAMES_PER_S = 50  # the second convolution halves the 100 mel frames
IGNORED = -100  # a target that no loss counts
LABEL_STEP = 8
"""Batches have few different L: a product of another shape is compiled anew, and kept in memory."""

Samples = np.ndarray[Any, np.dtype[np.float32]]


@dataclass(frozen=True, slots=True)
class Batch:
    """Clips of one context with their labels, ready for the model's device."""

    ids: tuple[str, ...]
    samples_BS: Tensor | None
    """float32, S = context in seconds x 16,000; silence after the end of each clip. None where
    hidden_BTD is given."""
    inputs_BL: Tensor
    """What the decoder reads: the label without its last token, padded with the end token."""
    targets_BL: Tensor
    """What it must say next: the label without its first token, padded with IGNORED."""
    hidden_BTD: Tensor | None = None
    """Instead of samples: what the encoder's frozen layers make of them."""
    keys: tuple[str, ...] = ()
    """Where the store of such outputs keeps that of each clip; empty where there is no store."""

    def to(self, device: torch.device) -> "Batch":
        """The same batch on a device."""
        return self._with(lambda part: part.to(device, non_blocking=True))

    def pin_memory(self) -> "Batch":
        """The same batch where a GPU can fetch it while it computes; torch's loader calls this."""
        return self._with(Tensor.pin_memory)

    def tensors(self) -> tuple[Tensor, Tensor, Tensor]:
        """What the model hears, hidden_BTD or else samples_BS; inputs_BL; targets_BL."""
        heard = self.samples_BS if self.hidden_BTD is None else self.hidden_BTD
        assert heard is not None
        return heard, self.inputs_BL, self.targets_BL

    @property
    def context_s(self) -> float:
        """The audio context of each clip, in seconds."""
        if self.samples_BS is not None:
            return self.samples_BS.shape[1] / SAMPLE_RATE_HZ
        assert self.hidden_BTD is not None
        return self.hidden_BTD.shape[1] / ENCODER_FRAMES_PER_S

    @property
    def counted(self) -> int:
        """How many targets the loss counts."""
        return int((self.targets_BL != IGNORED).sum())

    def split(self, size: int) -> list["Batch"]:
        """The same clips in order, in batches of at most `size`."""
        return [self._rows(slice(i, i + size)) for i in range(0, len(self.ids), size)]

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
        )


def load_clip(root: Path, utterance: Utterance) -> Samples:
    """The samples of an utterance, float32 (N,) at 16 kHz; `root` is its manifest's folder.

    Raises AudioError as `load_audio` does, and DataError where the utterance is a whole file that
    is not as long as the manifest states: its transcript would say more than its samples.
    """
    path = root / utterance.audio
    if utterance.start_s is None:
        return _whole_file(path, utterance)
    return load_audio(path, utterance.start_s, utterance.duration_s)


def _whole_file(path: Path, utterance: Utterance) -> Samples:
    stated_s = utterance.duration_s
    tolerance_s = duration_tolerance_s(stated_s)
    try:
        samples_N = load_audio(path, max_duration_s=stated_s + tolerance_s)
    except AudioError as error:
        if error.code != "AUD-LONG":
            raise
        raise _wrong_duration(path, utterance, "more than that") from None
    found_s = len(samples_N) / SAMPLE_RATE_HZ
    if found_s < stated_s - tolerance_s:
        raise _wrong_duration(path, utterance, f"{found_s:.2f} s")
    # Within the tolerance the stated duration is kept: the clip's context was chosen by it.
    return samples_N[: round(stated_s * SAMPLE_RATE_HZ)]


def _wrong_duration(path: Path, utterance: Utterance, found: str) -> DataError:
    return DataError(
        f"{utterance.id}: {path} has {found}, but the manifest states duration_s "
        f"{utterance.duration_s:.2f}; expected the duration of the whole file, or start_s too "
        "where the clip is a part of it; mothertongue check counts such clips, and mothertongue "
        "prepare writes a manifest with the durations that it finds"
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


def pad_labels(labels: Sequence[Sequence[int]], end_token: int) -> tuple[Tensor, Tensor]:
    """inputs_BL and targets_BL of a batch, L = the tokens of the longest label less one.

    L is rounded up to a multiple of LABEL_STEP, as far as Whisper has positions.
    """
    longest = max(map(len, labels)) - 1
    width = min(-(-longest // LABEL_STEP) * LABEL_STEP, MAX_LABEL_TOKENS)
    inputs_BL = torch.full((len(labels), width), end_token)
    targets_BL = torch.full((len(labels), width), IGNORED)
    for row, label in enumerate(labels):
        inputs_BL[row, : len(label) - 1] = torch.tensor(label[:-1])
        targets_BL[row, : len(label) - 1] = torch.tensor(label[1:])
    return inputs_BL, targets_BL


def pad_samples(clips: Sequence[Samples], context_s: int) -> Tensor:
    """samples_BS: the clips followed by silence up to the context.

    Raises ValueError for a clip that is longer: cutting it would leave words without their sound.
    """
    samples_BS = torch.zeros(len(clips), context_s * SAMPLE_RATE_HZ)
    for row, clip in enumerate(clips):
        if len(clip) > samples_BS.shape[1]:
            seconds = len(clip) / SAMPLE_RATE_HZ
            raise ValueError(f"a clip of {seconds:.2f} s does not fit a context of {context_s} s")
        samples_BS[row, : len(clip)] = torch.from_numpy(clip)
    return samples_BS


def log_mel(samples_BS: Tensor, mel_bins: int) -> Tensor:
    """mel_BMF: Whisper's log-mel spectrogram, F = S / 160, on the device of the samples.

    Equal to transformers' WhisperFeatureExtractor: Hann window of 25 ms, hop of 10 ms, slaney mel
    filters, log10, clamped to 8 below each clip's own maximum, then (x + 4) / 4. Always float32.
    """
    with torch.autocast(samples_BS.device.type, enabled=False):
        window = torch.hann_window(WINDOW_SAMPLES, device=samples_BS.device)
        spectrum_BKF = torch.stft(
            samples_BS.float(), WINDOW_SAMPLES, HOP_SAMPLES, window=window, return_complex=True
        )[..., :-1]
        power_BKF = spectrum_BKF.abs().square()
        mel_BMF = mel_filters(mel_bins).to(samples_BS.device) @ power_BKF
        log_BMF = mel_BMF.clamp(min=1e-10).log10()
        loudest_B11 = log_BMF.amax(dim=(1, 2), keepdim=True)
        return (log_BMF.maximum(loudest_B11 - 8.0) + 4.0) / 4.0


@lru_cache(maxsize=2)
def mel_filters(mel_bins: int) -> Tensor:
    """The (M, 201) matrix from power spectrum to mel bins, 0-8 kHz."""
    filters = mel_filter_bank(
        num_frequency_bins=1 + WINDOW_SAMPLES // 2,
        num_mel_filters=mel_bins,
        min_frequency=0.0,
        max_frequency=8000.0,
        sampling_rate=SAMPLE_RATE_HZ,
        norm="slaney",
        mel_scale="slaney",
    )
    return torch.from_numpy(filters.T.astype(np.float32)).contiguous()
