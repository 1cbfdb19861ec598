"""Find runs of moved transcripts: clip i contains the text of row i + k. No torch.

If a row is missing in a table, or there is one too many, all following rows are moved. One such
pair may be chance; a run of them along one shift k is not. Each pair is a hit or a miss. The run
with the largest sum of log-likelihood ratios (Kadane's algorithm on each diagonal) is compared with
chance.
n rows, K shifts.
"""

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mothertongue.diagnosis.findings import ExaminedClip, Finding, score_of
from mothertongue.diagnosis.pairing import NONE, Fit

Booleans = np.ndarray[Any, np.dtype[np.bool_]]
MAX_SHIFT = 100
HIT = 0.6
"""The share of hits in a run that is really moved: a weak model misses some rows."""
HIT_P = 0.05
"""The largest p value of a hit; one text in N has it at one shift by chance."""
ALPHA = 1e-3
"""How often the best run of unrelated texts may count as a shift."""
NUMBER = re.compile(r"(\d+)")


@dataclass(frozen=True, slots=True)
class Run:
    """Rows first to last, both included, in which clip i contains the text of row i + by."""

    first: int
    last: int
    by: int
    score: float

    def __len__(self) -> int:
        return self.last - self.first + 1


def shift_findings(clips: Sequence[ExaminedClip], fit: Fit) -> Iterator[Finding]:
    """Yield SHIFTED findings of one language, in the manifest's order or by name.

    All splits are in one order: `prepare` deals the rows of one table out to them.
    """
    by_name = sorted(range(len(clips)), key=lambda i: _natural(clips[i]))
    orders = {"the manifest's order": [*range(len(clips))], "the order of audio names": by_name}
    found = {
        name: find_runs(_hits(order, fit), HIT_P / len(clips)) for name, order in orders.items()
    }
    name = max(found, key=lambda each: sum(map(len, found[each])))
    order = orders[name]
    for run in found[name]:
        findings = _of_run(run, [clips[i] for i in order], name)
        for row, finding in enumerate(findings, start=run.first):
            if not _fits_elsewhere(row, run.by, order, fit):
                yield finding


def find_runs(hits_nK: Booleans, p_hit: float) -> list[Run]:
    """Return the runs of hits along one shift that are not due to chance, the clearest first.

    hits_nK: whether row i fits shift k, from -K // 2 to K // 2; the middle one is unused. `p_hit`:
    how often an unrelated pair is a hit.
    """
    num_rows, num_shifts = hits_nK.shape
    if not num_rows:
        return []
    gain, loss = math.log(HIT / p_hit), math.log((1 - HIT) / (1 - p_hit))
    needed = math.log(num_rows * num_shifts / ALPHA)
    scores_nK, runs = np.where(hits_nK, gain, loss), list[Run]()
    while (best := _best_run(scores_nK)).score > needed:
        runs.append(best)
        scores_nK[best.first : best.last + 1] = -np.inf  # a row can be moved only once
    return runs


def _best_run(scores_nK: np.ndarray[Any, Any]) -> Run:
    num_shifts = scores_nK.shape[1]
    sums_K, starts_K = np.full(num_shifts, -np.inf), np.zeros(num_shifts, np.int64)
    best = Run(0, 0, 0, -math.inf)
    for row, scores_K in enumerate(scores_nK):
        starts_K[sums_K <= 0] = row
        sums_K = np.maximum(sums_K, 0) + scores_K
        at = int(sums_K.argmax())
        if sums_K[at] > best.score:
            best = Run(int(starts_K[at]), row, at - num_shifts // 2, float(sums_K[at]))
    return best


def _hits(order: Sequence[int], fit: Fit) -> Booleans:
    """Return whether clip i and the text of row i + k fit each other; shifts up to MAX_SHIFT."""
    num_rows = len(order)
    reach = min(MAX_SHIFT, max(num_rows - 1, 0))
    hits_nK = np.zeros((num_rows, 2 * reach + 1), np.bool_)
    row_of = {clip: row for row, clip in enumerate(order)}
    for row, clip in enumerate(order):
        other = row_of.get(int(fit.texts.at_N3[clip, 0]))
        if fit.p_N[clip] <= HIT_P and other is not None and 0 < abs(other - row) <= reach:
            hits_nK[row, other - row + reach] = True
    return hits_nK


def _fits_elsewhere(row: int, by: int, order: Sequence[int], fit: Fit) -> bool:
    """Return whether a clip in a run clearly has its own transcript, or one that is not moved so.

    Where neighbors are exchanged, pair after pair, every other row looks like a run.
    """
    clip, says = order[row], int(fit.says_N[order[row]])
    moved = order[row + by] if 0 <= row + by < len(order) else NONE
    return bool(fit.fits_N[clip]) or says not in (NONE, moved)


def _of_run(run: Run, ordered: Sequence[ExaminedClip], order: str) -> Iterator[Finding]:
    splits = [clip.utterance.split for clip in ordered]
    inside = {*splits[run.first : run.last + 1]}
    of_split = f" of {min(inside)}" if len(inside) == 1 else ""
    where = f"{len(run):,} rows{of_split}, in {order}"
    whole = "all " if len(run) == sum(split in inside for split in splits) else ""
    way = f"{abs(run.by)} rows {'later' if run.by > 0 else 'before'}"

    def id_at(row: int) -> str | None:
        return ordered[row].id if 0 <= row < len(ordered) else None

    for row in range(run.first, run.last + 1):
        yield Finding(
            ordered[row].id,
            "SHIFTED",
            score_of("SHIFTED", 1.0),
            f"what is said is written {way}; so it is in {whole}{where}",
            by=run.by,
            rows=len(run),
            says=id_at(row + run.by),
            belongs_to=id_at(row - run.by),
        )


def _natural(clip: ExaminedClip) -> tuple[Any, ...]:
    """Return the key that sorts clip_2 before clip_10."""
    parts = NUMBER.split(Path(clip.utterance.audio).as_posix())
    numbered = tuple(int(part) if i % 2 else part for i, part in enumerate(parts))
    return (*numbered, clip.utterance.start_s or 0.0)
