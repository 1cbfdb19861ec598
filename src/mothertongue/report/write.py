"""Write one page from records, and figures and tables for papers."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from mothertongue.report.audio_clips import Playable, Where, collect_sounds, remove_unplayed
from mothertongue.report.augmented_clips import collect_augmented
from mothertongue.report.chapters import Chapters, strategies_of
from mothertongue.report.charts.vega import UNSAFE
from mothertongue.report.inputs import Part, read_parts
from mothertongue.report.page.render import render
from mothertongue.report.tables.cells import distinct
from mothertongue.report.tables.layer_tables import write_figures
from mothertongue.report.tables.terminal import write_tables
from mothertongue.system.files import open_atomically, refuse_non_file, sweep
from mothertongue.system.locks import locked

PAGE = "report.html"
MB = 1_000_000


@dataclass(frozen=True, slots=True)
class ReportOptions:
    """Settings of a page. `audio_mb`: at most this many MB of sound; a second has about 5 kB."""

    audio: Where = "embed"
    audio_mb: float = 16.0
    figures: Path | None = None
    """A folder for each chart as SVG and PDF, and the tables as LaTeX and CSV."""
    analyses: tuple[Path, ...] = ()
    """Results of `mothertongue analyze`, besides those that lie in the folders."""


@dataclass(frozen=True, slots=True)
class Written:
    """A page that was written: its path and bytes, and how many clips it has and can play."""

    page: str
    bytes: int
    clips: int
    playable: int
    over_budget: int
    unreadable: list[str]


def write_report(
    paths: Sequence[Path],
    out: Path | None = None,
    options: ReportOptions | None = None,
    advance: Callable[[int], None] = lambda _: None,
) -> Written:
    """Write the page of runs and comparisons; by default into the first one's folder."""
    options = options or ReportOptions()
    page = out or paths[0] / PAGE
    refuse_non_file(page)
    parts = read_parts(paths, options.analyses)
    clip_sets = [each for part in parts for each in part.clip_sets]
    playable = [[*map(Playable.of, each.clips)] for each in clip_sets]
    budget = int(options.audio_mb * MB)
    strategies = strategies_of(parts)
    chapters = [Chapters(part, strategies) for part in parts]
    is_played = options.audio != "none"
    augmented = [collect_augmented(part.runs) if is_played else None for part in parts]
    title = ", ".join(part.result.name for part in parts)
    with locked(lock_of(page)):
        sweep(page.parent)
        sounds = collect_sounds(playable, options.audio, budget, page, advance)
        with open_atomically(page) as file:
            file.write(render(title, chapters, sounds, augmented))
        remove_unplayed(page, sounds)
    if options.figures is not None:
        with locked(options.figures / ".lock"):
            _write_figures(parts, chapters, options.figures)
    return Written(
        page=str(page),
        bytes=page.stat().st_size,
        clips=sum(len(each.clips) for each in clip_sets),
        playable=len(sounds.found),
        over_budget=sounds.over_budget,
        unreadable=sounds.unreadable,
    )


def lock_of(page: Path) -> Path:
    """Return the lock that a page has while it is written; a killed command leaves it."""
    return page.with_name(f".{page.name}.lock")


def _write_figures(parts: Sequence[Part], chapters: Sequence[Chapters], folder: Path) -> None:
    """Write the figures; several parts get a folder each."""
    names = _plain_names([part.result.name for part in parts])
    for name, part, each in zip(names, parts, chapters, strict=True):
        home = folder / name if len(parts) > 1 else folder
        sweep(home)
        for chart in each.charts:
            chart.write(home)
        if each.is_scored:
            write_tables(part.result, home)
        for number, analysis in enumerate(part.analyses):
            write_figures(analysis, home / f"layers-{number}" if number else home)


def _plain_names(names: Sequence[str]) -> list[str]:
    """Return unique and safe folder names: a stranger's comparison may be called ../../x."""
    plain = (UNSAFE.sub("-", name).strip(".-") for name in names)
    return distinct(name or f"part-{number}" for number, name in enumerate(plain))
