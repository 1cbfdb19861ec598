"""Draw numbers that depend on nothing but a name, the seed, the epoch and the clip's id.

They are the same for any ranks and data workers, and whatever was drawn before.
"""

import hashlib

DIGEST_BITS = 256


def drawn_number(name: str, seed: int, epoch: int, clip_id: str) -> int:
    """Return a number of 256 bits, different for each name, seed, epoch and clip."""
    facts = f"{name} {seed} {epoch} {clip_id}"
    return int.from_bytes(hashlib.sha256(facts.encode("utf-8", "surrogatepass")).digest(), "big")


def drawn_share(name: str, seed: int, epoch: int, clip_id: str) -> float:
    """Return such a number in [0, 1), evenly distributed."""
    return float(drawn_number(name, seed, epoch, clip_id) / 2**DIGEST_BITS)
