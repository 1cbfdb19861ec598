"""Test the rough Latin spelling of other scripts."""

import pytest

from mothertongue.inference.alignment.romanize import main_script, romanized


@pytest.mark.parametrize(
    ("text", "script", "expected"),
    [
        ("ማርያም", "ETHIOPIC", "mariam"),
        ("ደሳለኝ", "ETHIOPIC", "dasalani"),
        ("नमस्ते", "DEVANAGARI", "namaste"),
        ("ᐃᓄᒃᑎᑐᑦ", "CANADIAN", "inoktitot"),
        ("ⵜⴰⵎⴰⵣⵉⵖⵜ", "TIFINAGH", "tamasight"),
        ("こんにちは", "HIRAGANA", "konitiha"),
        ("안녕", "HANGUL", "anieong"),
        ("ministar", "LATIN", "ministar"),
        ("qaallii", "LATIN", "kali"),
        ("12", None, "12"),
        ("", None, ""),
    ],
)
def test_names_of_letters_say_their_sound(text: str, script: str | None, expected: str) -> None:
    assert main_script(text) == script
    assert romanized(text) == expected


def test_most_letters_decide_the_script() -> None:
    assert main_script("ማርያም ok") == "ETHIOPIC"
    assert main_script("ማ okay") == "LATIN"
