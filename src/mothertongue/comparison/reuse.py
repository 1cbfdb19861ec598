"""Check before a comparison that its settings fit, and its data: no clip is in train and test."""

from collections import defaultdict
from collections.abc import Callable, Hashable, Sequence
from pathlib import Path

import torch
from transformers import WhisperConfig, WhisperForConditionalGeneration

from mothertongue.comparison.grid import Candidate, Grid, LanguageData, TestSet
from mothertongue.comparison.selection import no_choice
from mothertongue.data.clip_facts import ClipFacts, facts_of
from mothertongue.data.clips import read_split
from mothertongue.data.leaks import check_splits, find_leaks, named
from mothertongue.data.manifest import Utterance, read_data
from mothertongue.data.replay import read_replay
from mothertongue.data.text_cleaning import sentence_key
from mothertongue.errors import ConfigError, DataError
from mothertongue.experiment.config import Experiment
from mothertongue.experiment.identity import (
    code_changes,
    data_changes,
    decoder_changes,
    read_identity,
    replay_changes,
)
from mothertongue.model.locate import is_on_disk, locate
from mothertongue.model.tokenizer import Tokens, load_tokens
from mothertongue.training.frozen_prefix import refuse_stored_changes
from mothertongue.training.labels import refuse_long_labels
from mothertongue.training.run_data import read_fitting

Noted = Callable[[str], None]


def require_data(grid: Grid) -> None:
    """Raise ConfigError listing every manifest that does not exist."""
    if missing := missing_data(grid):
        raise ConfigError(
            f"grid {grid.name}: {len(missing)} manifests are not there; make them with "
            "mothertongue prepare, or point at yours with key=path on the command line:\n"
            + "\n".join(f"  {key}: {path}" for key, path in missing)
        )


def missing_data(grid: Grid) -> list[tuple[str, Path]]:
    """Return every manifest that does not exist, with its key in the grid."""
    named = [
        (f"languages.{name}.data", path)
        for name, place in grid.languages.items()
        for path in place.manifests
    ]
    named += [
        (f"languages.{name}.also.{other}.data", each.data)
        for name, place in grid.languages.items()
        for other, each in place.also.items()
    ]
    named += [(f"retention.{name}.data", each.data) for name, each in grid.retention.items()]
    return [(key, path) for key, path in named if not path.exists()]


def refuse_flaws(
    grid: Grid, candidates: Sequence[Candidate], config: WhisperConfig, noted: Noted
) -> None:
    """Raise ConfigError or DataError for all that can be known before a run begins.

    `config` is the base's. Languages and sets whose data is not there are passed over.
    """
    refuse_unfit(candidates, config)
    here = _with_data(grid)
    refuse_empty_splits(here, candidates)
    refuse_leaks(here, candidates, noted)
    refuse_unfit_data(here, candidates)


def _with_data(grid: Grid) -> Grid:
    """Return the grid with those languages and sets alone whose data is there."""

    def there(sets: dict[str, TestSet]) -> dict[str, TestSet]:
        return {name: each for name, each in sets.items() if each.data.exists()}

    languages = {
        name: place.model_copy(update={"also": there(place.also)})
        for name, place in grid.languages.items()
        if place.is_there
    }
    return grid.model_copy(update={"languages": languages, "retention": there(grid.retention)})


def refuse_leaks(grid: Grid, candidates: Sequence[Candidate], noted: Noted) -> None:
    """Raise DataError if a language is tested on audio that it is trained on, or that it replays.

    It is tested on its own test split, on its `also` and on all of `retention`. Sentences and
    speakers that it is trained on are passed to `noted`; so is audio of a set whose split is train.
    """
    for language, place in grid.languages.items():
        facts = facts_of(read_data(place.manifests))
        name = f"languages.{language}"
        check_splits(facts, f"{name}.data", noted)
        trained = {f"{name}.data": [each for each in facts if each.split == "train"]}
        if replayed := _replayed(language, place, candidates):
            check_splits([*facts, *replayed], f"{name}.data with train.replay", lambda _: None)
            trained[f"the replay of {name}"] = replayed
        for key, each in _other_sets(grid, language, place).items():
            for what, clips in trained.items():
                _refuse_shared(clips, each, what, key, noted)


def refuse_empty_splits(grid: Grid, candidates: Sequence[Candidate]) -> None:
    """Raise DataError if a set cannot be scored, or ConfigError if values have no split to choose.

    It is called before the training: clips that are added after it are other data, on which no run
    goes on.
    """
    for language, place in grid.languages.items():
        name = f"languages.{language}.data"
        _refuse_wordless(f"{name}, split test", read_split(place.manifests, "test", None))
        for key, each in _other_sets(grid, language, place).items():
            _refuse_wordless(key, read_split([each.data], each.split, None))
        splits = {each.split for each in read_data(place.manifests)}
        mine = [each for each in candidates if each.language == language]
        for arm in dict.fromkeys(each.arm for each in mine):
            values = {str(each.settings) for each in mine if each.arm == arm}
            if len(values) > 1 and mine[0].experiment.select_on not in splits:
                raise ConfigError(no_choice(language, arm, len(values)))


def _refuse_wordless(where: str, clips: Sequence[Utterance]) -> None:
    if not any(sentence_key(each.text) for each in clips):
        raise DataError(
            f"{where}: none of {len(clips):,} clips has a word in its text, expected one or more: "
            "an error rate is a share of words; write what is said, or remove the set"
        )


def refuse_unfit(candidates: Sequence[Candidate], config: WhisperConfig) -> None:
    """Raise ConfigError where a strategy does not fit the base or the augmentation."""
    with torch.device("meta"):
        model = WhisperForConditionalGeneration(config)
    for each in candidates:
        strategy = each.experiment.strategy
        strategy.check(config)
        refuse_stored_changes(each.experiment.train, strategy.frozen_prefix(model))


def refuse_unfit_data(grid: Grid, candidates: Sequence[Candidate]) -> None:
    """Raise ConfigError or DataError, naming the language, where a run would refuse its data.

    A later language would otherwise be refused only when all earlier ones are trained.
    """
    tokens, checked = _tokens(grid.base), set[Hashable]()
    for each in candidates:
        train = each.experiment.train
        key = (each.language, train.replayed, train.has_averages)
        if each.language not in grid.languages or key in checked:
            continue
        checked.add(key)
        try:
            utterances = read_fitting(each.experiment)
            if tokens is not None:
                _refuse_unfit_texts(each.experiment, utterances, tokens)
        except (ConfigError, DataError) as error:
            raise type(error)(f"languages.{each.language}: {error}") from None


def _tokens(base: str) -> Tokens | None:
    """Return the base's tokenizer; None where it is not on this machine yet."""
    files = locate(base) if is_on_disk(base) else None
    return load_tokens(files) if files and (files.folder / "tokenizer.json").is_file() else None


def _refuse_unfit_texts(
    experiment: Experiment, utterances: Sequence[Utterance], tokens: Tokens
) -> None:
    tokens = tokens.borrowing(experiment.borrow)
    chosen = [each for each in utterances if each.split in ("train", experiment.select_on)]
    refuse_long_labels(chosen, [tokens.label(each.text, each.language) for each in chosen])


def refuse_changed_runs(candidates: Sequence[Candidate], folder: Path) -> None:
    """Raise DataError naming each existing run that was made from other data or by other code."""
    found: dict[str, list[str]] = defaultdict(list)
    checked: dict[Hashable, list[str]] = {}  # most runs have the same data: it is read once
    for name, each in {each.experiment.name: each for each in candidates}.items():
        run_dir, manifests = each.run_dir(folder), each.experiment.manifests
        if not run_dir.identity.is_file():
            continue
        identity = read_identity(run_dir)
        digests = identity.manifest_sha256, identity.audio_sha256
        data = (manifests, *digests, each.experiment.train.replayed)
        if data not in checked:
            replay = each.experiment.train.replay
            checked[data] = data_changes(run_dir, manifests) + replay_changes(run_dir, replay)
        decoder = decoder_changes(run_dir, each.experiment.evaluate.digests())
        for change in checked[data] + decoder + code_changes(run_dir):
            found[change].append(name)
    if not found:
        return
    lines = [f"  {change}\n    {', '.join(names)}" for change, names in found.items()]
    runs = sorted({name for names in found.values() for name in names})
    raise DataError(
        f"{folder}: {len(runs)} runs were made from something else, expected the same for all of a "
        "comparison:\n" + "\n".join(lines) + "\nRestore what changed, or train again: give the "
        f"comparison another --out, or remove these runs from {folder / 'runs'}"
    )


def base_digest(candidates: Sequence[Candidate], folder: Path) -> str:
    """Return the digest of the weights that the runs were tuned from.

    Raises DataError where they were tuned from different ones: a folder may have others later.
    """
    runs: dict[str, list[str]] = defaultdict(list)
    for name, each in {each.experiment.name: each for each in candidates}.items():
        runs[read_identity(each.run_dir(folder)).base_digest].append(name)
    if len(runs) > 1:
        lines = [f"  {digest[:12]}: {', '.join(names)}" for digest, names in runs.items()]
        raise DataError(
            f"{folder}: the runs of this comparison were tuned from different weights of the base, "
            "expected the same for all:\n" + "\n".join(lines) + "\nTrain those of the wrong "
            f"weights again: remove them from {folder / 'runs'}"
        )
    return next(iter(runs), "")


def _replayed(
    language: str, place: LanguageData, candidates: Sequence[Candidate]
) -> list[ClipFacts]:
    """Return the clips that any run of a language replays."""
    mine = [each.experiment.train for each in candidates if each.language == language]
    manifests = dict.fromkeys(path for train in mine for path in train.replayed)
    if not manifests:
        return []
    trained = {each.language for each in read_data(place.manifests) if each.split == "train"}
    return facts_of([clip for path in manifests for clip in read_replay((path,), trained)])


def _other_sets(grid: Grid, language: str, place: LanguageData) -> dict[str, TestSet]:
    also = {f"languages.{language}.also.{name}": each for name, each in place.also.items()}
    return also | {f"retention.{name}": each for name, each in grid.retention.items()}


def _refuse_shared(
    trained: Sequence[ClipFacts], tested: TestSet, what: str, key: str, noted: Noted
) -> None:
    held_out = [each for each in facts_of(read_data([tested.data])) if each.split == tested.split]
    found = find_leaks(trained, held_out)
    if found.audio and tested.split != "train":
        raise DataError(
            f"{key}: {len(found.audio):,} of {found.num_clips:,} clips have audio that "
            f"{what} trains on: {named(found.audio)}; expected none. Remove them from one of the "
            "two, or the set from the grid"
        )
    if said := str(found.counts()):
        noted(f"{key}: {said} of {what}")
