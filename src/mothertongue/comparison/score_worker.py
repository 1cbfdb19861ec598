"""Score one model on several sets of utterances, in a separate process.

python -m mothertongue.comparison.score_worker REQUEST.json
"""

import json
import sys
from collections.abc import Callable
from contextlib import nullcontext
from functools import lru_cache
from pathlib import Path
from typing import Any

from mothertongue.config import C, Config, parse
from mothertongue.data.clip_facts import audio_digest, facts_of
from mothertongue.data.clips import read_split
from mothertongue.data.manifest import Split, Utterance, data_digest
from mothertongue.decoding.transcript import DecodeConfig
from mothertongue.errors import MothertongueError
from mothertongue.evaluation.records import SplitScores
from mothertongue.experiment.identity import refuse_other_base
from mothertongue.experiment.run_dir import RunDir, is_run
from mothertongue.inference.open_model import open_model
from mothertongue.inference.score_split import check_unseen, transcribe_split
from mothertongue.system.console import counting
from mothertongue.system.environment import deciding_versions, environment
from mothertongue.system.files import sha256_file, write_json
from mothertongue.system.json_files import read_json


class ScoreSet(Config):
    """A split of some manifests, and the file for its scores."""

    data: tuple[Path, ...]
    split: Split
    out: Path
    adapters_disabled: bool = False
    """Whether a run is scored with its adapters off."""


class Request(Config):
    """A base or a run to score at 30 s context, and the sets to score it on."""

    model: str
    base_digest: str | None = None
    """The digest of the weights that the runs were tuned from, where the model is their base."""
    borrow: dict[str, str]
    evaluate: DecodeConfig
    sets: tuple[ScoreSet, ...]


def score_sets(request: Request) -> None:
    """Write the scores of each set that lacks them: every utterance, and all three normalizers."""
    due = [each for each in request.sets if not is_scored(each, request)]
    if not due:
        return
    engine = open_model(request.model, borrow=request.borrow)
    if request.base_digest:
        refuse_other_base(request.model, engine.base_digest, request.base_digest)
    run_dir = RunDir(Path(request.model))
    for each in due:
        utterances = read_split(each.data, each.split, None)
        leaks = check_unseen(run_dir, utterances, each.split) if is_run(run_dir.path) else None
        off = engine.adapters_disabled() if each.adapters_disabled else nullcontext()
        with counting(f"{request.model}: {each.out.stem}", len(utterances)) as advance, off:
            done = transcribe_split(engine, utterances, "full", request.evaluate, advance)
        scores = SplitScores(
            model=request.model,
            **_inputs(each, request),
            leaks=leaks,
            scores=done.scores(),
            engine=dict(engine.settings),
            environment=environment(),
            utterances=list(done.rows()),
        )
        write_json(each.out, scores)


def is_scored(scored: ScoreSet, request: Request) -> bool:
    """Return whether a set has scores of the same weights, data, decoding and versions.

    The weights of a base are those that the runs were tuned from.
    """
    if not scored.out.is_file():
        return False
    # As it is, whatever version wrote it: what is not the same is scored again.
    found = read_json(scored.out, dict[str, Any])
    return all(found.get(key) == value for key, value in _inputs(scored, request).items())


def _inputs(scored: ScoreSet, request: Request) -> dict[str, Any]:
    weights = Path(request.model) / "best" / "trained.safetensors"
    base = {"base_digest": request.base_digest, "borrow": request.borrow}
    digest = data_digest(scored.data)
    return {
        "data_digest": digest,
        "audio_sha256": audio_digest(facts_of(_split(scored.data, scored.split, digest))),
        "split": scored.split,
        "decoding": request.evaluate.facts(),
        "packages": deciding_versions(),
        "weights_sha256": sha256_file(weights) if weights.is_file() else None,
        **(base if request.base_digest else {}),
    }


@lru_cache(maxsize=16)  # a comparison asks for every run; the digest is for a manifest that changes
def _split(data: tuple[Path, ...], split: Split, digest: str) -> list[Utterance]:
    return read_split(data, split, None)


def answer(kind: type[C], work: Callable[[C], None]) -> None:
    """Do the work of the request in the file that the command line names.

    Ends the process with a message and an exit code where the work raises MothertongueError.
    """
    try:
        path = Path(sys.argv[1])
        work(parse(kind, json.loads(path.read_text(encoding="utf-8")), str(path)))
    except MothertongueError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(error.exit_code)


if __name__ == "__main__":
    answer(Request, score_sets)
