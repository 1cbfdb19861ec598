from pathlib import Path

import pytest

from mothertongue.data.annotations.segments import Media
from mothertongue.data.sources.chat import ChatSource, read_cha
from mothertongue.errors import Fault

CHAT = """@UTF8
@PID:\t11312/c-00000000-1
@Begin
@Languages:\tswa, eng
@Participants:\tCHI Anna Target_Child , MOT Mother
@ID:\tswa|corpus|CHI|2;06.||||Target_Child|||
@Media:\tstory, audio
*CHI:\thabari gani ? \x15500_1250\x15
%mor:\tn|habari adv|gani ?
*MOT:\tnzuri <sana sana> [//]
\tasante . \x151300_2900\x15
*MOT:\txxx leo . \x153000_3500\x15
*CHI:\tbila saa .
@End
"""


def write(folder: Path, text: str, encoding: str = "utf-8") -> Path:
    path = folder / "a.cha"
    path.write_bytes(text.encode(encoding))
    return path


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_a_line_of_a_speaker_is_a_segment(tmp_path: Path, encoding: str) -> None:
    path = write(tmp_path, CHAT, encoding)
    found = read_cha(path)
    assert [
        (each.place, each.start_s, each.end_s, each.text, each.speaker)
        for each in found.tiers[0].segments
    ] == [
        ("8", 0.5, 1.25, "habari gani?", "Anna"),
        ("10", 1.3, 2.9, "nzuri sana sana asante.", "MOT"),
        ("13", None, None, "bila saa.", "Anna"),
    ]
    assert found.media == (Media(("story",)),)
    assert sum(found.ignored.values()) == 1  # nobody understood a word of line 12
    assert ChatSource.recognizes(path)


@pytest.mark.parametrize("digits", [400, 5000])
def test_a_time_that_is_none_is_left_open(tmp_path: Path, digits: int) -> None:
    path = write(tmp_path, CHAT.replace("1250", "9" * digits))
    first = read_cha(path).tiers[0].segments[0]
    assert (first.start_s, first.end_s, first.text) == (0.5, None, "habari gani?")


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ("well &-um I want (.) it [!] .", "well um I want it."),
        ("&=laughs no (be)cause &+be because +...", "no because be because"),
        ("the <dog> [/] dog goes@c woof@o .", "the dog dog goes woof."),
        ("quiero una cookie@s:eng , mama@f !", "quiero una cookie, mama!"),
        ('+" ice_cream no: 0is good +"/.', "ice cream no good"),
        ("two (2.5) words (..) here ↑ .", "two words here."),
        ("ng'ombe wangu 'enda .", "ng'ombe wangu 'enda."),
        ("well (1:05.) &{l=sings I want &}l=sings it .", "well I want it."),
        ("gumo [: gum] [*] ‡ yes ?", "gumo yes?"),
        ('moja \x15%pic:"a b.jpg"\x15 mbili \x15%txt:"a"\x15 .', "moja mbili."),
    ],
)
def test_codes_are_no_speech(tmp_path: Path, line: str, text: str) -> None:
    path = write(tmp_path, f"@UTF8\n@Begin\n*CHI:\t{line} \x151_2\x15\n@End\n")
    assert [each.text for each in read_cha(path).tiers[0].segments] == [text]


def test_the_older_bullets_name_their_sound(tmp_path: Path) -> None:
    bullets = '*CHI:\tmoja \x15%snd:"a"_0_900\x15 mbili . \x15%snd:"a"_900_1700\x15'
    found = read_cha(write(tmp_path, f"@Begin\n{bullets}\n@End\n")).tiers[0].segments[0]
    assert (found.start_s, found.end_s, found.text) == (0.0, 1.7, "moja mbili.")


def test_another_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Fault, match="no @Begin; expected a CHAT file"):
        read_cha(write(tmp_path, "@UTF8\nhabari\n"))
    assert not ChatSource.recognizes(write(tmp_path, "habari\n"))
    assert not ChatSource.recognizes(tmp_path / "missing.cha")
