"""Whether faster-whisper and whisper.cpp still find segments with a model, before and after tuning.

python benchmarks/timestamps.py DATA OUT --models NAME=MODEL [NAME=MODEL ...] [--split test]
    [--clips N] [--minutes 2] [--engines ctranslate2 ggml]

MODEL is a base or a run. The clips of the split, or its first N, are joined to recordings of about
so many minutes, with half a second of silence between them, as `evaluate --long-form` joins them.
Every model is written in the formats of both programs, and each program transcribes the recordings
with timestamps: greedily and without another temperature, so that figures can be repeated; all
other settings are its own. Held against what was joined:

  segments      how many there are, for so many clips
  lumps         the share of segments of 29 s or more: a whole window without an inner time
  covered       the share of the speech that lies in segments
  starts, ends  the share of clips whose speech begins or ends within half a second of a segment
  start_s       the median distance of these beginnings from the nearest one of a segment; end_s too

Intervals (95 %) draw clips. The result is printed, and written to OUT/timestamps.json with every
segment.
"""

import argparse
import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import torch

from mothertongue.data.clips import Samples, load_clip, read_split
from mothertongue.data.manifest import ROOT, Utterance
from mothertongue.evaluation.metrics import bootstrap_interval
from mothertongue.experiment.load import load_run
from mothertongue.experiment.run_dir import is_run
from mothertongue.export.base import exporter
from mothertongue.export.formats.ggml import FILE
from mothertongue.inference.long_form import joined, recordings_of
from mothertongue.model.load import load_base
from mothertongue.model.tokenizer import Tokens
from mothertongue.system.console import counting
from mothertongue.system.environment import environment
from mothertongue.system.files import write_json

Json = dict[str, Any]
Span = tuple[float, float]
"""Start and end in seconds."""
LUMP_S, NEAR_S = 29.0, 0.5


@dataclass(frozen=True)
class Joined:
    """A recording of clips."""

    samples_N: Samples
    language: str
    speech_s: list[Span]


@dataclass(frozen=True)
class Plain:
    """The part of an `Exported` that writers of whole models need."""

    model: Any
    tokens: Tokens

    def plain(self) -> Any:
        return self.model


def main() -> None:
    options = parse_arguments()
    clips = read_split([options.data], options.split, None)[: options.clips]
    recordings = join_all(clips, options.minutes)
    rows = []
    for name, model in options.models:
        opened = opened_model(model)
        for format_ in options.engines:
            found = transcribed(opened, format_, recordings, options.out)
            rows.append({"model": name, "engine": format_, **judged(recordings, found)})
            print(json.dumps({key: each for key, each in rows[-1].items() if key != "found"}))
    facts = {"data": str(options.data), "split": options.split, "minutes": options.minutes}
    facts |= {"recordings": len(recordings), "models": dict(options.models)}
    write_json(
        options.out / "timestamps.json", facts | {"rows": rows, "environment": environment()}
    )


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--models", type=named, nargs="+", required=True)
    parser.add_argument("--split", default="test")
    parser.add_argument("--clips", type=int)
    parser.add_argument("--minutes", type=float, default=2.0)
    parser.add_argument("--engines", nargs="*", default=list(ENGINES), choices=list(ENGINES))
    return parser.parse_args()


def named(text: str) -> tuple[str, str]:
    name, given, model = text.partition("=")
    return (name, model) if given else (text, text)


def join_all(clips: Sequence[Utterance], minutes: float) -> list[Joined]:
    """Return recordings of about so many minutes."""
    found = []
    for places in recordings_of(clips, minutes):
        parts = [clips[i] for i in places]
        samples_N, speech_s = joined([load_clip(ROOT, each) for each in parts])
        found.append(Joined(samples_N, parts[0].language, speech_s))
    return found


def opened_model(model: str) -> Plain:
    """Return a base, or the merged model of a run."""
    if not is_run(Path(model)):
        base = load_base(model)
        return Plain(base.model, base.tokens)
    tuned = load_run(Path(model))
    return Plain(tuned.experiment.strategy.merge(tuned.base.model), tuned.base.tokens)


def transcribed(
    model: Plain, format_: str, recordings: Sequence[Joined], out: Path
) -> list[list[Span]]:
    """Return the segments that an engine finds in each recording."""
    folder, writer = out / format_, exporter(format_)
    shutil.rmtree(folder, ignore_errors=True)
    folder.parent.mkdir(parents=True, exist_ok=True)
    if format_ == "ggml":
        folder.mkdir()
    writer.write(model, folder, writer.types[0])  # type: ignore[arg-type]
    segments = ENGINES[format_](folder)
    with counting(f"transcribing with {writer.engine}", len(recordings)) as advance:
        found = []
        for each in recordings:
            code = model.tokens.borrowed.get(each.language, each.language)
            found.append(segments(each.samples_N, code))
            advance(1)
    shutil.rmtree(folder)
    return found


def faster_whisper(folder: Path) -> Callable[[Samples, str], list[Span]]:
    from faster_whisper import WhisperModel

    model = WhisperModel(str(folder))

    def segments(samples_N: Samples, language: str) -> list[Span]:
        found, _ = model.transcribe(samples_N, language=language, beam_size=1, temperature=0.0)
        return [(each.start, each.end) for each in found]

    return segments


def whisper_cpp(folder: Path) -> Callable[[Samples, str], list[Span]]:
    from pywhispercpp.model import Model

    quiet = {"redirect_whispercpp_logs_to": None, "print_progress": False}
    # Its own default of four threads waits for itself where there are fewer cores.
    model = Model(str(folder / FILE), n_threads=torch.get_num_threads(), **quiet)

    def segments(samples_N: Samples, language: str) -> list[Span]:
        found = model.transcribe(samples_N, language=language, temperature=0.0, temperature_inc=0.0)
        return [(each.t0 / 100, each.t1 / 100) for each in found]

    return segments


ENGINES = {"ctranslate2": faster_whisper, "ggml": whisper_cpp}


def judged(recordings: Sequence[Joined], found: Sequence[Sequence[Span]]) -> Json:
    """Return the measures of the module over all recordings."""
    pairs = list(zip(recordings, found, strict=True))
    segments = [span for spans in found for span in spans]
    speech_s = sum(end - start for each in recordings for start, end in each.speech_s)
    covered_s = sum(shared_s(span, spans) for each, spans in pairs for span in each.speech_s)
    edges: Json = {}
    for name, edge in (("start", 0), ("end", 1)):
        distances_s = [
            min((abs(span[edge] - said[edge]) for span in spans), default=float("inf"))
            for each, spans in pairs
            for said in each.speech_s
        ]
        near = [int(each <= NEAR_S) for each in distances_s]
        known_s = [each for each in distances_s if each != float("inf")]
        edges[f"{name}s"] = round(sum(near) / len(near), 4)
        edges[f"{name}s_interval95"] = [
            round(each, 4) for each in bootstrap_interval(near, [1] * len(near))
        ]
        edges[f"{name}_s"] = round(median(known_s), 3) if known_s else None
    lumps = sum(end - start >= LUMP_S for start, end in segments)
    return {
        "clips": sum(len(each.speech_s) for each in recordings),
        "segments": len(segments),
        "lumps": round(lumps / len(segments), 4) if segments else None,
        "covered": round(covered_s / speech_s, 4),
        **edges,
        "found": [[[round(start, 2), round(end, 2)] for start, end in spans] for spans in found],
    }


def shared_s(said: Span, spans: Sequence[Span]) -> float:
    """Return the seconds of a span that lie in any of others."""
    covered_s, reached_s = 0.0, said[0]
    for start_s, end_s in sorted(spans):
        begin_s, stop_s = max(start_s, reached_s), min(end_s, said[1])
        covered_s += max(0.0, stop_s - begin_s)
        reached_s = max(reached_s, stop_s)
    return covered_s


if __name__ == "__main__":
    main()
