from pathlib import Path

import pytest

from mothertongue.data.annotations.segments import Segment
from mothertongue.data.sources.audacity import AudacitySource, read_labels
from mothertongue.errors import Fault

LABELS = "0.500000\t1.250000\thabari gani\n\\\t100.0\t2000.0\n2,0\t3,5\t\n4.0\t4.0\tclick\n5\t6\n"


def write(folder: Path, text: str) -> Path:
    path = folder / "a.txt"
    path.write_bytes(text.encode())
    return path


def test_labels_have_times_and_text_and_frequencies_are_passed_over(tmp_path: Path) -> None:
    found = read_labels(write(tmp_path, LABELS))
    assert found.tiers[0].segments == (
        Segment("1", 0.5, 1.25, "habari gani"),
        Segment("3", 2.0, 3.5, ""),
        Segment("5", 5.0, 6.0, ""),
    )
    assert found.ignored == {"labels at a point of time, which span no sound, left out": 1}
    assert read_labels(write(tmp_path, "-0.5\t1\ta\tb\n")).tiers[0].segments == (
        Segment("1", -0.5, 1.0, "a\tb"),
    )


def test_a_line_that_is_no_label_is_named(tmp_path: Path) -> None:
    with pytest.raises(Fault, match=r"a.txt:6: 'habari'; expected START<TAB>END<TAB>TEXT"):
        read_labels(write(tmp_path, LABELS + "habari\n"))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (LABELS, True),
        ("\ufeff1\t2\thabari", True),
        ("1 2 habari", False),
        ("", False),
        ("speaker\tfile\ttext\n1\t2\tx", False),
    ],
)
def test_labels_are_told_by_the_first_line(tmp_path: Path, text: str, expected: bool) -> None:
    assert AudacitySource.recognizes(write(tmp_path, text)) == expected
    assert not AudacitySource.recognizes(tmp_path / "nothing.txt")
