"""Remember the content of the clips that a run decoded, over its workers."""

import hashlib
from collections.abc import Sequence

import torch

from mothertongue.data.clips import Samples


class DecodedClips:
    """The SHA-256 of the samples of each clip that was decoded before, by any worker."""

    def __init__(self, count: int, has_workers: bool) -> None:
        self.digests_N32 = torch.zeros(count, 32, dtype=torch.uint8)
        if has_workers:
            self.digests_N32.share_memory_()

    def add(self, indices: Sequence[int], clips: Sequence[Samples]) -> bool:
        """Remember these clips; returns whether one of them is new."""
        is_new = not all(self.digest(i) for i in indices)
        for i, samples_N in zip(indices, clips, strict=True):
            digest = hashlib.sha256(samples_N.data).digest()
            self.digests_N32[i] = torch.frombuffer(bytearray(digest), dtype=torch.uint8)
        return is_new

    def digest(self, index: int) -> bytes:
        """The SHA-256 of a clip's samples; empty where it was not decoded yet."""
        # A row that another worker is just writing names no entry: the clip is decoded once more.
        row = self.digests_N32[index].numpy().tobytes()
        return row if any(row) else b""
