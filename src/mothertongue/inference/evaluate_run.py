"""Score a run's best weights and its base model on the same clips, and keep the scores.

eval/test.json and eval/base-test.json on its own data; eval/also-NAME-DIGEST.json on the data in a
folder of that name, whose manifest has that SHA-256: what its page shows. eval/long-NAME.json has
scores of long recordings instead of clips.
"""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

from mothertongue.data.clips import read_split
from mothertongue.data.manifest import Split, data_digest, is_manifest, manifest_path
from mothertongue.decoding.transcript import DecodeConfig
from mothertongue.errors import ConfigError
from mothertongue.evaluation.records import LongScores, SplitScores
from mothertongue.experiment.config import read_experiment
from mothertongue.experiment.identity import (
    code_changes,
    data_changes,
    read_identity,
    refuse_changes,
    refuse_other_base,
)
from mothertongue.experiment.run_dir import (
    BASE_PREFIX,
    LONG_PREFIX,
    OTHER_DATA_PREFIX,
    TEST_SCORES,
    RunDir,
    is_run,
)
from mothertongue.inference.engine import Engine
from mothertongue.inference.lm_weights import with_known_weight
from mothertongue.inference.long_form import LongForm
from mothertongue.inference.score_split import check_unseen, evaluate_model
from mothertongue.system.console import note
from mothertongue.system.files import require_writable, write_json


class Open(Protocol):
    """A function that opens a run and its base with the same engine and precision."""

    def __call__(self, model: str, *, borrow: Mapping[str, str] | None = None) -> Engine: ...


def evaluate_run(
    run_dir: RunDir,
    data: Path | None,
    split: Split,
    language: str | None,
    config: DecodeConfig,
    open_model: Open,
    with_base: bool,
    long_form: LongForm | None = None,
) -> SplitScores | LongScores:
    """Score a run's best weights on its own or on other data, and keep the scores in the run.

    With `with_base` its base is scored on the same clips, under `base` in the result. With
    `long_form` the clips are joined to long recordings, whose scores are kept beside. Scores of
    the final weights, of a run that is not finished, or under another language than that of the
    clips, are not kept. `leaks` in the result counts the clips that are not new to the run.
    Raises DataError where the run's own data is no longer what it was trained on, clips to be
    scored were trained on, or the base has other weights than the run was tuned from.
    """
    experiment = read_experiment(run_dir)
    base_digest, is_done = read_identity(run_dir).base_digest, run_dir.is_done
    manifests = experiment.manifests if data is None else (data,)
    is_own = data is None or data_digest([data]) == read_identity(run_dir).manifest_sha256
    if is_own:
        refuse_changes(run_dir, data_changes(run_dir, manifests), "scored without --data")
    name = (LONG_PREFIX if long_form else "") + stored_name(None if is_own else data, split)
    score = long_form.score if long_form else evaluate_model
    clips = read_split(manifests, split, None)
    is_own_language = language is None or {each.language for each in clips} == {language}
    leaks = check_unseen(run_dir, clips, split)
    if not is_done:
        note(
            f"{run_dir.path} is not finished, so its scores are not kept: its best weights may be "
            "others later"
        )
    if changes := code_changes(run_dir):
        note(f"{run_dir.path} was trained by another version of the code: {'; '.join(changes)}")

    def scored(
        model: str, stored: str, borrow: Mapping[str, str] | None
    ) -> SplitScores | LongScores:
        opened = open_model(model, borrow=borrow)
        if opened.base_digest:
            refuse_other_base(experiment.base, opened.base_digest, base_digest)
        kept = run_dir.evaluation(stored)
        is_best = opened.settings.get("weights", "best") == "best"
        is_kept = is_done and is_own_language and is_best
        if is_kept:
            require_writable(kept, "the scores are kept there; make the run writable, or copy it")
        result = replace(score(model, opened, manifests, split, config, language), leaks=leaks)
        if is_kept:
            write_json(kept, result)
        return result

    # The base first: a run without it has a page too, a base without a run has none.
    base: Any = (
        scored(experiment.base, BASE_PREFIX + name, experiment.borrow) if with_base else None
    )
    return replace(scored(str(run_dir.path), name, None), base=base)


def evaluate_any(
    model: str,
    data: Path | None,
    split: Split,
    language: str | None,
    config: DecodeConfig,
    open_model: Open,
    with_base: bool,
    long_form: LongForm | None = None,
) -> SplitScores | LongScores:
    """Score MODEL: a run knows its data and keeps its scores; other models need `data`.

    With `long_form`, `data` may also be recordings with their text beside them; scores on these are
    not kept. Their language model has the weight that was chosen on clips.
    """
    path = Path(model).expanduser()
    if long_form:
        config = with_known_weight(config, model)
    if long_form and data is not None and not is_manifest(data):
        if is_run(path) and with_base:
            raise ConfigError(
                f"--with-base: {data} is no manifest, and only scores on manifests are compared; "
                "score the base by itself"
            )
        return long_form.score_files(model, open_model(model), data, config, language)
    if is_run(path):
        run_dir = RunDir(path)
        return evaluate_run(
            run_dir, data, split, language, config, open_model, with_base, long_form
        )
    if with_base:
        raise ConfigError(f"--with-base: {model} is no run, so it has no base; leave it out")
    if data is None:
        raise ConfigError(
            f"{model}: not a run's folder, which would know its data; give one, such as "
            "runs/NAME, or add --data MANIFEST"
        )
    score = long_form.score if long_form else evaluate_model
    return score(model, open_model(model), (data,), split, config, language)


def own_decoding(model: str) -> DecodeConfig:
    """Return what a run states in `evaluate`; the defaults for other models."""
    path = Path(model).expanduser()
    return read_experiment(RunDir(path)).evaluate if is_run(path) else DecodeConfig()


def stored_name(other: Path | None, split: Split) -> str:
    """Return the name of the scores on some data in a run: `test` for its own test split.

    Folders of one name may hold other data, and a folder other data later.
    """
    parts = []
    if other:
        parts = [manifest_path(other).resolve().parent.name, data_digest([other])[:8]]
    if split != TEST_SCORES:
        parts.append(split)
    return OTHER_DATA_PREFIX + "-".join(parts) if parts else TEST_SCORES
