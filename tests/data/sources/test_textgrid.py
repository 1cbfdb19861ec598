from pathlib import Path

import pytest

from mothertongue.data.annotations.segments import Annotations, Segment, Tier
from mothertongue.data.sources.textgrid import read_textgrid
from mothertongue.errors import Fault

LONG = """File type = "ooTextFile"
Object class = "TextGrid"

xmin = 0 
xmax = 2.5 
tiers? <exists> 
size = 2 
item []: 
    item [1]:
        class = "IntervalTier" 
        name = "Anna - words" 
        xmin = 0 
        xmax = 2.5 
        intervals: size = 2 
        intervals [1]:
            xmin = 0 
            xmax = 1.25 
            text = "" 
        intervals [2]:
            xmin = 1.25 
            xmax = 2.5 
            text = "she said ""ndiyo"" 3 <times>
on two lines" 
    item [2]:
        class = "TextTier" 
        name = "tones" 
        xmin = 0 
        xmax = 2.5 
        points: size = 1 
        points [1]:
            number = 1.5 
            mark = "H*" 
"""
SHORT = """File type = "ooTextFile short"
"TextGrid"

0
2.5
<exists>
2
"IntervalTier"
"Anna - words"
0
2.5
2
0
1.25
""
1.25
2.5
"she said ""ndiyo"" 3 <times>
on two lines"
"TextTier"
"tones"
0
2.5
1
1.5
"H*"
"""
ELAN = LONG.replace("item []:", "item[]:").replace("item [", "item[").replace("]:", "]")
WORDS = Tier(
    "Anna - words",
    "words",
    (
        Segment("Anna - words[1]", 0.0, 1.25, "", "Anna"),
        Segment("Anna - words[2]", 1.25, 2.5, 'she said "ndiyo" 3 <times>\non two lines', "Anna"),
    ),
)


def read(folder: Path, text: str, encoding: str = "utf-8") -> Annotations:
    path = folder / "a.TextGrid"
    path.write_bytes(text.encode(encoding))
    return read_textgrid(path)


@pytest.mark.parametrize("text", [LONG, SHORT, ELAN, LONG.replace("\n", "\r\n")])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
def test_every_dialect_in_every_unicode_is_the_same(
    tmp_path: Path, text: str, encoding: str
) -> None:
    found = read(tmp_path, text, encoding)
    assert found.tiers == (WORDS,)
    assert found.ignored == {"point tiers, which span no sound, left out": 1}


def test_comments_and_a_grid_without_tiers(tmp_path: Path) -> None:
    commented = SHORT.replace("<exists>", '! "2 3 < a comment\n<exists>')
    assert read(tmp_path, commented).tiers == (WORDS,)
    assert read(tmp_path, SHORT.replace("<exists>", "<absent>")).tiers == ()


@pytest.mark.parametrize("text", ["sil", "SP", "<p:>", " <sil> ", "#"])
def test_silence_is_no_text(tmp_path: Path, text: str) -> None:
    silent = SHORT.replace(SHORT[SHORT.index('"she') : SHORT.index('"TextTier')], f'"{text}"\n')
    assert [each.text for each in read(tmp_path, silent).tiers[0].segments] == ["", ""]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (LONG[: LONG.index("ndiyo")], r"a.TextGrid:22: .* expected a closing quote"),
        (LONG[: LONG.index("xmax = 1.25")], "ends where a number is due; it was cut off"),
        ("", "ends where a text in quotes is due"),
        (SHORT.replace("TextGrid", "PitchTier"), "begins with 'ooTextFile short' and 'PitchTier'"),
        (SHORT.replace('"Anna - words"', "3"), r":9: '3'; expected a text in quotes"),
        (SHORT.replace('1.25\n""', '"x"\n""'), r":14: '\"x\"'; expected a number"),
        (SHORT.replace("<exists>\n2", "<exists>\n1e999"), r":7: '1e999'; expected a number"),
        (SHORT.replace("<exists>", '"x"'), r":6: '\"x\"'; expected <exists>"),
        (SHORT.replace("0\n2.5\n<", "0\n<exists>\n<"), r":5: '<exists>'; expected a number"),
    ],
)
def test_what_is_cut_or_another_object_is_described(
    tmp_path: Path, text: str, expected: str
) -> None:
    with pytest.raises(Fault, match=rf"MAN-FORMAT: .*{expected}"):
        read(tmp_path, text)


def test_latin_1_is_not_guessed(tmp_path: Path) -> None:
    with pytest.raises(Fault, match="MAN-ENCODING"):
        read(tmp_path, SHORT.replace("she", "\xe9l\xe8ve"), "latin-1")
    assert read_textgrid(tmp_path / "a.TextGrid", "latin-1").tiers[0].segments[1].text[:5] == (
        "\xe9l\xe8ve"
    )
