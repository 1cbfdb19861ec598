"""How many clips a minute `prepare` checks, and how much memory it takes for how many rows.

python benchmarks/pace.py OUT [--clips 10000] [--seconds 5] [--rows 100000 1000000] [--workers 2]

  clips   WAV files of noise on disk, each decoded and checked, with its own sentence
  rows    for each number: parts of one recording whose durations are trusted, with their own
          sentences and 1,000 speakers; checked, compared with each other, split and written

Each has its pace, its seconds of processor, which other work on the machine hardly changes, and the
most memory that `prepare` and its processes took together.

The result is printed, and written to OUT/pace.json.
"""

import argparse
import json
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import soundfile as sf

from mothertongue.data.audio.load import SAMPLE_RATE_HZ
from mothertongue.system.environment import environment
from mothertongue.system.files import write_json

Json = dict[str, Any]
HEADER = "audio,text,start,duration,speaker\n"
POLL_S = 0.5
PREPARE = """
import sys
from pathlib import Path
from mothertongue.data.prepare import PrepareOptions, prepare
from mothertongue.data.sources.detect import detect

source, out, workers, trust = sys.argv[1:]
options = PrepareOptions(language="sw", workers=int(workers), trust_durations=trust == "trust")
prepare(detect(Path(source)), Path(out), options, lambda text, language: len(text)).require_ok()
"""


def main() -> None:
    options = parse_arguments()
    result: Json = {"workers": options.workers, "clip_s": options.seconds}
    table = write_clips(options.out / "clips", options.clips, options.seconds)
    result["clips"] = measured(table, options.clips, options.workers, "decode")
    result["rows"] = [
        measured(write_parts(options.out / "parts", count), count, options.workers, "trust")
        for count in options.rows
    ]
    result["environment"] = environment()
    write_json(options.out / "pace.json", result)
    print(json.dumps(result, indent=2))


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--clips", type=int, default=10_000)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--rows", type=int, nargs="*", default=[100_000, 1_000_000])
    parser.add_argument("--workers", type=int, default=2)
    return parser.parse_args()


def write_clips(folder: Path, count: int, seconds: float) -> Path:
    """Write WAV files of noise, each another one, and their table; return its path."""
    folder.mkdir(parents=True, exist_ok=True)
    noise_N = 0.1 * np.random.default_rng(0).standard_normal(round(seconds * SAMPLE_RATE_HZ))

    def lines() -> Iterator[str]:
        for number in range(count):
            sf.write(folder / f"{number}.wav", np.roll(noise_N, number), SAMPLE_RATE_HZ)
            yield f"{number}.wav,{sentence(number)},,,{number % 1000}\n"

    return write_table(folder / "table.csv", lines())


def write_parts(folder: Path, count: int) -> Path:
    """Write a recording of noise and a table of parts of it; return the table's path."""
    folder.mkdir(parents=True, exist_ok=True)
    noise_N = 0.1 * np.random.default_rng(0).standard_normal(60 * SAMPLE_RATE_HZ)
    sf.write(folder / "long.wav", noise_N, SAMPLE_RATE_HZ)
    lines = (
        f"long.wav,{sentence(number)},{number / 1000},2.5,{number % 1000}\n"
        for number in range(count)
    )
    return write_table(folder / "table.csv", lines)


def write_table(path: Path, lines: Iterator[str]) -> Path:
    with path.open("w", encoding="utf-8") as file:
        file.write(HEADER)
        file.writelines(lines)
    return path


def sentence(number: int) -> str:
    """Return a sentence that no other number has."""
    return f"neno la {number} ni hili hapa"


def measured(table: Path, count: int, workers: int, trust: str) -> Json:
    """Prepare a table in a process of its own; return its pace and its memory."""
    out, began_s, cpu_before_s = table.parent / "out", time.monotonic(), cpu_s()
    command = [sys.executable, "-c", PREPARE, str(table), str(out), str(workers), trust]
    process, peak = psutil.Popen(command), 0
    while process.poll() is None:
        peak = max(peak, memory_of(process))
        time.sleep(POLL_S)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    wall_s = time.monotonic() - began_s
    return {
        "rows": count,
        "wall_s": round(wall_s, 1),
        "cpu_s": round(cpu_s() - cpu_before_s, 1),
        "rows_per_minute": round(60 * count / wall_s),
        "peak_mb": round(peak / 1e6),
    }


def cpu_s() -> float:
    """Return the seconds of processor that ended processes below this one took."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def memory_of(process: psutil.Process) -> int:
    """Return the bytes of memory of a process and those below it; shared pages count in each."""
    total = 0
    for each in [process, *process.children(recursive=True)]:
        try:
            total += each.memory_info().rss
        except psutil.NoSuchProcess:
            continue
    return total


if __name__ == "__main__":
    main()
