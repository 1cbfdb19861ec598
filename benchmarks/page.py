"""Write docs/benchmarks.md from docs/benchmarks.json: no figure in it is typed by hand."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from mothertongue.system.files import open_atomically, write_json

Json = dict[str, Any]
GB = 1e9

HEAD = """# Benchmarks

Here you can compare the speed and memory of mothertongue with those of other libraries (the peers).
`make bench` writes this page. Both sides get the same base, clips, batches, precision and steps.
Every candidate runs in a separate process, in rounds. The figures are medians over the rounds. If
there are several rounds, the range is in brackets. Ratios are similar on other machines;
seconds are not.

- Each peer gets the settings that make it fastest: SDPA, fused AdamW, features computed beforehand,
  no gradient checkpointing, no evaluation, no checkpoints. `generate` decodes in batches that are
  sorted by length. faster-whisper uses its batched pipeline.
- Our side is the whole training loop without checkpoints and validations. Its time includes reading
  the audio and computing the features.
- The ceiling is the speed of plain matrix products of these shapes in the same run. The share of
  the ceiling counts the floating-point operations that a side really does. A peer that pads to 30 s
  gets credit for the padding.
"""


def update(out: Path, section: str, found: Json) -> None:
    """Replace a section of the file."""
    before = json.loads(out.read_text("utf-8")) if out.is_file() else {}
    write_json(out, before | {section: found})


def write(out: Path) -> None:
    """Write the page beside the file."""
    found = json.loads(out.read_text("utf-8"))
    parts = [HEAD]
    for section, render in RENDERERS.items():
        for precision in ("fp32", "bf16"):
            if measured := found.get(f"{section} {precision}"):
                parts.append("\n".join(render(measured)))
    with open_atomically(out.with_suffix(".md")) as file:
        file.write("\n\n".join(each.strip() for each in parts) + "\n")


def _train(found: Json) -> Iterator[str]:
    yield f"## Training, {found['precision']}\n"
    yield f"{_where(found)}; {found['clips']} clips of mean {found['mean_s']} s, batch"
    yield f"{found['batch_size']}; ceiling {found['ceiling_gflops_per_s']:,.0f} GFLOP/s;"
    yield f"rounds: {found['rounds']}.\n"
    yield from _table(
        TRAIN_COLUMNS,
        [
            _train_row(name, who, each, rows.get("peer"))
            for name, rows in found["strategies"].items()
            for who, each in rows.items()
        ],
    )


TRAIN_COLUMNS = [
    *("strategy", "who", "clips/s", "times the peer", "GFLOP a clip", "of the ceiling"),
    *("peak memory", "of the peer's"),
]
PEERS = {"full": "Seq2SeqTrainer", "freeze 4 of 6": "Seq2SeqTrainer", "lora": "the same + PEFT"}


def _train_row(name: str, who: str, each: Json, peer: Json | None) -> list[str]:
    is_peer = who == "peer"
    ratio = each["clips_per_s"] / peer["clips_per_s"] if peer else None
    memory = each["peak_memory_bytes"]
    return [
        name,
        PEERS.get(name, "AdapterHub") if is_peer else who,
        _ranged(each),
        "1" if is_peer else _times(ratio),
        f"{each['gflop_per_clip']:.0f}",
        f"{each['share_of_ceiling']:.0%}",
        f"{memory / GB:.2f} GB",
        "" if is_peer or peer is None else f"{memory / peer['peak_memory_bytes']:.2f}",
    ]


def _decode(found: Json) -> Iterator[str]:
    weights = "a tuned model" if found["is_tuned"] else "the untuned base"
    engines = found["engines"]
    generate = engines.get("transformers generate, 30 s")
    faster = engines.get("faster-whisper, 30 s")
    yield f"## Decoding, {found['precision']}\n"
    yield f"{_where(found)}; greedy, {found['clips']} test clips, {weights};"
    yield f"rounds: {found['rounds']}.\n"
    yield from _table(
        ["engine", "clips/s", "times generate", "times faster-whisper", "WER", "peak memory"],
        [
            [
                name,
                _ranged(each),
                _times(generate and each["clips_per_s"] / generate["clips_per_s"]),
                _times(faster and each["clips_per_s"] / faster["clips_per_s"]),
                f"{each['wer']:.2%}",
                f"{each['peak_memory_bytes'] / GB:.2f} GB",
            ]
            for name, each in engines.items()
        ],
    )


def _scaling(found: Json) -> Iterator[str]:
    yield f"## How cost grows, {found['precision']}\n"
    yield f"{_where(found)}; `full`, batch {found['batch_size']}, seconds for a step. The peer is"
    yield "Seq2SeqTrainer.\n"
    yield from _table(
        ["clip length", "ours", "peer", "times the peer"],
        [[f"{key} s", *_pair(each)] for key, each in found["clip_length_s"].items()],
    )
    models = {key: each for key, each in found["model"].items() if key != "clip_s"}
    yield f"\nClips of {found['model']['clip_s']} s, random weights:\n"
    yield from _table(
        ["shape", "ours", "peer", "times the peer", "our memory", "the peer's"],
        [
            [
                name.rpartition("/")[2],
                *_pair(each),
                f"{each['ours_bytes'] / GB:.2f} GB",
                f"{each['peer_bytes'] / GB:.2f} GB",
            ]
            for name, each in models.items()
        ],
    )
    counts = {key: each for key, each in found["clips"].items() if key != "clip_s"}
    yield "\nThe number of clips does not change a step. The time before the first step is here:\n"
    yield from _table(
        ["training clips", "before the first step", "a step", "memory"],
        [
            [
                f"{int(key):,}",
                f"{each['start_s']:.1f} s",
                f"{each['step_s']:.2f} s",
                f"{each['bytes'] / GB:.2f} GB",
            ]
            for key, each in counts.items()
        ],
    )


def _wer(found: Json) -> Iterator[str]:
    peer = found["peer"]
    target = peer["validations"][-1]["wer"]
    yield f"## Time to the peer's WER, {found['precision']}\n"
    clips = f"{found['clips']} training and {found['validation_clips']} validation clips"
    yield f"{_where(found)}; `full`, {clips}, rate {found['learning_rate']:g}, one seed. The peer"
    yield f"has {peer['epochs']} epochs, ours twice as many, because the page compares the time."
    yield "One decoder scores both at 30 s; its time is not counted.\n"
    rows = [_curve_row("Seq2SeqTrainer", peer, peer["train_s"], peer["train_s"])]
    rows += [
        _curve_row(f"ours, {each['way']}", each, each["reached_s"], peer["train_s"])
        for each in found["ours"]
    ]
    yield from _table(
        ["who", "training time", "WER at the validations", f"time to {target:.1%}", "times less"],
        rows,
    )


def _curve_row(who: str, each: Json, reached_s: float | None, peer_s: float) -> list[str]:
    wers = ", ".join(f"{point['wer']:.1%}" for point in each["validations"])
    reached = "not reached" if reached_s is None else f"{reached_s:.0f} s"
    times = "" if reached_s is None else f"{peer_s / reached_s:.1f}"
    return [who, f"{each['train_s']:.0f} s", wers, reached, times]


def _usual(found: Json) -> Iterator[str]:
    steps, memory = found["steps"], found["peak_memory_bytes"] / GB
    yield f"## A default run, {found['precision']}\n"
    yield f"{_where(found)}; `full`, batch 8, 15 % of the steps at 30 s: at most"
    yield f"**{memory:.2f} GB** in {steps} steps, {found['step_s']:.2f} s a step (median).\n"
    yield "The table has seconds for a step beside other programs, of which each keeps a core"
    yield "busy. No step runs at 30 s. The rows differ in what torch's threads do while they wait"
    yield f"for each other; rounds: {found['rounds']}:\n"
    counts = list(next(iter(found["beside"].values())))
    yield from _table(
        ["threads", *(f"{count} busy" for count in counts)],
        [
            [name, *(_step_s(by_busy[count]) for count in counts)]
            for name, by_busy in found["beside"].items()
        ],
    )


def _step_s(each: Json) -> str:
    low, high = each["range"]
    return f"{each['step_s']:.2f} ({low:.2f}-{high:.2f})"


def _sandbox(found: Json) -> Iterator[str]:
    yield f"## The sandbox, {found['precision']}\n"
    yield f"{_where(found)}; {found['clips']:,} clips of {found['clip_s']:g} s of noise. The time"
    yield "includes the start and end of the workers, but no work of the model. Processor time is"
    yield f"in ms a clip; rounds: {found['rounds']}.\n"
    yield from _table(
        ["verb", "in process, clips/s", "sandbox, clips/s", "of the time", "processor time"],
        [[name, *_sandbox_row(each)] for name, each in found["verbs"].items()],
    )


def _sandbox_row(row: Json) -> list[str]:
    theirs, ours = row["in process"], row["sandbox"]
    used = [each["processor_ms_per_clip"] for each in (theirs, ours)]
    times = theirs["clips_per_s"] / ours["clips_per_s"]
    return [_ranged(theirs), _ranged(ours), f"{times:.2f}", f"{used[0]:.1f} and {used[1]:.1f}"]


RENDERERS = {
    "train": _train,
    "decode": _decode,
    "scaling": _scaling,
    "wer": _wer,
    "usual": _usual,
    "sandbox": _sandbox,
}


def _where(found: Json) -> str:
    packages = found["environment"]["packages"]
    versions = ", ".join(f"{name} {packages[name]}" for name in ("torch", "transformers"))
    threads, processor = found["threads"], found["processor"]
    return f"{found['base']} on {found['data']}; {threads} threads of {processor}; {versions}"


def _pair(each: Json) -> list[str]:
    peer = each.get("peer_s")
    return [
        f"{each['ours_s']:.2f}",
        "" if peer is None else f"{peer:.2f}",
        _times(peer and peer / each["ours_s"]),
    ]


def _ranged(each: Json) -> str:
    low, high = each["clips_per_s_range"]
    return f"{each['clips_per_s']:.2f} ({low:.2f}-{high:.2f})"


def _times(ratio: float | None) -> str:
    return "" if not ratio else f"{ratio:.1f}"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    yield "| " + " | ".join(head) + " |"
    yield "| " + " | ".join("---" for _ in head) + " |"
    for row in rows:
        yield "| " + " | ".join(row) + " |"
