"""How many planted faults `mothertongue doctor` finds, and how often it is wrong on clean clips.

python benchmarks/doctor.py DATA OUT [--clean DATA ...] [--other DATA ...] [--share 0.05]
    [--seeds 0 1 2] [--splits train test] [--skip 0] [--clips 200]

DATA is what `prepare` wrote. For each seed, faults are planted into --clips clips of the splits,
after the first --skip ones: swapped transcripts, a run of rows moved by one, halved and doubled
transcripts, and clips of --other data under this language. Each kind is planted alone, so that what
is found beside it counts as a false alarm, as does everything on the clips as they are and on those
of --clean. A fault counts as found under any code of its kind. Each clip is recognized once, and
kept in OUT/recognized.jsonl.
"""

import argparse
import json
import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from mothertongue.data.manifest import Utterance, read_data
from mothertongue.decoding.transcript import DecodeConfig
from mothertongue.diagnosis.examine import findings_on
from mothertongue.diagnosis.listen import RECOGNIZED, Listener, Recognized, listen
from mothertongue.inference.open_model import open_model
from mothertongue.system.console import counting
from mothertongue.system.environment import environment
from mothertongue.system.json_files import to_json

Json = dict[str, Any]
Planted = tuple[list[Utterance], set[str]]
PAIRING = {"MISPAIRED", "SHIFTED", "UNMATCHED"}
FOUND_AS = {
    "swapped": PAIRING,
    "moved": PAIRING,
    "halved": {"TOO-LITTLE-TEXT"},
    "doubled": {"TOO-MUCH-TEXT"},
    "other language": {"OTHER-LANGUAGE", "WRONG-SCRIPT"},
}
BATCH = 8


def main() -> None:
    options = parse_arguments()
    clips = taken(options.data, options)
    known = recognized(clips, options)
    result: Json = {"data": str(options.data), "clips": len(clips), "share": options.share}
    result |= {
        "seeds": options.seeds,
        "model": options.model,
        "environment": to_json(environment()),
    }
    result["as it is"] = alarms(clips, known)
    for name, plant in PLANTS.items():
        result[name] = planted(name, plant, clips, known, options)
    if options.other:
        result["other language"] = planted(
            "other language", foreign(options), clips, known, options
        )
    for path in options.clean:
        clean = taken(path, options)
        result[f"clean: {path.name}"] = alarms(clean, recognized(clean, options))
    print(json.dumps(result, indent=2, ensure_ascii=False))


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--clean", type=Path, nargs="*", default=[])
    parser.add_argument("--other", type=Path, nargs="*", default=[])
    parser.add_argument("--splits", nargs="*", default=["train", "test"])
    parser.add_argument("--skip", type=int, default=0)
    parser.add_argument("--clips", type=int, default=200)
    parser.add_argument("--share", type=float, default=0.05)
    parser.add_argument("--seeds", type=int, nargs="*", default=[0, 1, 2])
    parser.add_argument("--model", default="openai/whisper-base")
    return parser.parse_args()


def taken(data: Path, options: argparse.Namespace) -> list[Utterance]:
    """Return so many clips of the splits that were asked for, after those that are skipped."""
    found = [each for each in read_data([data]) if each.split in options.splits]
    return found[options.skip : options.skip + options.clips]


def recognized(clips: Sequence[Utterance], options: argparse.Namespace) -> Recognized:
    """Return what the model recognizes, under the keys that the verb's default options give."""
    config = DecodeConfig(batch_size=BATCH, detect_language=True)
    settings = ("auto", "auto", "default")
    listener = Listener(options.model, lambda: open_model(options.model), config, settings)
    with counting("listening", len(clips)) as advance:
        return listen(listener, clips, options.out / RECOGNIZED, advance)


def alarms(clips: Sequence[Utterance], known: Recognized) -> Json:
    """Return the share of clips with a finding, and the number of findings of each code."""
    found = findings_on(clips, known)
    share = found.clips_with_findings / found.clips
    facts = {"clips": len(clips), "false_alarms": round(share, 4), "counts": found.counts}
    return facts | {"languages": to_json(found.languages)}


def planted(
    name: str,
    plant: Callable[[list[Utterance], int, random.Random], Planted],
    clips: Sequence[Utterance],
    known: Recognized,
    options: argparse.Namespace,
) -> Json:
    """Return the share of planted faults found and of other clips accused, over all seeds."""
    totals = {"planted": 0, "found": 0, "others": 0, "accused": 0}
    count = max(2, round(options.share * len(clips)))
    for seed in options.seeds:
        changed, bad = plant(list(clips), count, random.Random(seed))
        heard = known | recognized([clip for clip in changed if clip.id not in known], options)
        findings = findings_on(changed, heard).findings
        found = {each.id for each in findings if each.code in FOUND_AS[name]}
        accused = {each.id for each in findings} - bad
        totals["planted"] += len(bad)
        totals["found"] += len(found & bad)
        totals["others"] += len(changed) - len(bad)
        totals["accused"] += len(accused)
    rates = {
        "found_share": round(totals["found"] / totals["planted"], 4),
        "false_alarms": round(totals["accused"] / totals["others"], 4),
    }
    return totals | rates


def swapped(clips: list[Utterance], count: int, draw: random.Random) -> Planted:
    """Give each of two clips the other's transcript."""
    chosen = draw.sample(range(len(clips)), count // 2 * 2)
    for a, b in zip(chosen[::2], chosen[1::2], strict=True):
        first, second = clips[a].text, clips[b].text
        clips[a], clips[b] = replace(clips[a], text=second), replace(clips[b], text=first)
    return clips, {clips[i].id for i in chosen}


def moved(clips: list[Utterance], count: int, draw: random.Random) -> Planted:
    """Give each row of a run the transcript of the row before, and the first that of the last."""
    start = draw.randrange(len(clips) - count)
    run = clips[start : start + count]
    texts = [run[-1].text, *(each.text for each in run[:-1])]
    clips[start : start + count] = [
        replace(each, text=text) for each, text in zip(run, texts, strict=True)
    ]
    return clips, {each.id for each in run}


def halved(clips: list[Utterance], count: int, draw: random.Random) -> Planted:
    """Remove the second half of the words."""
    chosen = draw.sample(range(len(clips)), count)
    for i in chosen:
        words = clips[i].text.split()
        clips[i] = replace(clips[i], text=" ".join(words[: (len(words) + 1) // 2]))
    return clips, {clips[i].id for i in chosen}


def doubled(clips: list[Utterance], count: int, draw: random.Random) -> Planted:
    """Append the transcript of another clip."""
    chosen = draw.sample(range(len(clips)), count)
    texts = [each.text for each in clips]
    for i in chosen:
        other = draw.choice([text for text in texts if text != texts[i]])
        clips[i] = replace(clips[i], text=f"{texts[i]} {other}")
    return clips, {clips[i].id for i in chosen}


def foreign(
    options: argparse.Namespace,
) -> Callable[[list[Utterance], int, random.Random], Planted]:
    """Replace clips by clips of other corpora, sound and transcript, under this language."""
    others = [each for path in options.other for each in read_data([path])]

    def plant(clips: list[Utterance], count: int, draw: random.Random) -> Planted:
        chosen = draw.sample(range(len(clips)), min(count, len(others)))
        for i, other in zip(chosen, draw.sample(others, len(chosen)), strict=True):
            name = f"{other.language}/{other.id}"
            place = {"split": clips[i].split, "language": clips[i].language}
            clips[i] = replace(other, id=name, **place)  # type: ignore[arg-type]
        return clips, {clips[i].id for i in chosen}

    return plant


PLANTS = {"swapped": swapped, "moved": moved, "halved": halved, "doubled": doubled}


if __name__ == "__main__":
    main()
