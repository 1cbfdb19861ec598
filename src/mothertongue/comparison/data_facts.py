"""Collect facts of a language's training and test data for tables and page. No torch."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mothertongue.data.manifest import SPLITS, Utterance, manifest_path, read_card, read_data

Json = dict[str, Any]


def data_facts(manifests: Sequence[Path]) -> Json:
    """Return the size of each split and the data cards of the manifests, as JSON values.

    `data`: clips, hours and speakers of each split (the paper's table 2). `cards`: the card that
    `mothertongue prepare` wrote beside a manifest, where there is one, with its folder's name.
    """
    utterances = read_data(manifests)
    cards = [
        {"folder": manifest_path(path).parent.name, **card}
        for path in manifests
        if (card := read_card(path)) is not None
    ]
    return {
        "data": {
            split: _size([each for each in utterances if each.split == split]) for split in SPLITS
        },
        "cards": cards,
    }


def _size(utterances: Sequence[Utterance]) -> Json:
    return {
        "clips": len(utterances),
        "hours": sum(each.duration_s for each in utterances) / 3600,
        "speakers": len({each.speaker for each in utterances} - {None}),
    }
