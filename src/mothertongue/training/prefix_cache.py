"""Outputs of encoder layers that do not train, kept on disk for every run that needs them again.

<folder>/
  <group>/<2 hex>/<64 hex>.safetensors    one clip at one context
  total                                   bytes of all entries
  lock                                    held by the process that writes
A group is one model up to one depth, in one precision, on one kind of machine.
T encoder frames, D width.
"""

import hashlib
import os
import zlib
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor
from transformers.models.whisper.modeling_whisper import WhisperEncoder

from mothertongue.system.files import TEMPORARY
from mothertongue.system.locks import locked

FORMAT = 1  # raise it when the spectrogram, the stem or an entry changes
TENSOR, CHECKSUM = "hidden_TD", "crc32"
SPARE = 1 / 20  # of the limit, made free in one go: finding the oldest entries reads every folder


class PrefixStore:
    """The entries of one group in a folder that many groups and processes share.

    All of them together stay below `limit_bytes`: the least recently used of other groups go
    first, and what still does not fit is not kept.
    """

    def __init__(self, folder: Path, limit_bytes: int, group: str) -> None:
        self.folder, self.limit_bytes, self.group = folder, limit_bytes, group
        self._is_counted = self._is_full = False

    def key(self, samples_digest: bytes, context_s: int) -> str:
        """The name of a clip's entry, given the SHA-256 of its samples."""
        parts = f"{self.group} {samples_digest.hex()} {context_s}"
        return hashlib.sha256(parts.encode()).hexdigest()

    def get(self, key: str) -> Tensor | None:
        """The stored hidden_TD, mapped into memory; None where there is none, or no whole one."""
        path = self._path(key)
        try:
            with safe_open(path, "pt") as file:
                hidden_TD: Tensor = file.get_tensor(TENSOR)
                if file.metadata()[CHECKSUM] != _checksum(key, hidden_TD):
                    return None
        except (OSError, SafetensorError, KeyError, TypeError):  # none, cut off, overwritten
            return None
        with suppress(OSError):  # a folder that may only be read serves as well
            os.utime(path)
        return hidden_TD

    def put(self, key: str, hidden_TD: Tensor) -> bool:
        """Keep an entry if there is room; returns whether a damaged one was in its place.

        Raises OSError where the disk is full or may not be written to.
        """
        content = save({TENSOR: hidden_TD}, {CHECKSUM: _checksum(key, hidden_TD)})
        path = self._path(key)
        with locked(self.folder / "lock"):
            if self.get(key) is not None:  # another process was faster
                return False
            total = self._total()
            is_damaged = path.is_file()
            if is_damaged:
                total -= _remove(path)
            total = self._make_room(len(content), total)
            if total + len(content) <= self.limit_bytes:
                _write(path, content)
                total += len(content)
            (self.folder / "total").write_text(str(total))
        return is_damaged

    def _path(self, key: str) -> Path:
        return self.folder / self.group / key[:2] / f"{key}.safetensors"

    def _total(self) -> int:
        """The bytes of all entries: as noted by the last writer, but counted by us once."""
        with suppress(OSError, ValueError):
            if self._is_counted:
                return int((self.folder / "total").read_text())
        for path in self.folder.glob(f"*/??/{TEMPORARY}*"):  # of a writer that was killed
            path.unlink()
        self._is_counted = True
        return sum(path.stat().st_size for path in _entries(self.folder))

    def _make_room(self, needed: int, total: int) -> int:
        """The bytes that are left of `total` when `needed` more fit, or all others are gone."""
        if total + needed <= self.limit_bytes or self._is_full or needed > self.limit_bytes:
            return total
        goal = int((1 - SPARE) * self.limit_bytes) - needed
        others = [path for path in _entries(self.folder) if path.parts[-3] != self.group]
        for path in sorted(others, key=lambda path: path.stat().st_mtime_ns):
            if total <= goal:
                break
            total -= _remove(path)
        self._is_full = total + needed > self.limit_bytes
        return total


def group_of(encoder: WhisperEncoder, depth: int, dtype: torch.dtype) -> str:
    """SHA-256 over what the output of the stem and `depth` layers depends on besides the audio.

    The weights up to there and what they are computed with, and nothing of what lies above: runs
    that differ only there share their entries.
    """
    config, device = encoder.config, encoder.conv1.weight.device
    facts = (
        *(FORMAT, depth, str(dtype), torch.__version__, _machine(device)),
        *(config.encoder_attention_heads, config.activation_function, config._attn_implementation),
    )
    digest = hashlib.sha256(repr(facts).encode())
    parts = [encoder.conv1, encoder.conv2, encoder.embed_positions, *encoder.layers[:depth]]
    for place, part in enumerate(parts):
        for name, weight in sorted(part.state_dict().items()):
            digest.update(f"{place} {name} {tuple(weight.shape)}".encode())
            digest.update(weight.detach().cpu().contiguous().numpy().data)
    return digest.hexdigest()


def _machine(device: torch.device) -> str:
    """The kind of machine, within which results are rounded alike."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{device.type} {torch.backends.cpu.get_cpu_capability()}"


def _checksum(key: str, hidden_TD: Tensor) -> str:
    """CRC-32 over the values, their type and shape, and the name they belong to."""
    seed = zlib.crc32(f"{key} {hidden_TD.dtype} {tuple(hidden_TD.shape)}".encode())
    return f"{zlib.crc32(hidden_TD.view(torch.uint8).numpy().data, seed):08x}"


def _entries(folder: Path) -> Iterator[Path]:
    return folder.glob("*/??/[!.]*.safetensors")


def _remove(path: Path) -> int:
    """Remove a file; return its size in bytes."""
    size = path.stat().st_size
    path.unlink()
    return size


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(TEMPORARY + path.name)
    try:
        # Not flushed to the disk: after a power cut the checksum tells, and it is computed anew.
        temporary.write_bytes(content)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
