"""Test which clips are known to be of one voice."""

from typing import Any

from mothertongue.data.manifest import Utterance
from mothertongue.data.voices import voices


def test_voices() -> None:
    def clip(name: str, **facts: Any) -> Utterance:
        return Utterance(
            name, **({"audio": name, "text": "x", "language": "sw"} | facts), duration_s=1
        )

    found = voices(
        [
            clip("a", speaker="one"),
            clip("b", speaker="one"),
            clip("c", speaker="one", language="fr"),
            clip("d", speaker="two"),
            clip("e"),
            clip("f"),
            clip("g", audio="radio", start_s=0.0),
            clip("h", audio="radio", start_s=3.0),
            clip("i", audio="alone", start_s=3.0),
            clip("j", audio="radio", start_s=6.0, speaker="two", language="fr"),
        ]
    )
    assert found[0] == found[1] is not None
    assert found[6] == found[7] is not None
    assert [each is None for each in found] == [i not in (0, 1, 6, 7) for i in range(10)]
