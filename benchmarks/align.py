"""How much of a long recording `prepare --align-with` recovers, and how right it is.

python benchmarks/align.py DATA OUT [--model openai/whisper-base] [--splits test] [--minutes 20]
    [--gap 0.3 1.5] [--recordings 1] [--least 0.5] [--length 30] [--seed 0]

DATA is what `prepare` wrote. Clips of the splits, in their order, are joined to recordings of so
many minutes, with gaps of random length between them; the text of each is only a text file. The
gaps are as loud as the quietest parts of the clips. `prepare` then cuts the recordings with the
model, and its clips are held against what was joined:

  speech_recovered   the share of the clips' sound, without silence at their ends, within kept clips
  words_recovered    the share of the words
  word_errors        words in the text of a kept clip that its time does not have, and the reverse,
                     by the kept words; a clip that is cut inside is judged only by its neighbours
  cuts               the ends of kept clips: between two joined clips or inside one; of those
                     between, `wrong`: the text is cut elsewhere
  boundary_error_s   the distance of an end from the end of the joined clip, with its silence
  outside_gap_s      the distance of an end from the silence between two joined clips, 0 within it

The result is printed, and written to OUT/align.json.
"""

import argparse
import json
import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import soundfile as sf

from mothertongue.data.audio.load import SAMPLE_RATE_HZ, Samples
from mothertongue.data.clips import load_clip
from mothertongue.data.data_report import DataReport
from mothertongue.data.manifest import Utterance, read_data, read_manifest
from mothertongue.data.prepare import ALIGN_CACHE, REVIEW_NAME, PrepareOptions, prepare
from mothertongue.data.sources.paired import PairedSource
from mothertongue.data.text_cleaning import clean_text
from mothertongue.inference.alignment.aligner import Aligner, open_aligner
from mothertongue.inference.alignment.pauses import FRAME_S, Loudness, sound_of
from mothertongue.inference.progress import align_progress
from mothertongue.model.locate import locate
from mothertongue.model.tokenizer import load_tokens
from mothertongue.system.environment import environment
from mothertongue.system.files import write_json
from mothertongue.system.json_files import to_json

Json = dict[str, Any]
JOINED, RESULT = "joined", "align.json"
QUIET_SHARE = 0.05
EDGE_S = 0.1
"""How far an end may lie inside the sound of a clip and still count as between clips."""


@dataclass(frozen=True)
class Joined:
    """A clip in a recording: its words [first, last), its file, and its sound, in seconds."""

    first: int
    last: int
    start_s: float
    end_s: float
    sound_start_s: float
    sound_end_s: float


@dataclass(frozen=True)
class Kept:
    """A clip that was cut out: words [first, last) of the text, and its time in seconds."""

    first: int
    last: int
    start_s: float
    end_s: float


def main() -> None:
    options = parse_arguments()
    clips = [each for each in read_data([options.data]) if each.split in options.splits]
    truth = join_all(clips, options)
    with align_progress() as watcher:
        count = load_tokens(locate("openai/whisper-base")).count_label
        settings = {"least": options.least, "max_s": options.length}
        limits = PrepareOptions()
        cache, callbacks = options.out / ALIGN_CACHE, (watcher.recording, watcher.pieces)
        aligner = open_aligner(options.model, settings, count, limits, cache, *callbacks)
        result = measured(truth, clips[0].language, options.out, aligner)
    result |= {"data": str(options.data), "splits": options.splits, "seed": options.seed}
    result |= {"gap_s": options.gap, "environment": to_json(environment())}
    write_json(options.out / RESULT, result)
    print(json.dumps(result, indent=2, ensure_ascii=False))


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--model", default="openai/whisper-base")
    parser.add_argument("--splits", nargs="*", default=["test"])
    parser.add_argument("--minutes", type=float, default=20.0)
    parser.add_argument("--recordings", type=int, default=1)
    parser.add_argument("--gap", type=float, nargs=2, default=[0.3, 1.5])
    parser.add_argument("--least", type=float, default=0.5)
    parser.add_argument("--length", type=float, default=30.0)
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


def join_all(clips: Sequence[Utterance], options: argparse.Namespace) -> dict[str, list[Joined]]:
    """Write the recordings and their texts; return the clips in each, by its name."""
    draw, left, found = random.Random(options.seed), list(clips), {}
    folder = options.out / JOINED
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(options.recordings):
        if left:
            name = f"recording{number}"
            found[name], used = join(left, folder / name, 60 * options.minutes, options.gap, draw)
            left = left[used:]
    return found


def join(
    clips: Sequence[Utterance], stem: Path, duration_s: float, gap_s: Sequence[float],
    draw: random.Random,
) -> tuple[list[Joined], int]:  # fmt: skip
    """Write stem.wav and stem.txt of the first clips; return them, and how many they are."""
    rng = np.random.default_rng(draw.randrange(2**32))
    parts: list[Samples] = []
    found: list[Joined] = []
    texts: list[str] = []
    length = 0
    for clip in clips:
        if length >= duration_s * SAMPLE_RATE_HZ:
            break
        samples_N = load_clip(Path(), clip)
        gap_N = quiet(samples_N, draw.uniform(*gap_s), rng)
        text = clean_text(clip.text)[0]
        first = found[-1].last if found else 0
        start_s = (length + len(gap_N)) / SAMPLE_RATE_HZ
        found.append(placed(samples_N, first, len(text.split()), start_s))
        parts += [gap_N, samples_N]
        texts.append(text)
        length += len(gap_N) + len(samples_N)
    parts.append(quiet(samples_N, draw.uniform(*gap_s), rng))
    sf.write(stem.with_suffix(".wav"), np.clip(np.concatenate(parts), -1, 1), SAMPLE_RATE_HZ)
    stem.with_suffix(".txt").write_text("\n".join(texts), encoding="utf-8")
    return found, len(found)


def quiet(samples_N: Samples, seconds: float, rng: np.random.Generator) -> Samples:
    """Return noise as loud as the quietest parts of a clip."""
    loudness = Loudness()
    loudness.add(samples_N)
    level = float(np.quantile(loudness.levels(), QUIET_SHARE))
    noise_N = rng.standard_normal(round(seconds * SAMPLE_RATE_HZ))
    return (10 ** (level / 20) * noise_N).astype(np.float32)


def placed(samples_N: Samples, first: int, num_words: int, start_s: float) -> Joined:
    """Return where a clip and its sound stand in the recording."""
    loudness = Loudness()
    loudness.add(samples_N)
    end_s = len(samples_N) / SAMPLE_RATE_HZ
    pauses = sound_of(loudness.levels()).pauses()
    begin_s = next((each.end_s for each in pauses if each.start_s <= 0), 0.0)
    last_s = next((each.start_s for each in pauses if each.end_s >= end_s - 2 * FRAME_S), end_s)
    times_s = (start_s, start_s + end_s, start_s + begin_s, start_s + last_s)
    return Joined(first, first + num_words, *times_s)


def measured(truth: dict[str, list[Joined]], language: str, out: Path, aligner: Aligner) -> Json:
    """Cut the recordings with `prepare`, and return how right its clips are."""
    options = PrepareOptions(
        language=language, workers=1, max_reject_fraction=1.0, text_leaks="warn"
    )
    source = PairedSource(path=out / JOINED)
    report = prepare(source, out, options, aligner.count_label_tokens, align=aligner)
    kept = {name: kept_of(out, name) for name in truth}
    return judged(truth, kept) | {"report": facts_of(report)}


def facts_of(report: DataReport) -> Json:
    facts = to_json(report)
    return {key: facts[key] for key in ("alignment", "aside", "rejected", "notes")}


def kept_of(out: Path, name: str) -> list[Kept]:
    """Return the kept clips of a recording, with the numbers of their words.

    Raises ValueError if kept clips and those for review are not together the whole text.
    """
    parts: list[tuple[float, float, str, bool]] = []
    for clip in read_manifest(out):
        if Path(clip.audio).stem == name:
            start_s = clip.start_s or 0.0
            parts.append((start_s, start_s + clip.duration_s, clip.text, True))
    for line in (out / REVIEW_NAME).read_text(encoding="utf-8").splitlines():
        record = json.loads(line)
        if Path(record["audio"]).stem == name and "text" in record:
            start_s = record["start_s"]
            parts.append((start_s, start_s + record["duration_s"], record["text"], False))
    found, words = [], list[str]()
    for start_s, end_s, text, is_kept in sorted(parts):
        if is_kept:
            found.append(Kept(len(words), len(words) + len(text.split()), start_s, end_s))
        words += text.split()
    given = clean_text((out / JOINED / f"{name}.txt").read_text(encoding="utf-8"))[0].split()
    if parts and words != given:
        raise ValueError(f"{name}: {len(words)} words after the cuts, {len(given)} before")
    return found


def judged(truth: dict[str, list[Joined]], kept: dict[str, list[Kept]]) -> Json:
    """Return the measures of the module over all recordings."""
    pairs = [(truth[name], kept[name]) for name in truth]
    clips = [clip for joined, _ in pairs for clip in joined]
    spans = [span for _, found in pairs for span in found]
    sound_s = sum(each.sound_end_s - each.sound_start_s for each in clips)
    kept_s = sum(
        shared_s(clip, span) for joined, found in pairs for clip in joined for span in found
    )
    kept_words = sum(each.last - each.first for each in spans)
    wrong_words = sum(wrong(joined, span) for joined, found in pairs for span in found)
    ends = [end for joined, found in pairs for span in found for end in ends_of(joined, span)]
    between = [each for each in ends if each["is_between"]]
    at_joins = [each for each in ends if each["boundary_error_s"] is not None]
    return {
        "recordings": len(pairs),
        "joined_clips": len(clips),
        "sound_s": round(sound_s, 2),
        "kept_clips": len(spans),
        "speech_recovered": ratio(kept_s, sound_s),
        "words_recovered": ratio(kept_words, sum(joined[-1].last for joined, _ in pairs)),
        "word_errors": ratio(wrong_words, kept_words),
        "wrong_words": wrong_words,
        "kept_words": kept_words,
        "cuts": {
            "between": len(between),
            "inside": len(ends) - len(between),
            "wrong": sum(each["boundary_error_s"] is None for each in between),
        },
        "boundary_error_s": quantiles([each["boundary_error_s"] for each in at_joins]),
        "outside_gap_s": quantiles([each["outside_gap_s"] for each in at_joins]),
    }


def shared_s(clip: Joined, span: Kept) -> float:
    """Return how many seconds of a clip's sound are within a span."""
    return max(0.0, min(clip.sound_end_s, span.end_s) - max(clip.sound_start_s, span.start_s))


def wrong(joined: Sequence[Joined], span: Kept) -> int:
    """Return how many words of a span are not said in its time, and how many said are not in it."""
    must, may = set[int](), set[int]()
    for clip in joined:
        inside_s, length_s = shared_s(clip, span), clip.sound_end_s - clip.sound_start_s
        if inside_s > EDGE_S:
            may |= set(range(clip.first, clip.last))
        if inside_s > length_s - EDGE_S:
            must |= set(range(clip.first, clip.last))
    has = set(range(span.first, span.last))
    return len(must - has) + len(has - may)


def ends_of(joined: Sequence[Joined], span: Kept) -> list[Json]:
    """Return for both ends whether they are between clips, and how far from the right time."""
    stops_s = [0.0, *(clip.sound_end_s for clip in joined)]
    begins_s = [*(clip.sound_start_s for clip in joined), math.inf]
    starts = {clip.first: (clip.start_s, stops_s[i], begins_s[i]) for i, clip in enumerate(joined)}
    stops = {
        clip.last: (clip.end_s, stops_s[i + 1], begins_s[i + 1]) for i, clip in enumerate(joined)
    }
    found = []
    for time_s, unit, edges in (
        (span.start_s, span.first, starts),
        (span.end_s, span.last, stops),
    ):
        is_inside = any(
            clip.sound_start_s + EDGE_S < time_s < clip.sound_end_s - EDGE_S for clip in joined
        )
        end: Json = {"is_between": not is_inside, "boundary_error_s": None, "outside_gap_s": None}
        if unit in edges:
            file_s, from_s, to_s = edges[unit]
            end["boundary_error_s"] = abs(time_s - file_s)
            end["outside_gap_s"] = max(0.0, from_s - time_s, time_s - to_s)
        found.append(end)
    return found


def ratio(part: float, whole: float) -> float | None:
    return round(part / whole, 4) if whole else None


def quantiles(values: Sequence[float]) -> Json:
    """Return the number of values, their median and their 90 % quantile."""
    if not values:
        return {"n": 0, "median": None, "p90": None}
    median, p90 = np.quantile(values, (0.5, 0.9)).tolist()
    return {"n": len(values), "median": round(median, 3), "p90": round(p90, 3)}


if __name__ == "__main__":
    main()
