"""Lines of subtitles in scripts with and without spaces."""

import pytest
import regex

from mothertongue.inference.subtitle_lines import broken

THAI = "ก็ไม่รู้ว่าน้ำจะท่วมบ้านเมื่อไหร่แต่เราต้องเตรียมตัวไว้ก่อนเสมอเพราะฝนตกหนักมาก"
KHMER = 2 * "ខ្ញុំទៅសាលារៀនជាមួយមិត្តភក្តិរបស់ខ្ញុំនៅពេលព្រឹកព្រលឹមរាល់ថ្ងៃហើយយើងរៀនភាសាខ្មែរជាមួយគ្នា"
CHINESE = "今天我们在学校里学习使用这个模型来转写录音，然后大家一起讨论结果和问题。"
MARKED = "e\u0301\u0323" * 60


@pytest.mark.parametrize("text", [THAI, KHMER, MARKED])
def test_lines_break_between_letters_and_not_before_their_marks(text: str) -> None:
    lines = broken(text)
    letters = [regex.findall(r"\X", line) for line in lines]
    assert "".join(lines) == text and not lines[0].endswith("เ")
    assert len(lines) == 2 and all(len(each) <= 42 for each in letters)
    assert [*letters[0], *letters[1]] == regex.findall(r"\X", text)


def test_a_wide_letter_takes_two_columns() -> None:
    assert broken("水" * 21) == ["水" * 21]
    assert broken("水" * 22) == ["水" * 11] * 2
    assert broken("水" * 42) == ["水" * 21] * 2
    assert [len(line) for line in broken("水" * 150)] == [19] * 7 + [17]


def test_no_line_begins_with_a_full_stop_or_ends_inside_an_english_name() -> None:
    assert broken(CHINESE) == [
        "今天我们在学校里学习使用这个模型来转",
        "写录音，然后大家一起讨论结果和问题。",
    ]
    assert broken("水" * 12 + "。" + "水" * 13) == ["水" * 12 + "。", "水" * 13]
    assert broken("水" * 12 + "「" + "水" * 12) == ["水" * 12, "「" + "水" * 12]
    assert broken("水" * 10 + "WhisperModel" + "水" * 10) == ["水" * 10 + "WhisperModel", "水" * 10]


def test_words_stay_whole_where_there_are_spaces() -> None:
    three = " ".join(("x" * 25, "y" * 25, "z" * 25))
    assert broken(three) == three.split()
    assert broken("x" * 42 + " " + "y" * 42) == ["x" * 42, "y" * 42]
    assert broken("moja " + "x" * 50) == ["moja " + "x" * 23, "x" * 27]
    assert broken("  moja\n mbili ") == ["moja mbili"]
