"""The script of a letter."""

import pytest

from mothertongue.data.scripts import joined_texts, on_one_line, script_of


def test_each_letter_has_the_script_of_its_name() -> None:
    scripts = ["LATIN", "CYRILLIC", "CJK", "KATAKANA", None, None]
    assert [script_of(char) for char in "aж東カ1 "] == scripts


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("habari\nyako", "habari yako"),
        ("สวัสดี\nครับ", "สวัสดีครับ"),
        ("今日は、 \n\t良い天気。\n「はい」", "今日は、良い天気。「はい」"),
        ("ສະ\nບາຍ", "ສະບາຍ"),
        ("ខ្ញុំ\u200b\nទៅ", "ខ្ញុំ\u200bទៅ"),  # it separates words there
        ("မြန်မာ\nစာ", "မြန်မာစာ"),
        ("カー\n\nド", "カード"),
        ("ไปแล้ว ครับ", "ไปแล้ว ครับ"),  # a space that somebody wrote ends a phrase
        ("ดู\nTV\nที่บ้าน", "ดู TV ที่บ้าน"),
        ("안녕\n하세요", "안녕 하세요"),
        ("བོད་\nཡིག", "བོད་ཡིག"),
        ("ཡིག།\nབོད་", "ཡིག། བོད་"),
        ("\nก\n", " ก "),
    ],
)
def test_a_line_break_is_a_space_only_in_scripts_with_spaces(text: str, expected: str) -> None:
    assert on_one_line(text) == joined_texts(text.split("\n")) == expected


@pytest.mark.parametrize("end", ["\r\n", "\r", "\v", "\f", "\x85", "\u2028", "\u2029"])
def test_other_line_breaks_count_too(end: str) -> None:
    assert on_one_line(f"今日{end}は") == "今日は"


def test_a_text_of_line_breaks_takes_no_time() -> None:
    text = "ก" + "\n" * 1_000_000 + "a"
    assert on_one_line(text) == "ก" + " " * 1_000_000 + "a"
