"""How much beams and language models gain on tuned runs, pooled over languages and seeds.

python benchmarks/readout.py OUT [--runs RUN ...] [--plain RUN ...] [--text FILE ...]
    [--hotwords FILE] [--also DATA ...] [--order 5]

Every run decodes its test split at 30 s: greedily, with five beams, and with five beams and a
language model of its training transcripts, or of these and of --text (a sentence a line). The
sentences of validation and test are taken out of both, and those of --also too. The weight of a
model is chosen on the run's validation clips; 0 wins unless another is better. --also are other
data, such as another speaker's, decoded in the same ways: the test split, else validation.
--plain are the opponents: they decode greedily alone.

Each run leaves OUT/runs/NAME.json, and is not decoded again. So give the command once a language,
with its text and the same OUT. It prints a table of all runs in OUT and writes OUT/readout.json:
for each test set and over all of them, WER, seconds of decoding, and how many errors less there
are than with the plain runs, the greedy search and the five beams, relative. The intervals (95 %)
draw clips, of equal texts together; where there are several runs for a set, runs too. Runs that
decode in two ways are drawn together.

OMP_NUM_THREADS=1 and a quiet machine make the seconds comparable.
"""

import argparse
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from mothertongue.data.clips import read_split
from mothertongue.data.manifest import Utterance, data_digest, manifest_path, read_data
from mothertongue.decoding.lm.folder import build, read_record
from mothertongue.decoding.transcript import DecodeConfig
from mothertongue.evaluation.metrics import (
    BOUNDS,
    Floats,
    resampled_totals,
    sentences,
    utterance_errors,
)
from mothertongue.evaluation.normalizers import normalizer
from mothertongue.evaluation.rates import UtteranceRow
from mothertongue.experiment.config import read_experiment
from mothertongue.experiment.run_dir import RunDir
from mothertongue.inference.engine import Engine
from mothertongue.inference.open_model import open_model
from mothertongue.inference.score_split import check_unseen, transcribe_split, with_lm_weight
from mothertongue.model.locate import locate
from mothertongue.model.tokenizer import load_tokens
from mothertongue.system.console import counting
from mothertongue.system.environment import environment
from mothertongue.system.files import write_json
from mothertongue.system.json_files import built

PLAIN, GREEDY, BEAM = "plain", "greedy", "beam 5"
LM, LM_TEXT, HOTWORDS = "beam 5 + LM", "beam 5 + LM + text", "beam 5 + hot words"
ARMS = (PLAIN, GREEDY, BEAM, LM, LM_TEXT, HOTWORDS)
OPPONENTS = (PLAIN, GREEDY, BEAM)
BEAMS, DRAWS = 5, 2000

Json = dict[str, Any]


def main() -> None:
    options = parse_arguments()
    for run in options.plain:
        read_out(run, options, is_plain=True)
    for run in options.runs:
        read_out(run, options, is_plain=False)
    result = summary(options.out)
    write_json(options.out / "readout.json", result | {"environment": environment()})
    print(*lines(result), sep="\n")


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--runs", type=Path, nargs="*", default=[])
    parser.add_argument("--plain", type=Path, nargs="*", default=[])
    parser.add_argument("--text", type=Path, nargs="*", default=[])
    parser.add_argument("--hotwords", type=Path)
    parser.add_argument("--also", type=Path, nargs="*", default=[])
    parser.add_argument("--order", type=int, default=5)
    return parser.parse_args()


def read_out(run: Path, options: argparse.Namespace, is_plain: bool) -> None:
    """Decode a run in every way, and keep the transcripts; what is done already is left alone."""
    kept = options.out / "runs" / f"{run.resolve().name}.json"
    if kept.is_file():
        if (of := json.loads(kept.read_text())["run"]) != str(run.resolve()):
            raise SystemExit(f"{kept} is of {of}; give {run} another OUT, or another name")
        return
    manifests = read_experiment(RunDir(run)).manifests
    sets = clip_sets(run, manifests, options.also)
    engine = open_model(str(run))
    arms = {}
    for name, config in {PLAIN: greedy()}.items() if is_plain else configs(run, options):
        weighed, trials = with_lm_weight(str(run), engine, manifests, "test", config, None)
        arms[name] = {
            "decoding": weighed.facts() | engine.settings,
            "trials": [asdict(each) for each in trials],
            "lm": asdict(read_record(config.lm)) if config.lm else None,
            "sets": {digest: decoded(engine, clips, weighed) for digest, _, clips in sets},
        }
    names = {digest: name for digest, name, _ in sets}
    own = data_digest(manifests)
    write_json(kept, {"run": str(run.resolve()), "own": own, "names": names, "arms": arms})


def clip_sets(
    run: Path, manifests: Sequence[Path], also: Sequence[Path]
) -> list[tuple[str, str, list[Utterance]]]:
    """Return digest, name and clips of a run's test split, and of the same of other data."""
    found = []
    for data in (manifests, *((each,) for each in also)):
        splits = {each.split for each in read_data(data)}
        split = "test" if "test" in splits or data == manifests else "validation"
        clips = read_split(data, split, None)
        check_unseen(RunDir(run), clips, split)
        name = " + ".join(manifest_path(each).resolve().parent.name for each in data)
        found.append((data_digest(data), name, clips))
    return found


def greedy() -> DecodeConfig:
    return DecodeConfig(beam_size=1)


def configs(run: Path, options: argparse.Namespace) -> Iterator[tuple[str, DecodeConfig]]:
    """Yield every way to decode a run, the language models made."""
    beams = DecodeConfig(beam_size=BEAMS)
    yield GREEDY, greedy()
    yield BEAM, beams
    yield LM, beams.model_copy(update={"lm": language_model(run, "lm", [], options)})
    if options.text:
        folder = language_model(run, "lm-text", options.text, options)
        yield LM_TEXT, beams.model_copy(update={"lm": folder})
    if options.hotwords:
        yield HOTWORDS, beams.model_copy(update={"hotwords": options.hotwords})


def language_model(
    run: Path, name: str, texts: Sequence[Path], options: argparse.Namespace
) -> Path:
    """Make a model of the run's training transcripts and of more texts; return its folder."""
    experiment = read_experiment(RunDir(run))
    folder: Path = options.out / "lm" / f"{run.resolve().name}-{name}"
    tokens = load_tokens(locate(experiment.base))
    build([*experiment.manifests, *texts], options.also, tokens, options.order, folder)
    return folder


def decoded(engine: Engine, clips: Sequence[Utterance], config: DecodeConfig) -> Json:
    """Return transcripts at 30 s and the seconds that they took."""
    with counting("decoding", len(clips)) as advance:
        began = time.perf_counter()
        found = transcribe_split(engine, clips, "full", config, advance)
        seconds = time.perf_counter() - began
    return {"seconds": round(seconds, 2), "rows": list(found.rows())}


@dataclass(frozen=True)
class ScoredSet:
    """The errors of every run and arm on one set of clips.

    N clips, S runs, R draws.
    """

    name: str
    is_own: bool
    words_N: Any
    texts: list[object]
    errors_SN: Mapping[str, Any]
    """Errors in words by arm, a row a run."""
    seconds: Mapping[str, list[float]]
    lm_weights: Mapping[str, list[float | None]]
    seed: int

    @cached_property
    def drawn_R(self) -> dict[str, Floats]:
        """The mean rate of each arm on the same draws of clips and runs."""
        columns_NC = np.column_stack([self.words_N, *(each.T for each in self.errors_SN.values())])
        totals_RC = resampled_totals(columns_NC.astype(np.float64), self.texts, self.seed, DRAWS)
        found, first = {}, 1  # the first column is the length
        for arm, errors_SN in self.errors_SN.items():
            rates_RS = totals_RC[:, first : first + len(errors_SN)] / totals_RC[:, :1]
            found[arm] = with_drawn_runs(rates_RS, [self.seed, int(arm == PLAIN)])
            first += len(errors_SN)
        return found

    def rate(self, arm: str) -> float:
        """Return the mean WER of an arm's runs."""
        errors_SN = self.errors_SN[arm]
        return float(errors_SN.sum() / len(errors_SN) / self.words_N.sum())


def with_drawn_runs(rates_RS: Floats, seed: Sequence[int]) -> Floats:
    """Return the mean rate of runs drawn with replacement, for each draw of clips.

    Their distance to the mean of all is widened as in evaluation/differences.py.
    """
    runs = rates_RS.shape[1]
    mean_R: Floats = rates_RS.mean(axis=1)
    if runs == 1:
        return mean_R
    chosen_RS = np.random.default_rng(seed).integers(runs, size=rates_RS.shape)
    drawn_R = np.take_along_axis(rates_RS, chosen_RS, axis=1).mean(axis=1)
    wider: float = (runs / (runs - 1)) ** 0.5
    return mean_R + wider * (drawn_R - mean_R)


def summary(out: Path) -> Json:
    """Return the rates and gains on each set of the runs in OUT, and over all own test sets."""
    runs = [json.loads(path.read_text()) for path in sorted((out / "runs").glob("*.json"))]
    names = {digest: name for run in runs for digest, name in run["names"].items()}
    sets = [scored_set(digest, name, runs, i) for i, (digest, name) in enumerate(names.items())]
    own = [each for each in sets if each.is_own]
    return {
        "runs": [run["run"] for run in runs],
        "sets": {each.name: scores([each]) for each in sets},
        "all": scores(own) if len(own) > 1 else None,
    }


def scored_set(digest: str, name: str, runs: Sequence[Json], seed: int) -> ScoredSet:
    """Return the errors of all runs that decoded a set."""
    found: dict[str, list[Json]] = {}
    for run in runs:
        for arm, each in run["arms"].items():
            if digest in each["sets"]:
                weight = each["decoding"].get("lm_weight")
                found.setdefault(arm, []).append(each["sets"][digest] | {"lm_weight": weight})
    normalize = normalizer("strict")
    errors_S = {
        arm: [
            utterance_errors(built(each["rows"], "readout", list[UtteranceRow]), normalize)
            for each in kept
        ]
        for arm, kept in found.items()
    }
    return ScoredSet(
        name=name,
        is_own=any(run["own"] == digest for run in runs),
        words_N=next(iter(errors_S.values()))[0].words_N,
        texts=sentences(
            [normalize(row["reference"]) for row in next(iter(found.values()))[0]["rows"]]
        ),
        errors_SN={
            arm: np.stack([e.word_errors_N for e in each]) for arm, each in errors_S.items()
        },
        seconds={arm: [each["seconds"] for each in kept] for arm, kept in found.items()},
        lm_weights={arm: [each["lm_weight"] for each in kept] for arm, kept in found.items()},
        seed=seed,
    )


def scores(sets: Sequence[ScoredSet]) -> Json:
    """Return rates, seconds and gains of each arm that all sets have; rates are means over sets."""
    arms = [arm for arm in ARMS if all(arm in each.errors_SN for each in sets)]
    rates = {arm: float(np.mean([each.rate(arm) for each in sets])) for arm in arms}
    drawn_R = {arm: np.mean([each.drawn_R[arm] for each in sets], axis=0) for arm in arms}
    return {
        arm: {
            "runs": [len(each.errors_SN[arm]) for each in sets],
            "wer": round(rates[arm], 4),
            "interval95": bounds(drawn_R[arm]),
            "seconds": round(sum(float(np.mean(each.seconds[arm])) for each in sets), 1),
            "lm_weights": [each.lm_weights[arm] for each in sets],
            "errors_less_than": {
                other: {
                    "relative": round(1 - rates[arm] / rates[other], 4),
                    "interval95": less(drawn_R[arm], drawn_R[other]),
                }
                for other in OPPONENTS
                if other in arms and other != arm
            },
        }
        for arm in arms
    }


def less(rates_R: Floats, others_R: Floats) -> list[float]:
    """Return the interval of the relative gain; a draw where the other has no error has none."""
    has_errors_R = others_R > 0
    return bounds(1 - rates_R[has_errors_R] / others_R[has_errors_R])


def bounds(values_R: Floats) -> list[float]:
    return [round(float(each), 4) for each in np.quantile(values_R, BOUNDS)]


def lines(result: Json) -> Iterator[str]:
    """Yield a table in Markdown for each set, and for all."""
    for name, arms in (result["sets"] | ({"all": result["all"]} if result["all"] else {})).items():
        yield f"\n{name}\n"
        yield f"| | runs | WER | 95 % | s | LM | {' | '.join(f'to {each}' for each in OPPONENTS)} |"
        yield "| --- " * (6 + len(OPPONENTS)) + "|"
        for arm, each in arms.items():
            low, high = each["interval95"]
            gains = [each["errors_less_than"].get(other) for other in OPPONENTS]
            yield (
                " | ".join(
                    (
                        f"| {arm}",
                        " + ".join(map(str, each["runs"])),
                        f"{100 * each['wer']:.1f} %",
                        f"{100 * low:.1f}-{100 * high:.1f}",
                        f"{each['seconds']:.0f}",
                        ", ".join(
                            f"{w:g}" for one in each["lm_weights"] for w in one if w is not None
                        ),
                        *(said(gain) for gain in gains),
                    )
                )
                + " |"
            )


def said(gain: Json | None) -> str:
    if gain is None:
        return ""
    low, high = gain["interval95"]
    return f"{-100 * gain['relative']:+.1f} % ({-100 * high:+.1f} to {-100 * low:+.1f})"


if __name__ == "__main__":
    main()
