"""Functions that all verbs share: show a result, count progress, fail with one message."""

import json
import os
import shutil
import sys
from importlib.util import find_spec
from pathlib import Path
from tempfile import gettempdir
from typing import TYPE_CHECKING, Any

from rich.console import Console, RenderableType
from rich.measure import Measurement

from mothertongue.cli.options import STANDARD_OUTPUT

if TYPE_CHECKING:
    from mothertongue.decoding.transcript import DecodeConfig
    from mothertongue.experiment.records import RunRecord


def show(result: Any, table: RenderableType, json_file: Path | None) -> None:
    """Write the table to standard output, unless the JSON of the result goes there.

    A table that is text keeps its lines as they are.
    """
    from mothertongue.system.console import plain
    from mothertongue.system.files import write_json
    from mothertongue.system.json_files import to_json

    if json_file is None or str(json_file) not in STANDARD_OUTPUT:
        if isinstance(table, str):
            print(plain(table))
        else:
            console = Console(markup=False, emoji=False)
            if not console.is_terminal:  # where nobody's screen ends, no cell is cut or wrapped
                console.width = _width_of(table, console)
            console.print(table)
        if json_file is not None:
            write_json(json_file, result)
    else:
        print(json.dumps(to_json(result), ensure_ascii=False, indent=2, allow_nan=False))
    sys.stdout.flush()  # where nobody reads it, or the disk is full, now is when it can be said


def _width_of(table: RenderableType, console: Console) -> int:
    """Return the columns that the longest line takes if nothing is wrapped."""
    endless = console.options.update(max_width=10**6)
    return Measurement.get(console, endless, table).maximum


def counting(description: str, total: int | None = None) -> Any:
    from mothertongue.system.console import counting as bar

    return bar(description, total)


def decoding(
    beam_size: int,
    batch_size: int,
    lm: Path | None,
    lm_weight: float | None,
    hotwords: Path | None = None,
    hotwords_weight: float | None = None,
    graphs: str = "off",
) -> "DecodeConfig":
    """Return the decoding settings in the options.

    Raises ConfigError if they do not fit, DataError if the file of hot words has no words or the
    folder of the language model no model.
    """
    from mothertongue.config import parse
    from mothertongue.decoding.hotwords import read_words
    from mothertongue.decoding.lm.folder import read_record
    from mothertongue.decoding.transcript import DecodeConfig

    # What is wrong is said before a model is opened.
    if hotwords is not None:
        read_words(hotwords)
    if lm is not None:
        read_record(lm)

    options: dict[str, Any] = {"beam_size": beam_size, "batch_size": batch_size}
    options |= {"lm": lm, "lm_weight": lm_weight}
    options |= {"hotwords": hotwords, "hotwords_weight": hotwords_weight, "graphs": graphs}
    return parse(DecodeConfig, options, "options of decoding")


EXTRAS = {"accelerate": "train", "jiwer": "train", "vl_convert": "report", "jinja2": "report"}
"""The extra that brings each package which not every verb needs."""


def missing_extra(error: ModuleNotFoundError) -> str | None:
    """Return a message if a package of an extra is not installed; None for any other module."""
    extra = EXTRAS.get((error.name or "").partition(".")[0])
    if extra is None:
        return None
    return f"this verb needs {error.name}: pip install 'mothertongue[{extra}]'"


def lacks_page(run: Path) -> bool:
    """Return whether a finished run has no whole page of its record and its scores.

    It is False where pages cannot be written.
    """
    if not _draws_pages():
        return False
    from mothertongue.experiment.run_dir import RunDir
    from mothertongue.report.write import PAGE, lock_of

    page = run / PAGE
    if not page.is_file() or lock_of(page).exists():
        return True
    shown = [RunDir(run).record, *(run / "eval").glob("*.json")]
    return page.stat().st_mtime_ns < max(each.stat().st_mtime_ns for each in shown)


def _draws_pages() -> bool:
    """Return whether the extra `report` is installed."""
    return find_spec("vl_convert") is not None and find_spec("jinja2") is not None


def write_page(folder: Path) -> None:
    """Write the page of a run or a comparison into its folder; print its address to stderr."""
    from mothertongue.report.tables.verb_tables import report_line
    from mothertongue.system.console import note

    if not _draws_pages():
        note(f"no page of {folder}: pip install 'mothertongue[report]', then mothertongue report")
        return
    from mothertongue.report.write import write_report

    with counting("reading audio") as advance:
        result = write_report([folder], advance=advance)
    note(report_line(result))


def write_chart(record: "RunRecord", folder: Path) -> None:
    """Write the curve of `average --with-base sweep` into the run's folder, SVG and PDF."""
    from mothertongue.system.console import note

    if find_spec("vl_convert") is None:
        note("no chart of the sweep: pip install 'mothertongue[report]'")
        return
    from mothertongue.report.charts.interpolation import interpolation_chart

    chart = interpolation_chart(record)
    chart.write(folder)
    note(f"{folder / chart.name}.svg")


NO_FOLDER = (FileExistsError, NotADirectoryError)
"""The errors where a folder is to be made, and a file is there or above it."""


def explained(error: Exception) -> str | None:
    """Return a message for an error of disk or encoding; None for an error of the program."""
    from sqlite3 import Error as LedgerError

    if isinstance(error, NO_FOLDER):
        return f"{error.filename}: there is a file; expected a folder, or a new name; give another"
    if isinstance(error, PermissionError):
        return f"{error.filename}: {error.strerror}; change its permissions, or give another path"
    if isinstance(error, OSError):
        return f"{error.filename or 'input/output'}: {error.strerror or error}"
    if isinstance(error, UnicodeEncodeError):
        about = f"...{error.object[max(0, error.start - 40) : error.end + 40]}"
        return (
            f"{about!r} cannot be written in {error.encoding}; rename the file if that is its name,"
            " else set PYTHONUTF8=1"
        )
    if isinstance(error, LedgerError):
        folder = gettempdir()
        return (
            f"{folder}: what prepare keeps there for a while cannot be written ({error}); "
            f"{shutil.disk_usage(folder).free:,} bytes are free; make room there, or set TMPDIR to "
            "a folder on another disk"
        )
    return None


def fail(message: str, code: int) -> int:
    """Write one message to standard error, safe for a terminal; return the exit code."""
    from mothertongue.system.console import plain

    try:
        sys.stdout.flush()
    except OSError:  # Python would try again at its end, and write a traceback
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    print(plain(f"error: {message}"), file=sys.stderr)
    return code
