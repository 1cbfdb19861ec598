"""Collect facts of a language's training and test data for tables and page. No torch."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from mothertongue.comparison.schema import SplitSize
from mothertongue.data.card import Card, read_card
from mothertongue.data.manifest import SPLITS, Utterance, manifest_path, read_data

PSEUDO_LABELS = "of train, pseudo-labels"


def data_sizes(manifests: Sequence[Path]) -> dict[str, SplitSize]:
    """Return the size of each split (the paper's table 2), and of the pseudo-labels in train, if
    there are any."""
    utterances = read_data(manifests)
    sizes = {split: _size([each for each in utterances if each.split == split]) for split in SPLITS}
    pseudo = [each for each in utterances if each.is_pseudo_labelled]
    return sizes | ({PSEUDO_LABELS: _size(pseudo)} if pseudo else {})


def data_cards(manifests: Sequence[Path]) -> list[Card]:
    """Return the card that `prepare` or `label` wrote beside each manifest, where there is one,
    with the name of its folder."""
    return [
        replace(card, folder=manifest_path(path).parent.name)
        for path in manifests
        if (card := read_card(path)) is not None
    ]


def _size(utterances: Sequence[Utterance]) -> SplitSize:
    return SplitSize(
        clips=len(utterances),
        hours=sum(each.duration_s for each in utterances) / 3600,
        speakers=len({each.speaker for each in utterances} - {None}),
    )
