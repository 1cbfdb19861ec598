"""Draw charts from Vega-Lite specifications: SVG for the page, SVG and PDF for papers.

Vega names and describes each mark for screen readers; the page shows the same words as tooltips.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import vl_convert

from mothertongue.comparison.schema import BASE_SYSTEM
from mothertongue.system.files import open_atomically, open_bytes_atomically

Json = dict[str, Any]
VEGA_LITE = "https://vega.github.io/schema/vega-lite/v5.json"
VERSION = "5.21"
UNSAFE = re.compile(r"[^\w.-]+")  # in file names
# All but XML 1.0's Char (sec. 2.2): vl-convert 1.9 aborts the process on them.
NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
INK, FAINT = "#1f2328", "#d0d7de"
THEMED = {INK: "var(--ink)", FAINT: "var(--line)"}
"""Colors that a page, which may be dark, replaces by its own; on paper they stay."""
# Paul Tol's bright scheme, then his muted one: people who see few colors can distinguish them.
COLORS = (
    "#4477aa", "#ee6677", "#228833", "#ccbb44", "#66ccee", "#aa3377",
    "#cc6677", "#117733", "#999933", "#882255", "#44aa99", "#ddcc77",
)  # fmt: skip
BASE_COLOR = "#888888"
SHAPES = ("circle", "square", "triangle-up", "diamond", "cross", "triangle-down")
BASE_SHAPE = "triangle-right"
FONT = "Helvetica Neue, Helvetica, Arial, sans-serif"
STYLE: Json = {
    "font": FONT,
    "background": None,
    "view": {"stroke": None},
    "axis": {
        "labelColor": INK,
        "titleColor": INK,
        "gridColor": FAINT,
        "domainColor": FAINT,
        "tickColor": FAINT,
        "labelFontSize": 12,
        "titleFontSize": 12,
        "titleFontWeight": "normal",
        "labelLimit": 220,
    },
    "legend": {
        "labelColor": INK,
        "titleColor": INK,
        "labelFontSize": 12,
        "titleFontSize": 12,
        "titleFontWeight": "normal",
        "labelLimit": 220,
        "symbolOpacity": 1,
        "orient": "bottom",
        "columns": 3,
    },
    "title": {"color": INK, "fontSize": 13},
    "header": {"labelColor": INK, "titleColor": INK},
    "text": {"color": INK},
    "point": {"opacity": 1},
}
LETTER = 6.5
"""Width of a character of a label, in pixels: its size is 12."""
WIDTH = 380
"""Width of the plot without its axes, in pixels: about that of a phone's screen."""


@dataclass(frozen=True, slots=True)
class Chart:
    """A specification with its file name, its title and an explanation for the reader."""

    name: str
    title: str
    spec: Json
    note: str = ""

    def svg(self) -> str:
        """Return the chart as SVG for a page, in the colors of the page."""
        drawn: str = vl_convert.vegalite_to_svg(_whole(self.spec), vl_version=VERSION)
        for color, variable in THEMED.items():
            drawn = drawn.replace(f'"{color}"', f'"{variable}"')
        return drawn

    def write(self, folder: Path) -> None:
        """Write NAME.svg and NAME.pdf into a folder."""
        whole, name = _whole(self.spec), UNSAFE.sub("-", self.name)
        with open_atomically(folder / f"{name}.svg") as text:
            text.write(vl_convert.vegalite_to_svg(whole, vl_version=VERSION))
        pdf: bytes = vl_convert.vegalite_to_pdf(whole, vl_version=VERSION)
        with open_bytes_atomically(folder / f"{name}.pdf") as file:
            file.write(pdf)


def layered(values: Sequence[Json], layers: Sequence[Json], **rest: Any) -> Json:
    """Return a specification of layers of marks that share the same rows."""
    return {"data": {"values": list(values)}, "width": WIDTH, "layer": list(layers), **rest}


def axis(field: str, title: str | None, **rest: Any) -> Json:
    """Return the encoding of a quantity along an axis."""
    return {"field": field, "type": "quantitative", "title": title, **rest}


def names(field: str, title: str | None, order: Sequence[str] | None = None, **rest: Any) -> Json:
    """Return the encoding of names along an axis, in the given order or that of the rows."""
    sort = None if order is None else list(order)
    return {"field": field, "type": "nominal", "title": title, "sort": sort, **rest}


def label_angle(labels: Sequence[str], step: float) -> int:
    """Return the angle at which labels below or above their columns do not cover each other.

    `step` is the width of a column in pixels.
    """
    return -40 if LETTER * max(map(len, labels)) > step else 0


def colored(field: str, order: Sequence[str], known: Sequence[str] = ()) -> Json:
    """Return a color for each name. Charts with the same `known` names give them the same colors,
    whichever of them they show.
    """
    return _assigned(field, order, known, COLORS, BASE_COLOR)


def shaped(field: str, order: Sequence[str], known: Sequence[str] = ()) -> Json:
    """Return a shape for each name in the same way, for people who cannot see the colors."""
    return _assigned(field, order, known, SHAPES, BASE_SHAPE)


def _assigned(
    field: str, order: Sequence[str], known: Sequence[str], values: Sequence[str], of_base: str
) -> Json:
    every = [name for name in dict.fromkeys([*known, *order]) if name != BASE_SYSTEM]
    found = {name: values[i % len(values)] for i, name in enumerate(every)} | {BASE_SYSTEM: of_base}
    scale = {"domain": list(order), "range": [found[name] for name in order]}
    return {"field": field, "type": "nominal", "title": None, "scale": scale}


def tooltip() -> Json:
    """Return the encoding of a mark's tooltip, which is also its text for screen readers."""
    return {"field": "tooltip", "type": "nominal"}


def dots(size: int, **encoding: Json) -> Json:
    """Return a layer of filled points with tooltips; `size` is their area in square pixels."""
    mark = {"type": "point", "filled": True, "size": size}
    return {"mark": mark, "encoding": {**encoding, "description": tooltip()}}


def rules(width: int, **encoding: Json) -> Json:
    """Return a layer of straight lines, such as intervals; screen readers pass over them.

    All layers of a chart must share the titles of the axes.
    """
    return {"mark": {"type": "rule", "strokeWidth": width, "aria": False}, "encoding": encoding}


def heat(x: Json, y: Json, color: Json, ink: Json, font_size: int) -> tuple[Json, Json]:
    """Return the layers of a heat map: its cells with tooltips, and the `text` of each row."""
    mark = {"type": "text", "fontSize": font_size, "aria": False}
    text = {"x": x, "y": y, "text": {"field": "text"}, "color": ink}
    cells = {"x": x, "y": y, "color": color, "description": tooltip()}
    return {"mark": "rect", "encoding": cells}, {"mark": mark, "encoding": text}


def _whole(spec: Json) -> Json:
    whole: Json = _drawable({"$schema": VEGA_LITE, "config": STYLE, "padding": 4, **spec})
    return whole


def _drawable(value: Any) -> Any:
    """Return a part of a specification with U+FFFD for each character that XML cannot hold."""
    if isinstance(value, str):
        return NOT_XML.sub("\N{REPLACEMENT CHARACTER}", value)
    if isinstance(value, dict):
        return {_drawable(key): _drawable(part) for key, part in value.items()}
    return [_drawable(part) for part in value] if isinstance(value, list | tuple) else value
