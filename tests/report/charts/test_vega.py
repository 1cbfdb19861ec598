"""Charts of what strangers called their speakers and strategies."""

import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest
from disks import no_file_above

from mothertongue.errors import DiskFull
from mothertongue.report.charts.vega import Chart, axis, layered, names

# Text that XML cannot hold: vl-convert ends the process on the first four.
ODD = ("s\uffff", "\ufffe", "a\x01b", "x\x1b[31m", "\ud800", "\ufdd0", "\U0001ffff", "ọ̀dọ̀ 👩‍💻")


def test_names_that_xml_cannot_hold_are_drawn_with_replacement_characters(tmp_path: Path) -> None:
    rows = [{"name": name, "wer": number} for number, name in enumerate(ODD)]
    mark = {"mark": "bar", "encoding": {"x": axis("wer", ODD[0]), "y": names("name", None, ODD)}}
    chart = Chart("c", "t", layered(rows, [mark], title=ODD[2]))
    drawn = ElementTree.fromstring(chart.svg().encode())
    shown = {text.text for text in drawn.iter("{http://www.w3.org/2000/svg}text")}
    assert {"s\ufffd", "\ufffd", "a\ufffdb", "x\ufffd[31m", ODD[-1]} <= shown
    chart.write(tmp_path)
    assert ElementTree.parse(tmp_path / "c.svg").getroot() is not None


def test_a_disk_without_room_for_a_pdf_is_named(tmp_path: Path) -> None:
    chart = Chart("c", "t", layered([{"wer": 1}], [{"mark": "bar", "encoding": {}}]))
    chart.write(tmp_path)
    svg, pdf = ((tmp_path / f"c.{kind}").stat().st_size for kind in ("svg", "pdf"))
    assert svg < pdf
    with no_file_above(svg), pytest.raises(DiskFull, match=r"again/c.pdf: no room on the disk"):
        chart.write(tmp_path / "again")
    assert [path.name for path in (tmp_path / "again").iterdir()] == ["c.svg"]
