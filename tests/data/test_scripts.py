"""The script of a letter."""

from mothertongue.data.scripts import script_of


def test_each_letter_has_the_script_of_its_name() -> None:
    scripts = ["LATIN", "CYRILLIC", "CJK", "KATAKANA", None, None]
    assert [script_of(char) for char in "aж東カ1 "] == scripts
