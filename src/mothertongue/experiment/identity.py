"""The inputs of a run (base, data, labels, versions), and their changes since. No torch."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from mothertongue.data.card import read_card
from mothertongue.data.clip_facts import (
    ClipFacts,
    audio_digest,
    changed_audio,
    facts_of,
    read_facts,
    write_facts,
)
from mothertongue.data.leaks import named
from mothertongue.data.manifest import (
    Utterance,
    data_digest,
    manifest_path,
    read_data,
)
from mothertongue.data.pseudo_labels import Labeller, PseudoLabels
from mothertongue.data.replay import (
    Replay,
    ReplayConfig,
    is_replayed,
    read_replay,
)
from mothertongue.errors import DataError
from mothertongue.experiment.records import Identity
from mothertongue.experiment.run_dir import RunDir
from mothertongue.model.tokenizer import LABEL_RULES
from mothertongue.system.environment import deciding_versions
from mothertongue.system.files import write_json
from mothertongue.system.json_files import read_json

LONG_BYTES = 4_000_000_000  # some ten seconds from a disk


def write_identity(
    run_dir: RunDir,
    base_digest: str,
    manifests: Sequence[Path],
    utterances: Sequence[Utterance],
    noted: Callable[[str], None],
    sound_digests: Mapping[str, str] | None = None,
    replay: Replay | None = None,
    precision_s: Mapping[str, float] | None = None,
    decoder_digests: Mapping[str, str] | None = None,
) -> None:
    """Write the inputs of a run: identity.json, and data.jsonl with every clip.

    `sound_digests` are those of the folders that augmentation mixes into clips, `decoder_digests`
    those of the files with which validations decode. The utterances of a `replay` come after those
    of the manifests. `precision_s`: the seconds by which the precision was chosen.
    """
    facts = facts_of(utterances)
    num_bytes = sum({each.audio: each.size for each in facts}.values())
    if num_bytes > LONG_BYTES:
        noted(f"reading {num_bytes / 1e9:,.0f} GB of audio once, for the SHA-256 of every clip")
    write_facts(run_dir.data, facts)
    identity = Identity(
        base_digest=base_digest,
        manifest_sha256=data_digest(manifests),
        audio_sha256=audio_digest(facts),
        augment_sha256=dict(sound_digests or {}),
        evaluate_sha256=dict(decoder_digests) if decoder_digests else None,
        label_rules=LABEL_RULES,
        packages=deciding_versions(),
        precision_s=dict(precision_s) if precision_s is not None else None,
        pseudo_labels=pseudo_labels(manifests, utterances),
        replay=replay,
    )
    if identity.replay:
        noted(str(identity.replay))
    write_json(run_dir.identity, identity)


def pseudo_labels(
    manifests: Sequence[Path], utterances: Sequence[Utterance]
) -> PseudoLabels | None:
    """Return the training clips that have pseudo-labels; None if none has."""
    own = [each for each in utterances if not is_replayed(each.id)]
    train = [each for each in own if each.split == "train"]
    pseudo = [each for each in train if each.is_pseudo_labelled]
    if not pseudo:
        return None
    cards = [card for path in manifests if (card := read_card(path)) is not None]
    found = [card.labelling for card in cards if card.labelling]
    return PseudoLabels(
        clips=len(pseudo),
        hours=sum(each.duration_s for each in pseudo) / 3600,
        of_clips=len(train),
        of_hours=sum(each.duration_s for each in train) / 3600,
        round=max((each.round for each in found), default=1),
        models=list(dict.fromkeys(Labeller(each.model, each.model_sha256) for each in found)),
    )


def read_identity(run_dir: RunDir) -> Identity:
    """Return the content of identity.json. Raises DataError if it is missing or damaged."""
    if not run_dir.identity.is_file():
        raise DataError(f"{run_dir.path}: no {run_dir.identity.name} yet; run: mothertongue train")
    return read_json(run_dir.identity, Identity)


def data_changes(run_dir: RunDir, manifests: Sequence[Path]) -> list[str]:
    """The changes between a run's data and the data that is there now, as text; empty for none."""
    if changes := manifest_changes(run_dir, manifests):
        return changes
    own, _ = _facts_before(run_dir)
    return _audio_change("audio", own, facts_of(read_data(manifests)))


def replay_changes(run_dir: RunDir, replay: ReplayConfig | None) -> list[str]:
    """The changes of the clips that a run replays, as text; empty for none."""
    if replay is None:
        return []
    before = read_identity(run_dir).replay
    if before is None or before.manifest_sha256 != data_digest(replay.manifests):
        return ["train.replay.data: its manifests have changed"]
    _, then = _facts_before(run_dir)
    return _audio_change("audio of train.replay", then, facts_of(read_replay(replay.manifests, ())))


def _audio_change(name: str, before: Sequence[ClipFacts], now: Sequence[ClipFacts]) -> list[str]:
    changed = list(changed_audio(before, now))
    return [f"{name}: {len(changed):,} files, such as {named(changed)}"] if changed else []


def _facts_before(run_dir: RunDir) -> tuple[list[ClipFacts], list[ClipFacts]]:
    """Return the facts of the clips that a run was begun with: its own, and those of its replay."""
    facts = read_facts(run_dir.data)
    own = [each for each in facts if not is_replayed(each.id)]
    return own, [each for each in facts if is_replayed(each.id)]


def manifest_changes(run_dir: RunDir, manifests: Sequence[Path]) -> list[str]:
    """The changes of the manifests alone, as text; empty for none."""
    if data_digest(manifests) == read_identity(run_dir).manifest_sha256:
        return []
    before, now = _facts_before(run_dir)[0], facts_of(read_data(manifests))
    places = ", ".join(str(manifest_path(each).resolve()) for each in manifests)
    return [f"manifest {places}: {_manifest_change(before, now)}"]


def sound_changes(run_dir: RunDir, sound_digests: Mapping[str, str]) -> list[str]:
    """The changes of the folders that augmentation mixes into clips, as text."""
    before = read_identity(run_dir).augment_sha256
    return [
        f"train.augment.{name}.folder: its files have changed"
        for name, digest in sound_digests.items()
        if before.get(name) != digest
    ]


def decoder_changes(run_dir: RunDir, decoder_digests: Mapping[str, str]) -> list[str]:
    """Return the changes of the files with which validations decode, as text."""
    before = read_identity(run_dir).evaluate_sha256
    if before is None:  # there were none, or an earlier version did not write them
        return []
    return [
        f"evaluate.{name}: its content has changed"
        for name, digest in decoder_digests.items()
        if before.get(name) != digest
    ]


def code_changes(run_dir: RunDir) -> list[str]:
    """The changes between the code that made a run and the installed code, as text."""
    identity = read_identity(run_dir)
    rules = identity.label_rules
    changes = [] if rules == LABEL_RULES else [f"label rules: were {rules}, now {LABEL_RULES}"]
    before, now = identity.packages, deciding_versions()
    changes += [
        f"{name}: was {version}, now {now.get(name)} (pip install {name}=={version} has it back)"
        for name, version in before.items()
        if version != now.get(name)
    ]
    return changes


def base_changes(run_dir: RunDir, base: str, digest: str) -> list[str]:
    """The changes between the weights that a run started from and its base now, as text."""
    before = read_identity(run_dir).base_digest
    if before == digest:
        return []
    return [f"base {base}: its digest was {before[:12]}, now {digest[:12]}"]


def refuse_other_base(base: str, digest: str | None, expected: str) -> None:
    """Raise DataError where a base has other weights than those that its runs were tuned from."""
    if digest != expected:
        raise DataError(
            f"base {base}: its digest is {str(digest)[:12]}, but the runs were tuned from one of "
            f"{expected[:12]}; put the base there that they were tuned from"
        )


def refuse_changes(run_dir: RunDir, changes: Sequence[str], verb: str) -> None:
    """Raise DataError where there are changes; `verb` says what is refused, such as continued."""
    if not changes:
        return
    lines = "\n".join(f"  {each}" for each in changes)
    raise DataError(
        f"{run_dir.path}: the run was made from something else, so it is not {verb}:\n{lines}\n"
        f"Restore what changed, or train again: give another --out, or remove {run_dir.path}"
    )


def _manifest_change(before: Sequence[ClipFacts], now: Sequence[ClipFacts]) -> str:
    old, new = ({each.id: each for each in facts} for facts in (before, now))
    both = [(old[name], new[name]) for name in new if name in old]
    counts = {
        "new": len(new.keys() - old.keys()),
        "gone": len(old.keys() - new.keys()),
        "in another split": sum(a.split != b.split for a, b in both),
        "with other words": sum(a.sentence != b.sentence for a, b in both),
        "held out that were trained on": sum(a.split == "train" != b.split for a, b in both),
    }
    said = ", ".join(f"{count:,} {what}" for what, count in counts.items() if count)
    return f"clips {said}" if said else "other values, or another order of its clips"
