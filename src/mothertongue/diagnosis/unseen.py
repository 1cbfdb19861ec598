"""Choose, for each clip, a model that did not train on it. No torch.

A model that learned a wrong transcript writes it again, so that the transcript looks right.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mothertongue.data.clip_facts import facts_of, read_facts
from mothertongue.data.leaks import find_leaks
from mothertongue.data.manifest import Utterance
from mothertongue.experiment.run_dir import RunDir, is_run


@dataclass(frozen=True, slots=True)
class Share:
    """The clips that one model recognizes; it trained on the audio of `num_trained` of them."""

    model: str
    clips: Sequence[Utterance]
    num_trained: int


def shares_of(models: Sequence[str], clips: Sequence[Utterance]) -> list[Share]:
    """Return the clips of each model: each clip is of the first model that did not train on it.

    A clip on which all of them trained is of the first one. A run knows its training data; a base
    and an export do not, and are taken for models that never had these clips. Raises DataError
    where a run's data.jsonl or audio is missing.
    """
    trained = [_trained_on(model, clips) for model in models]
    owners = {
        clip.id: next((i for i, ids in enumerate(trained) if clip.id not in ids), 0)
        for clip in clips
    }
    shares = []
    for number, (model, ids) in enumerate(zip(models, trained, strict=True)):
        own = [clip for clip in clips if owners[clip.id] == number]
        shares.append(Share(model, own, sum(clip.id in ids for clip in own)))
    return shares


def warnings_of(shares: Sequence[Share]) -> list[str]:
    """Return a warning for each model that recognizes clips on which it trained."""
    return [
        f"{share.model} trained on {share.num_trained:,} of the {len(share.clips):,} clips that it "
        "recognized: wrong transcripts that it learned look right. Repeat --model with a base, or "
        "with a run that did not train on them (--folds)"
        for share in shares
        if share.num_trained
    ]


def _trained_on(model: str, clips: Sequence[Utterance]) -> frozenset[str]:
    path = Path(model).expanduser()
    if not is_run(path):
        return frozenset()
    trained = [each for each in read_facts(RunDir(path).data) if each.split == "train"]
    return frozenset(find_leaks(trained, facts_of(clips)).audio)
