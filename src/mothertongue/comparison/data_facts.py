"""Collect facts of a language's training and test data for tables and page. No torch."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mothertongue.data.manifest import SPLITS, Utterance, manifest_path, read_card, read_data

Json = dict[str, Any]
PSEUDO_LABELS = "of train, pseudo-labels"


def data_facts(manifests: Sequence[Path]) -> Json:
    """Return the size of each split and the data cards of the manifests, as JSON values.

    `data`: clips, hours and speakers of each split (the paper's table 2), and of the pseudo-labels
    in train, if there are any. `cards`: the card that `mothertongue prepare` or `label` wrote
    beside a manifest, where there is one, with its folder's name.
    """
    utterances = read_data(manifests)
    cards = [
        {"folder": manifest_path(path).parent.name, **card}
        for path in manifests
        if (card := read_card(path)) is not None
    ]
    sizes: Json = {
        split: _size([each for each in utterances if each.split == split]) for split in SPLITS
    }
    if pseudo := [each for each in utterances if each.is_pseudo_labelled]:
        sizes[PSEUDO_LABELS] = _size(pseudo)
    return {"data": sizes, "cards": cards}


def _size(utterances: Sequence[Utterance]) -> Json:
    return {
        "clips": len(utterances),
        "hours": sum(each.duration_s for each in utterances) / 3600,
        "speakers": len({each.speaker for each in utterances} - {None}),
    }
