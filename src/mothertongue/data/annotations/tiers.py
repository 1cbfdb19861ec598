"""Choose the tiers that hold the transcript, among those of all files of a corpus."""

import re
import shlex
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field

from mothertongue.data.annotations.segments import Annotations, Segment, Tier
from mothertongue.errors import ConfigError

NUM_LISTED = 8
SAMPLE_LETTERS = 40
CLOSE = 0.5  # above this share of the greatest weight, the longer segments win
IDENTIFIER_SHARE = 0.9
# Names of tiers that are no transcript: in words, and as Toolbox and FLEx shorten them.
ABOUT = re.compile(
    r"translat|tradu|gloss|comment|übersetz|перевод|翻译"
    r"|(?<![^\W\d_])(?:fe|ft|ge|gls|notes?|nt)(?![^\W\d_])",
    re.IGNORECASE,
)


@dataclass(slots=True)
class Kind:
    """All tiers of one kind, such as a linguistic type of ELAN."""

    num_tiers: int = 0
    num_segments: int = 0
    """The number of segments with text."""
    num_identifiers: int = 0
    num_about: int = 0
    """The number of tiers that are no transcript by their name or type."""
    seconds: float = 0.0
    characters: int = 0
    sample: str = ""
    is_aligned: bool = True
    depth: int = 0
    names: set[str] = field(default_factory=set)
    """All names that may be given as --tier for one of these tiers."""

    @property
    def weight(self) -> float:
        """Seconds times characters: comments are long but few, pauses have no text."""
        return self.seconds * self.characters

    @property
    def rank(self) -> int:
        """2 for tiers with times of their own, 1 for times of a parent, 0 for no transcript.

        Names of segments are no transcript, and neither are translations and notes, if the tiers
        are called so. A text of less than one character a second is none either: such tiers hold
        topics of long stretches.
        """
        is_named = self.num_identifiers >= IDENTIFIER_SHARE * self.num_segments
        is_about = self.num_about == self.num_tiers
        if is_named or is_about or self.characters < self.seconds:
            return 0
        return 2 if self.is_aligned else 1

    def add(self, tier: Tier) -> None:
        """Add a tier to the counts."""
        self.num_tiers += 1
        self.num_about += any(map(ABOUT.search, _names(tier)))
        self.names |= _names(tier)
        self.is_aligned &= tier.is_aligned
        self.depth = max(self.depth, tier.depth)
        for segment in tier.segments:
            text = segment.text.strip()
            if text:
                self.num_segments += 1
                self.num_identifiers += _is_identifier(text)
                self.seconds += _duration_s(segment)
                self.characters += len(text)
                self.sample = self.sample or text


Kinds = dict[str, Kind]
"""The kinds of tiers of a corpus by name, in the order of the files."""


def add_kinds(kinds: Kinds, document: Annotations) -> None:
    """Count the tiers of a file in."""
    for tier in document.tiers:
        kinds.setdefault(tier.kind, Kind()).add(tier)


def likeliest(kinds: Mapping[str, Kind]) -> str | None:
    """Return the kind with the most time and text; None if no kind has both, and there are several.

    A kind with times of its own comes before one with the times of its parent, such as a
    translation. Of several kinds with about as much, the one nearest to its times is taken: words
    before their morphemes. Otherwise it is the one with longer segments: utterances before words.
    """
    found = {name: kind for name, kind in kinds.items() if kind.weight > 0}
    rank = max((kind.rank for kind in found.values()), default=0)
    found = {name: kind for name, kind in found.items() if kind.rank == rank}
    most = max((kind.weight for kind in found.values()), default=0.0)
    close = [name for name, kind in found.items() if kind.weight >= CLOSE * most]
    if not close and len(kinds) == 1:  # each of its segments is then told to have no time
        close = [name for name, kind in kinds.items() if kind.num_segments]
    return max(close, key=lambda name: _preference(kinds[name]), default=None)


def is_wanted(tier: Tier, wanted: Collection[str]) -> bool:
    """Return whether a tier, its kind or its type is named."""
    return not _names(tier).isdisjoint(wanted)


def check_names(wanted: Collection[str], kinds: Mapping[str, Kind], origin: str) -> None:
    """Raise ConfigError for a wanted tier that no file has."""
    known = dict.fromkeys([*kinds, *(name for kind in kinds.values() for name in kind.names)])
    for name in wanted:
        if name not in known:
            shown = ", ".join(map(repr, [*known][: 2 * NUM_LISTED])) or "none"
            raise ConfigError(
                f"{origin}: --tier {name}: no tier or type of this name; found {shown}; give one "
                "of them"
            )


def told(kinds: Mapping[str, Kind], wanted: Collection[str]) -> Iterator[str]:
    """Yield lines that say which tiers were taken, and which other tiers there are."""
    others = {name: kind for name, kind in kinds.items() if kind.names.isdisjoint(wanted)}
    for name in wanted:
        facts = f": {_facts(kinds[name])}" if name in kinds else ""
        yield f"tiers taken: {name!r}{facts}"
    ordered = sorted(others.items(), key=lambda item: -item[1].weight)
    for name, kind in ordered[:NUM_LISTED]:
        yield f"tiers not taken: {name!r}: {_facts(kind)}; --tier {shlex.quote(name)} takes them"
    if len(ordered) > NUM_LISTED:
        yield f"tiers not taken: {len(ordered) - NUM_LISTED} more names, with less text"


def _facts(kind: Kind) -> str:
    tiers = f"{kind.num_tiers} tier{'s' * (kind.num_tiers != 1)}"
    if not kind.num_segments:
        return f"{tiers} without text"
    sample = kind.sample[:SAMPLE_LETTERS] + "..." * (len(kind.sample) > SAMPLE_LETTERS)
    return f"{tiers}, {kind.seconds:,.0f} s, such as {sample!r}"


def _names(tier: Tier) -> set[str]:
    return {tier.name, tier.kind, *filter(None, [tier.type])}


def _preference(kind: Kind) -> tuple[int, float]:
    return -kind.depth, kind.characters / kind.num_segments


def _duration_s(segment: Segment) -> float:
    if segment.start_s is None or segment.end_s is None:
        return 0.0
    return max(0.0, segment.end_s - segment.start_s)


def _is_identifier(text: str) -> bool:
    """Return whether a text is a name such as `story.012`; Toolbox's tier `ref` has such names."""
    return any(char.isdigit() for char in text) and not any(char.isspace() for char in text)
