"""Make train, validation and test splits for a corpus without splits, disjoint if possible.

Pure functions over groups of clips. A group is what must stay in one split: speakers and
sentences that hang together, or one speaker, or one sentence, or one clip.
"""

from array import array
from collections.abc import Iterable, Iterator, Mapping
from typing import Literal

from mothertongue.data.manifest import Split

SplitBy = Literal["given", "speaker and sentence", "speaker", "sentence", "clip", "nothing"]
HELD_OUT: tuple[Split, ...] = ("test", "validation")
HELD_OUT_SHARE = 0.1  # of the hours, each; the rest is train
# How far above its share a split may go to take a group whole. Five speakers who talked as long
# as each other must be split 3:1:1, which is 20 %.
TOLERANCES = (1.2, 2.05)
MIN_SHARE = 0.4  # of its share, below which a split is too small to measure anything


def connected(num_nodes: int, edges: Iterable[tuple[int, int]]) -> "array[int]":
    """Return for each node the smallest node that it is connected with. 8 bytes a node."""
    parent = array("q", range(num_nodes))
    for left, right in edges:
        low, high = sorted((_root(parent, left), _root(parent, right)))
        parent[high] = low
    for node in range(num_nodes):
        parent[node] = _root(parent, node)
    return parent


def assign(
    groups: Iterable[tuple[int, float]], total_s: float, tolerance: float
) -> Iterator[tuple[int, Split]]:
    """Yield a split for each (group, seconds); their order decides which groups are held out.

    A held-out split takes groups until it has its share of total_s seconds, and passes over one
    that would bring it above `tolerance` times the share.
    """
    share_s = HELD_OUT_SHARE * total_s
    filled_s = dict.fromkeys(HELD_OUT, 0.0)
    for group, seconds in groups:
        for split in HELD_OUT:
            if filled_s[split] < share_s and filled_s[split] + seconds <= tolerance * share_s:
                filled_s[split] += seconds
                yield group, split
                break
        else:
            yield group, "train"


def is_balanced(seconds: Mapping[str, float]) -> bool:
    """Return whether each held-out split has enough of its share, and train has the most."""
    share_s = HELD_OUT_SHARE * sum(seconds.values())
    held_out = [seconds.get(split, 0.0) for split in HELD_OUT]
    return min(held_out) >= MIN_SHARE * share_s > 0 and seconds.get("train", 0.0) > max(held_out)


def _root(parent: "array[int]", node: int) -> int:
    while parent[node] != node:
        parent[node] = parent[parent[node]]
        node = parent[node]
    return node
