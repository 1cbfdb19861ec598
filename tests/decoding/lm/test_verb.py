"""A language model from its texts to a transcript, as a user types it."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from runs import WORDS, save_base, save_corpus
from typer.testing import CliRunner

from mothertongue.cli import app
from mothertongue.errors import ConfigError, DataError
from mothertongue.evaluation.lm_weight import WEIGHTS

Made = tuple[Path, Path, Path]


def run(*arguments: object) -> Result:
    done = CliRunner().invoke(app, [*map(str, arguments), "--json", "-"], catch_exceptions=False)
    assert done.exit_code == 0
    return done


def call(*arguments: object) -> Any:
    """The JSON that a verb prints."""
    return json.loads(run(*arguments).stdout)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """A base, data and a text with the same words."""
    folder = tmp_path_factory.mktemp("lm")
    (folder / "text.txt").write_text("\n".join([*WORDS, "habari ya asubuhi"]), encoding="utf-8")
    return save_base(folder / "base"), save_corpus(folder / "data"), folder / "text.txt"


def test_from_texts_to_a_transcript(made: Made, tmp_path: Path) -> None:
    base, data, text = made
    folder = tmp_path / "lm"
    record = call("lm", text, "--base", base, "--order", 3, "--held-out", data, "--out", folder)
    # Three words are in validation, the same three in test.
    assert (record["sentences"], record["taken_out"], record["held_out"]) == (8, 3, 3)
    options = ("--lm", folder, "--beam-size", 3)
    with pytest.raises(ConfigError, match="was not chosen"):
        call("transcribe", base, data / "test0.wav", "--language", "sw", *options)

    scores = call("evaluate", base, "--data", data, *options)
    assert [each["weight"] for each in scores["lm"]["trials"]] == list(WEIGHTS)
    best = min(scores["lm"]["trials"], key=lambda each: (each["wer"], each["weight"]))
    assert scores["decoding"]["lm_weight"] == best["weight"]
    assert scores["lm"]["clips_with_seen_sentences"] == 0
    call("transcribe", base, data / "test0.wav", "--language", "sw", *options)

    weighed = call("evaluate", base, "--data", data, *options, "--lm-weight", 2)
    assert weighed["decoding"]["lm_weight"] == 2
    assert weighed["lm"]["trials"] == []
    plain = call("evaluate", base, "--data", data, "--beam-size", 3)
    assert plain["lm"] is None and "lm" not in plain["decoding"]


def test_sentences_that_it_was_made_of_are_counted(made: Made, tmp_path: Path) -> None:
    base, data, text = made
    call("lm", text, "--base", base, "--out", tmp_path / "lm")
    done = run("evaluate", base, "--data", data, "--lm", tmp_path / "lm", "--lm-weight", 0.5)
    scores = json.loads(done.stdout)
    assert scores["lm"]["clips_with_seen_sentences"] == scores["scores"]["strict"]["n"] == 3
    assert "the sentences of 3 of the 3 clips" in " ".join(done.stderr.split())

    done = run("evaluate", base, "--data", data, "--lm", tmp_path / "lm")
    said = " ".join(done.stderr.split())
    assert "the sentences of 3 of the 3 validation clips, which then choose too large" in said


def test_a_weight_is_not_chosen_on_what_is_scored(made: Made, tmp_path: Path) -> None:
    base, data, text = made
    call("lm", text, "--base", base, "--out", tmp_path / "lm")
    with pytest.raises(ConfigError, match="give --lm-weight, or score another split"):
        call(
            *("evaluate", base, "--data", data, "--split", "validation"),
            *("--lm", tmp_path / "lm"),
        )


def test_a_weight_without_a_model_is_refused(made: Made) -> None:
    base, data, _ = made
    with pytest.raises(ConfigError, match="lm_weight"):
        call("evaluate", base, "--data", data, "--lm-weight", 0.3)


def test_hot_words_of_evaluate_and_transcribe(made: Made, tmp_path: Path) -> None:
    base, data, _ = made
    names = tmp_path / "names.txt"
    names.write_text("Nairobi\nDar es Salaam\n")
    options = ("--hotwords", names, "--hotwords-weight", 3)
    scores = call("evaluate", base, "--data", data, *options)
    assert scores["decoding"]["hotwords_weight"] == 3
    assert scores["decoding"]["hotwords_sha256"]
    call("transcribe", base, data / "test0.wav", "--language", "sw", *options)
    names.write_text("\n")
    with pytest.raises(DataError, match="no words"):
        call("evaluate", base, "--data", data, *options)


@pytest.mark.parametrize("verb", ["evaluate", "transcribe", "label"])
def test_a_folder_without_a_model_is_named(made: Made, tmp_path: Path, verb: str) -> None:
    """Whatever is wrong with its weight: it is no model at all."""
    base, data, _ = made
    rest = {
        "evaluate": ("--data", data),
        "transcribe": (data / "test0.wav", "--language", "sw"),
        "label": (data / "test0.wav", "--language", "sw", "--out", tmp_path / "out"),
    }
    with pytest.raises(DataError, match=r"no: no lm\.json; make one with: mothertongue lm TEXT"):
        call(verb, base, *rest[verb], "--lm", tmp_path / "no")


def test_a_server_of_several_languages_takes_no_model_of_one(made: Made, tmp_path: Path) -> None:
    words = ["serve", f"a={made[0]}", f"b={made[0]}", "--lm", str(tmp_path)]
    with pytest.raises(ConfigError, match="2 models are served"):
        CliRunner().invoke(app, words, catch_exceptions=False)
