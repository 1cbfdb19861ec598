"""Bad files that a verb reads beside its data: word lists, language models, replay, noise."""

import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from faults.home import Home
from faults.inputs import BAD_DATA, BAD_USE, Input, Write, content
from faults.sounds import RATE_HZ, by_soundfile, cut, whole
from mothertongue.system.files import sha256_file

FLOAT = {"format": "WAV", "subtype": "FLOAT"}
OTHER_LANGUAGE = {"id": "a", "audio": "a.wav", "text": "bonjour", "language": "fr"}
OTHER_LANGUAGE |= {"duration_s": 1.0, "split": "train"}

NO_TOKENS = ("replay-unknown-language.jsonl", "replay-no-token.jsonl")


def inputs() -> Iterator[Input]:
    """Every one of them."""
    for name, write in _bad_words().items():
        yield Input("words", name, write)
    for name, write in _odd_words().items():
        yield Input("words", name, write, code=0)
    for name, write in _bad_texts().items():
        yield Input("texts", name, write)
    for name, write in _language_models().items():
        yield Input("lm", name, write)
    for how in _damages():
        name = f"sentences-{how}"
        change = _lm_with("sentences.npy", _damages()[how])
        yield Input("lm", name, change, names="sentences.npy", only=("evaluate",))
    for name, text in _weights().items():
        yield Input("weights", name, _lm_weighed(text), names="weights.json")
    for name, (write, shown) in _replays().items():
        # A language without a token is a matter of settings: another one can lend its token.
        code = BAD_USE if name in NO_TOKENS else BAD_DATA
        yield Input("replay", name, write, code, names=shown or name)
    for name, (sounds, code) in _sounds().items():
        yield Input("noise", name, _folder(sounds), code)
        of_room = BAD_DATA if name == "silent" else code  # it would silence the clip
        yield Input("responses", f"room-{name}", _folder(sounds), of_room)
    for name, write in _odd_folders().items():
        yield Input("noise", name, write, BAD_USE)
    # Over the 10 minutes that a noise may have, and the 10 s of a room.
    long = by_soundfile(np.zeros(601 * RATE_HZ, np.float32), format="FLAC", subtype="PCM_16")
    yield Input("noise", "noise-long", _folder({"a.flac": long}))
    yield Input("responses", "room-long", _folder({"a.flac": long}))
    for name, (files, shown) in _long().items():
        yield Input("long", name, _folder(files), names=shown)


def _bad_words() -> dict[str, Write]:
    """Return files of which no word can be read."""
    return {
        "words-missing.txt": lambda path, home: None,
        "words-nothing.txt": content(b""),
        "words-comments.txt": content("# majina\n#\n"),
        "words-blank.txt": content(" \t\n\u3000\n"),
        "words-zeros.txt": content(bytes(2000)),
        "words-binary.txt": content(b"\xff\xfe\x00\x80" * 50),
        "words-latin1.txt": content("mañana\n".encode("latin-1")),
        "words-utf16.txt": content("Asha\n".encode("utf-16")),
        "words-half-a-letter.txt": content(b"Asha\n\xc3"),
        "words-folder.txt": lambda path, home: path.mkdir(),
        "words-pipe.txt": lambda path, home: os.mkfifo(path),
        "words-device.txt": lambda path, home: path.symlink_to("/dev/zero"),
        "words-circle.txt": lambda path, home: path.symlink_to(path.name),
        "words-one-line.txt": content("neno " * 40_000),  # no search can follow so long a word
    }


def _odd_words() -> dict[str, Write]:
    """Return files that are taken: each line is a word, or the start of one that is never met."""
    return {
        "odd-control-tokens.txt": content("<|endoftext|>\n<|sw|>\n"),
        "odd-controls.txt": content("a\x00b\n\x1b[2J\n"),
        "odd-separators.txt": content("Asha\u2028Juma\r\nAli\x0bBi\n"),
        "odd-punctuation.txt": content("?!\n...\n-\n"),
        "odd-invisible.txt": content("\u200b\n\u200e\u2060\n\uffff\n"),
        "odd-combining.txt": content("\u0301\ne" + "\u0301" * 50 + "\n"),
        "odd-mark.txt": content("\ufeffAsha\n"),
        "odd-same.txt": content("Asha\n" * 1000),
        "odd-prefixes.txt": content("\n".join("a" * n for n in range(1, 100))),
        "odd-many.txt": content("\n".join(f"jina{n}" for n in range(5000))),
        "odd-scripts.txt": content("東京\nمريم\nอรุณ\n\U0001f9d1\u200d\U0001f4bb\n"),
    }


def _bad_texts() -> dict[str, Write]:
    """Return texts that `lm` has to refuse."""
    return {
        "texts-missing.txt": lambda path, home: None,
        "texts-nothing.txt": content(b""),
        "texts-blank.txt": content("\n \n...\n"),
        "texts-binary.txt": content(b"\xff\xfe\x00\x80" * 50),
        "texts-utf16.txt": content("habari\n".encode("utf-16")),
        "texts-folder": lambda path, home: path.mkdir(),
        "texts-circle.txt": lambda path, home: path.symlink_to(path.name),
    }


def _language_models() -> dict[str, Write]:
    """Return folders that `lm` wrote, of which one file is damaged, or says the impossible."""
    found: dict[str, Write] = {
        "lm-missing": lambda path, home: None,
        "lm-empty": lambda path, home: path.mkdir(),
        "lm-words": content("habari"),
    }
    for file in ("lm.json", "lm.arpa"):
        for how, change in _damages().items():
            found[f"{file}-{how}"] = _lm_with(file, change)
    for key, value in {
        "vocabulary_size": 7,
        "order": "five",
        "ngrams": 7,
        "arpa_sha256": None,
        "format_version": 99,
    }.items():
        found[f"lm-{key}"] = _lm_with("lm.json", _with_value(key, value))
    for name, text in _arpas().items():
        found[f"arpa-{name}"] = _lm_of(text)
    return found


def _damages() -> dict[str, Callable[[Path], object]]:
    return {
        "missing": lambda path: path.unlink(),
        "nothing": lambda path: path.write_bytes(b""),
        "half": lambda path: path.write_bytes(path.read_bytes()[: path.stat().st_size // 2]),
        "binary": lambda path: path.write_bytes(b"\xff\xfe\x00\x80" * 50),
        "folder": _as_folder,
    }


def _as_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def _with_value(key: str, value: Any) -> Callable[[Path], object]:
    return lambda path: path.write_text(json.dumps(json.loads(path.read_text()) | {key: value}))


def _lm_with(file: str, change: Callable[[Path], object]) -> Write:
    def write(path: Path, home: Home) -> None:
        shutil.copytree(home.lm, path)
        change(path / file)

    return write


def _arpas() -> dict[str, str]:
    """Return ARPA files that contradict themselves."""
    head = "\\data\\\nngram 1=3\nngram 2=1\n\n"
    ones = "\\1-grams:\n-1\t<s>\t-1\n-1\t</s>\n-1\ta\t-1\n\n"
    twos, end = "\\2-grams:\n-1\ta a\n\n", "\\end\\\n"
    return {
        "no-words": head + "\\1-grams:\n\n" + end,
        "no-end-word": head + ones.replace("</s>", "z") + end,
        "no-end": head + ones + twos,
        "unknown-word": head + ones + twos.replace("a a", "a zz") + end,
        "no-parent": head + ones + twos + "\\3-grams:\n-1\t<s> a a\n\n" + end,
        "twice": head + ones + twos.replace("\n\n", "\n-1\ta a\n\n") + end,
        "word-twice": head + ones.replace("-1\ta\t-1", "-1\ta\t-1\n-1\ta\t-1") + twos + end,
        "no-number": head + ones.replace("-1\ta", "one\ta") + end,
        "nan": head + ones.replace("-1\ta", "nan\ta") + twos + end,
        "infinite": head + ones.replace("-1\ta\t-1", "-1\ta\tinf") + twos + end,
        "certain-and-more": head + ones.replace("-1\ta", "5\ta") + twos + end,
    }


def _lm_of(text: str) -> Write:
    """A model of this ARPA file, whose record has its digest."""

    def write(path: Path, home: Home) -> None:
        shutil.copytree(home.lm, path)
        (path / "lm.arpa").write_text(text, "utf-8")
        _with_value("arpa_sha256", sha256_file(path / "lm.arpa"))(path / "lm.json")

    return write


def _weights() -> dict[str, str]:
    """Return files of chosen weights in a model's folder."""
    return {
        "weights-nothing": "",
        "weights-list": "[]",
        "weights-text": '{"BASE": "much"}',
        "weights-huge": '{"BASE": 99}',
        "weights-negative": '{"BASE": -1}',
        "weights-nan": '{"BASE": NaN}',
        "weights-deep": "[" * 100_000,
    }


def _lm_weighed(text: str) -> Write:
    def write(path: Path, home: Home) -> None:
        shutil.copytree(home.lm, path)
        (path / "weights.json").write_text(text.replace("BASE", str(home.base)), "utf-8")

    return write


def _replays() -> dict[str, tuple[Write, str]]:
    """Return manifests for `train.replay`: broken, or of clips that are broken or not for it.

    Each has what the message shows, where that is not its name.
    """

    def of(sound: bytes | None = None, **changes: Any) -> Write:
        def write(path: Path, home: Home) -> None:
            (path.parent / "a.wav").write_bytes(whole("wav") if sound is None else sound)
            path.write_text(json.dumps(OTHER_LANGUAGE | changes) + "\n", "utf-8")

        return write

    whole_files: dict[str, Write] = {
        "missing.jsonl": lambda path, home: None,
        "nothing.jsonl": content(b""),
        "empty": lambda path, home: path.mkdir(),
        "words.jsonl": content("habari\n"),
        "half.jsonl": content(json.dumps(OTHER_LANGUAGE)[:40]),
        "utf16.jsonl": content(json.dumps(OTHER_LANGUAGE).encode("utf-16")),
        "deep.jsonl": content("[" * 100_000),
        "pipe.jsonl": lambda path, home: os.mkfifo(path),
        "same-language.jsonl": of(language="sw"),
        "test-alone.jsonl": of(split="test"),
        "outside.jsonl": of(audio="../../etc/passwd"),
        "log-probability.jsonl": of(average_log_probability=1.0),
        "split.jsonl": of(split="later"),
        "field.jsonl": of(colour="red"),
    }
    clips: dict[str, tuple[Write, str]] = {
        "unknown-language.jsonl": (of(language="klingon!"), "klingon!"),
        "no-token.jsonl": (of(language="yo"), "yo"),
        "no-text.jsonl": (of(text=""), "replay:a"),
        "long-text.jsonl": (of(text="neno " * 2000), "replay:a"),
        "missing-clip.jsonl": (of(audio="nowhere.wav"), "nowhere.wav"),
        "too-long.jsonl": (of(duration_s=31.0), "replay:a"),
        "duration.jsonl": (of(duration_s=7.0), "a.wav"),
        "cut-clip.jsonl": (of(cut(whole("wav"), 0.6)), "a.wav"),
        "empty-clip.jsonl": (of(b""), "a.wav"),
        "words-as-clip.jsonl": (of(b"habari"), "a.wav"),
    }
    return {f"replay-{name}": (write, "") for name, write in whole_files.items()} | {
        f"replay-{name}": each for name, each in clips.items()
    }


def _sounds() -> dict[str, tuple[Mapping[str, bytes], int]]:
    """Return the only sound of a folder, and the exit code of a run that mixes it in."""
    noise_N = np.random.default_rng(0).normal(0, 0.1, RATE_HZ // 2).astype(np.float32)
    nan_N = noise_N.copy()
    nan_N[100] = np.nan
    good = by_soundfile(noise_N)
    return {
        "nothing": ({"a.wav": b""}, BAD_DATA),
        "words": ({"a.wav": b"habari"}, BAD_DATA),
        "cut": ({"a.wav": cut(good, 0.6)}, BAD_DATA),
        "header": ({"a.wav": good[:44]}, BAD_DATA),
        "cut-flac": ({"a.flac": cut(whole("flac"), 0.5)}, BAD_DATA),
        "cut-m4a": ({"a.m4a": cut(whole("m4a"), 0.9)}, BAD_DATA),
        "nan": ({"a.wav": by_soundfile(nan_N, **FLOAT)}, BAD_DATA),
        "huge": ({"a.wav": by_soundfile(noise_N * 1e30, **FLOAT)}, BAD_DATA),
        "text-alone": ({"a.txt": b"habari"}, BAD_USE),
        "good": ({"a.wav": good}, 0),
        "silent": ({"a.wav": by_soundfile(np.zeros(RATE_HZ, np.float32))}, 0),
        "one-sample": ({"a.wav": by_soundfile(noise_N[:1])}, 0),
        "odd-name": ({os.fsdecode(b"a\xff\xfe [bold].wav"): good}, 0),
    }


def _odd_folders() -> dict[str, Write]:
    """Return folders of sounds that have none."""

    def with_pipe(path: Path, home: Home) -> None:
        path.mkdir()
        os.mkfifo(path / "a.wav")

    def with_link(path: Path, home: Home) -> None:
        path.mkdir()
        (path / "a.wav").symlink_to("/dev/zero")
        (path / "b").symlink_to(path, target_is_directory=True)

    return {
        "noise-missing": lambda path, home: None,
        "noise-empty": lambda path, home: path.mkdir(),
        "noise-file": content(whole("wav")),
        "noise-pipe": with_pipe,
        "noise-device": with_link,
    }


def _long() -> dict[str, tuple[Mapping[str, bytes], str]]:
    """Return folders of recordings with texts for `--long-form`, and what the message shows."""
    sound = whole("wav")
    return {
        "long-no-text": ({"a.wav": sound}, "a.txt"),
        "long-text-nothing": ({"a.wav": sound, "a.txt": b""}, "a.txt"),
        "long-text-blank": ({"a.wav": sound, "a.txt": b" \n\t\n"}, "a.txt"),
        "long-text-binary": ({"a.wav": sound, "a.txt": b"\xff\xfe\x00\x80" * 50}, "a.txt"),
        "long-text-latin1": ({"a.wav": sound, "a.txt": b"ma\xf1ana"}, "a.txt"),
        "long-sound-nothing": ({"a.wav": b"", "a.txt": b"habari"}, "a.wav"),
        "long-sound-cut": ({"a.wav": cut(sound, 0.6), "a.txt": b"habari"}, "a.wav"),
        "long-sound-words": ({"a.wav": b"habari", "a.txt": b"habari"}, "a.wav"),
        "long-nothing": ({"a.txt": b"habari"}, "long-nothing"),
    }


def _folder(files: Mapping[str, bytes]) -> Write:
    def write(path: Path, home: Home) -> None:
        path.mkdir()
        for name, data in files.items():
            (path / name).write_bytes(data)

    return write
