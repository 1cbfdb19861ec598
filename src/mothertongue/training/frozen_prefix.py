"""The encoder layers that do not train: their output for a clip is the same in every epoch.

B batch, S samples (16,000 a second), T encoder frames (50 a second), D width, R masks.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from transformers import WhisperConfig

from mothertongue.errors import ConfigError
from mothertongue.experiment.train_config import TrainConfig
from mothertongue.model.devices import dtype_of
from mothertongue.model.encoder import prefix
from mothertongue.model.features import log_mel
from mothertongue.strategies.base import Whisper
from mothertongue.system.cache import cache_folder
from mothertongue.training.batch import Batch
from mothertongue.training.prefix_cache import PrefixStore, group_of

Noted = Callable[[str], None]

RANDOM = ("dropout", "attention_dropout", "activation_dropout")


def open_prefix(
    model: Whisper, depth: int, config: TrainConfig, noted: Noted
) -> "FrozenPrefix | None":
    """The stem and the `depth` bottom layers, which a strategy left as they were, and their store.

    None where there are no such layers, or where their output is random, which `noted` reports.
    Raises ConfigError for a store of clips that change in each epoch.
    """
    refuse_stored_changes(config, depth)
    if depth == 0:
        return None
    if reasons := random_parts(model.config):
        noted(f"frozen layers are computed each time: the base has {', '.join(reasons)}")
        return None
    dtype = dtype_of(config.precision, model.device)
    store = None
    if config.prefix_cache_gb:
        group = group_of(model.model.encoder, depth, dtype)
        store = PrefixStore(cache_folder() / "prefix", int(config.prefix_cache_gb * 1e9), group)
    return FrozenPrefix(model, depth, dtype, store, noted)


@dataclass(frozen=True, slots=True)
class _Computed:
    """The states of clips that were not in the store, in the host's memory."""

    clips: int
    keys: tuple[str, ...]
    hidden_BTD: Tensor | None
    """None where they are not stored."""


class FrozenPrefix:
    """Turns batches of samples into batches of inputs of the lowest layer that trains.

    The values are a function of the clip, its context and the model alone, whether they were
    computed or read: they are rounded to the run's precision after each layer, and a CPU takes one
    clip at a time, since a product of other height may round differently. On one thread whisper-
    base's encoder takes 0.9 times as long that way for clips of 30 s, 0.95 for 7 s and 1.3 for 2 s.
    """

    def __init__(
        self,
        model: Whisper,
        depth: int,
        dtype: torch.dtype,
        store: PrefixStore | None,
        noted: Noted,
    ) -> None:
        self.encoder, self.depth = model.model.encoder, depth
        self.dtype, self.device, self.store = dtype, model.device, store
        self._noted, self._told = noted, set[str]()
        self._is_writable, self._computed = True, list[_Computed]()

    @torch.no_grad()
    def states(self, batch: Batch) -> Batch:
        """The batch on the model's device with hidden_BTD after `depth` layers, float32.

        `keep_computed` stores those that had to be computed.
        """
        batch = batch.to(self.device)
        hidden_BTD, _, _, *masks = batch.tensors()
        if batch.hidden_BTD is None:
            hidden_BTD = self._by_clip(hidden_BTD, *masks)
            self._computed.append(_Computed(len(batch.ids), batch.keys, self._on_host(hidden_BTD)))
        return replace(batch, samples_BS=None, masks_BR4=None, hidden_BTD=hidden_BTD.float())

    def keep_computed(self) -> int:
        """Store what was computed since the last call, and return the number of its clips.

        Call it when the step's loss was read: the copies from a GPU are then done.
        """
        computed, self._computed = self._computed, []
        for each in computed:
            if each.hidden_BTD is not None:
                self._keep(each.keys, each.hidden_BTD)
        return sum(each.clips for each in computed)

    def _by_clip(self, *inputs_B: Tensor) -> Tensor:
        size = 1 if self.device.type == "cpu" else len(inputs_B[0])
        parts = zip(*(each.split(size) for each in inputs_B), strict=True)
        with torch.autocast(self.device.type, self.dtype, self.dtype != torch.float32):
            return torch.cat([self._from_samples(*part) for part in parts])

    def _from_samples(self, samples_BS: Tensor, masks_BR4: Tensor | None = None) -> Tensor:
        mel_BMF = log_mel(samples_BS, self.encoder.config.num_mel_bins, masks_BR4)
        return prefix(self.encoder, mel_BMF, self.depth, self.dtype)

    def _on_host(self, hidden_BTD: Tensor) -> Tensor | None:
        """A copy that nobody waits for, where states are stored; on a CPU the states themselves."""
        if self.store is None or not self._is_writable:
            return None
        if self.device.type != "cuda":
            return hidden_BTD
        host_BTD = torch.empty_like(hidden_BTD, device="cpu", pin_memory=True)
        return host_BTD.copy_(hidden_BTD, non_blocking=True)

    def _keep(self, keys: Sequence[str], hidden_BTD: Tensor) -> None:
        """Store states; a disk that is full or read-only ends the storing, not the run."""
        if self.store is None or not self._is_writable:
            return
        try:
            # Silent rows after the clips have no key.
            for key, hidden_TD in zip(keys, hidden_BTD, strict=False):
                if self.store.put(key, hidden_TD):
                    self._tell_once(f"{self.store.folder}: damaged entries are computed again")
        except OSError as error:
            self._is_writable = False
            self._tell_once(f"outputs of frozen layers are no longer kept on disk ({error})")

    def _tell_once(self, message: str) -> None:
        if message not in self._told:
            self._told.add(message)
            self._noted(message)


def refuse_stored_changes(config: TrainConfig, depth: int) -> None:
    """Raise ConfigError where the outputs of frozen layers are to be stored, of clips that change.

    Each epoch would fill the disk with outputs that no other epoch reads.
    """
    if depth and config.changes_clips and config.prefix_cache_gb:
        name = "augment" if config.augment.is_on else "join_share"
        reason = {
            "augment": "augmentation changes the clips in every epoch",
            "join_share": "other clips are joined in every epoch",
        }
        raise ConfigError(
            f"train.{name}: the strategy freezes {depth} bottom encoder layers, whose outputs are "
            f"stored for the next epochs, but {reason[name]}; give train.prefix_cache_gb=0, so "
            f"that these layers are computed in every step, or remove train.{name}"
        )


def random_parts(config: WhisperConfig) -> list[str]:
    """The settings that make an encoder's output random in training, such as "dropout 0.1"."""
    found = [(name, getattr(config, name)) for name in RANDOM]
    return [f"{name} {value:g}" for name, value in found if value > 0]
