"""What a tiny run needs: a base with a byte-level vocabulary, a corpus of tones, an experiment."""

import os
import signal
from pathlib import Path
from typing import Any

import yaml
from clips import tone, write_clip
from tiny import save_transformers, tiny_model
from tokenizers.pre_tokenizers import ByteLevel

from mothertongue.data.manifest import Utterance, write_manifest
from mothertongue.experiment.config import Experiment, load_experiment
from mothertongue.experiment.validation import Validation
from mothertongue.model.tokenizer import Tokens

CONTROL = ["endoftext", "startoftranscript", "en", "sw", "fr", "translate", "transcribe"]
CONTROL += ["startoflm", "startofprev", "nospeech", "notimestamps"]
PATIENCE_S = 600.0  # for a process that does its work; a slow machine takes minutes
WORDS = ["moja", "mbili", "tatu", "nne", "tano", "sita", "saba", "nane", "tisa", "kumi"]


def byte_tokens() -> Tokens:
    """A tokenizer with a token for each byte, three languages and Whisper's control tokens."""
    alphabet = sorted(ByteLevel.alphabet())
    return Tokens(
        {
            "version": "1.0",
            "truncation": None,
            "padding": None,
            "added_tokens": [_added(256 + i, f"<|{name}|>") for i, name in enumerate(CONTROL)],
            "normalizer": None,
            "pre_tokenizer": _byte_level(add_prefix_space=False),
            "post_processor": None,
            "decoder": _byte_level(add_prefix_space=True),
            "model": {
                "type": "BPE",
                "vocab": {letter: i for i, letter in enumerate(alphabet)},
                "merges": [],
            },
        },
        "byte tokens",
    )


def save_base(folder: Path, seed: int = 0) -> Path:
    """A tiny Whisper of 1,768 tokens in transformers' layout: a checkpoint of it is 2 MB.

    It writes no timestamps, as a trained Whisper that is told not to: all timestamps score 0, and
    the likeliest other token more. Of random scores most of the highest are those of timestamps,
    which are 1,501 of the tokens; transformers does not suppress them.
    """
    tokens = byte_tokens()
    model = tiny_model(tokens, seed=seed, d_model=32, encoder_ffn_dim=64, decoder_ffn_dim=64)
    model.model.decoder.embed_tokens.weight.data[tokens.no_timestamps + 1 :] = 0
    model.generation_config.suppress_tokens = []
    model.generation_config.begin_suppress_tokens = []
    return save_transformers(model, tokens, folder)


def save_corpus(folder: Path, train: int = 12, validation: int = 3, test: int = 3) -> Path:
    """A manifest of tones of 0.5 to 2.4 s; the pitch says the word.

    Each split has its own tones, by 1 Hz: no sound is in two.
    """
    utterances = []
    splits = (("train", train), ("validation", validation), ("test", test))
    for shift_hz, (split, count) in enumerate(splits):
        for i in range(count):
            seconds, word = 0.5 + (i * 7 % 20) / 10, WORDS[i % len(WORDS)]
            path = write_clip(
                folder / f"{split}{i}.wav", tone(seconds, 200.0 + 150 * (i % 10) + shift_hz)
            )
            facts = {"language": "sw", "duration_s": seconds, "split": split}
            clip = Utterance(f"{split}{i}", path.name, word, speaker=f"s{i % 2}", **facts)
            utterances.append(clip)
    write_manifest(folder / "manifest.jsonl", utterances)
    return folder


def write_experiment(folder: Path, base: Path, data: Path, **changes: Any) -> Path:
    """The YAML of a run of 6 steps an epoch over two epochs, on float32."""
    train = {
        "epochs": 2,
        "batch_size": 2,
        "learning_rate": 1e-3,
        "precision": "fp32",
        "eval_every_steps": 4,
        "save_every_steps": 3,
    }
    experiment = {
        "name": "tiny",
        "base": str(base),
        "language": "sw",
        "data": str(data),
        "strategy": changes.pop("strategy", {"kind": "full"}),
        "train": train | changes,
    }
    path = folder / "experiment.yaml"
    path.write_text(yaml.safe_dump(experiment), encoding="utf-8")
    return path


def tiny_experiment(folder: Path, base: Path, data: Path, **changes: Any) -> Experiment:
    """The same, loaded."""
    return load_experiment(write_experiment(folder, base, data, **changes))


def validation(wer: float, cer: float | None = None, loss: float | None = None) -> Validation:
    """A result of these rates, with intervals of 0.1 on either side."""
    cer = wer if cer is None else cer
    return Validation(wer, (wer - 0.1, wer + 0.1), cer, (cer - 0.1, cer + 0.1), loss)


class Silent:
    """A watcher that remembers what it was told."""

    def __init__(self) -> None:
        self.losses: list[float] = []
        self.wers: list[float] = []
        self.notes: list[str] = []
        self.began_at = 0

    def begun(self, step: int, total_steps: int) -> None:
        self.began_at = step

    def stepped(self, step: int, loss: float, learning_rate: float) -> None:
        self.losses.append(loss)

    def validated(self, step: int, found: Validation, is_best: bool) -> None:
        self.wers.append(found.wer)

    def noted(self, message: str) -> None:
        self.notes.append(message)


class After(Silent):
    """Sends a signal to this very process after a step."""

    def __init__(self, step: int, number: int = signal.SIGTERM) -> None:
        super().__init__()
        self.step, self.number = step, number

    def stepped(self, step: int, loss: float, learning_rate: float) -> None:
        super().stepped(step, loss, learning_rate)
        if step == self.step:
            os.kill(os.getpid(), self.number)


def _added(number: int, content: str) -> dict[str, Any]:
    flags = dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized"), False)
    return {"id": number, "content": content, "special": True, **flags}


def _byte_level(add_prefix_space: bool) -> dict[str, Any]:
    return {
        "type": "ByteLevel",
        "add_prefix_space": add_prefix_space,
        "trim_offsets": True,
        "use_regex": False,
    }
