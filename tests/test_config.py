from pathlib import Path
from typing import Literal

import pytest
from pydantic import Field, PositiveInt, ValidationError, model_validator

from mothertongue import strategies
from mothertongue.config import Config, choice, load, members, parse, read_yaml
from mothertongue.errors import ConfigError
from mothertongue.strategies.base import Strategy

AnyStrategy = choice(Strategy, strategies)


class Train(Config):
    learning_rate: float = 1e-5
    epochs: PositiveInt = 3


class Run(Config):
    language: str
    train: Train = Train()
    strategy: AnyStrategy = Field(default={"kind": "full"}, validate_default=True)
    shuffle: bool = True
    note: str | None = None


@pytest.fixture
def write(tmp_path: Path):
    def write(text: str) -> Path:
        path = tmp_path / "run.yaml"
        path.write_text(text, encoding="utf-8")
        return path

    return write


def fault_of(path: Path, overrides: list[str] = []) -> str:  # noqa: B006
    with pytest.raises(ConfigError) as caught:
        load(Run, path, overrides)
    return str(caught.value)


def test_file_and_defaults(write) -> None:
    run = load(Run, write("language: sw\ntrain: {epochs: 7}\n"))
    assert (run.language, run.train.epochs, run.train.learning_rate) == ("sw", 7, 1e-5)


@pytest.mark.parametrize(
    ("override", "key", "value"),
    [
        ("train.epochs=9", "epochs", 9),
        ("train.learning_rate=3e-4", "learning_rate", 3e-4),  # YAML 1.1 reads it as text
        ("train.learning_rate=0.5", "learning_rate", 0.5),
    ],
)
def test_override_of_a_number(write, override: str, key: str, value: float) -> None:
    assert getattr(load(Run, write("language: sw"), [override]).train, key) == value


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ("note=a=b", "a=b"),
        ("note=", None),
        ("note=null", None),
        ("note='7'", "7"),
        ("note=@home", "@home"),  # no YAML
        ("note=2024-13-45", "2024-13-45"),  # no date
    ],
)
def test_override_of_text(write, override: str, expected: str | None) -> None:
    assert load(Run, write("language: sw"), [override]).note == expected


def test_later_overrides_win_over_earlier_and_file(write) -> None:
    run = load(Run, write("language: sw\nnote: a"), ["note=b", "note=c", "language=ha"])
    assert (run.note, run.language) == ("c", "ha")


@pytest.mark.parametrize("word", ["no", "on", "off", "yes", "y", "n"])
def test_norwegian_is_a_language(write, word: str) -> None:
    assert load(Run, write(f"language: {word}")).language == word
    assert load(Run, write("language: sw"), [f"language={word}"]).language == word


@pytest.mark.parametrize(("word", "value"), [("true", True), ("False", False), ("no", False)])
def test_booleans(write, word: str, value: bool) -> None:
    assert load(Run, write(f"language: sw\nshuffle: {word}")).shuffle is value


def test_every_fault_is_listed_with_its_key(write) -> None:
    path = write("train: {epochs: 0, epohcs: 1}\nstrategy: {kind: freeze, encoder_layers: many}")
    assert fault_of(path) == (
        f"{path}: not a valid run:\n"
        "  language: required, but not given\n"
        "  train.epochs: Input should be greater than 0 (got 0)\n"
        "  train.epohcs: unknown key; check the spelling in docs/configuration.md\n"
        "  strategy.encoder_layers: Input should be a valid integer, unable to parse string as an "
        "integer (got 'many')"
    )


class TwoKeys(Config):
    low: int
    high: int

    @model_validator(mode="after")
    def _in_order(self) -> "TwoKeys":
        if self.low > self.high:
            raise ValueError("low is above high; exchange them")
        return self


def test_a_fault_of_several_keys_is_our_own_sentence() -> None:
    with pytest.raises(ConfigError) as caught:
        parse(TwoKeys, {"low": 2, "high": 1}, "options")
    assert str(caught.value) == (
        "options: not valid two keys:\n  (top level): low is above high; exchange them"
    )


def test_missing_key_of_a_kind(write) -> None:
    path = write("language: sw\nstrategy: {kind: freeze}")
    assert fault_of(path) == (
        f"{path}: not a valid run:\n  strategy.encoder_layers: required, but not given"
    )


def test_unknown_kind(write) -> None:
    message = fault_of(write("language: sw\nstrategy: {kind: prayer}"))
    assert "strategy: Input tag 'prayer' found using 'kind' does not match any of the" in message
    assert "'freeze', 'full'" in message


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("epochs", "override 'epochs': expected key=value, such as train.epochs=3"),
        ("=3", "override '=3': expected key=value, such as train.epochs=3"),
        ("language.a=3", "override 'language.a=3': 'language' is a value, it has no keys"),
    ],
)
def test_override_that_is_none(write, override: str, message: str) -> None:
    assert fault_of(write("language: sw"), [override]) == message


def test_no_file(tmp_path: Path) -> None:
    path = tmp_path / "none.yaml"
    assert fault_of(path) == f"{path}: no such file; expected a YAML file"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "got NoneType; expected 'key: value' lines"),
        ("- a\n- b", "got list; expected 'key: value' lines"),
    ],
)
def test_yaml_of_another_shape(write, text: str, message: str) -> None:
    path = write(text)
    assert fault_of(path) == f"{path}: {message}"


def test_a_key_given_twice(write) -> None:
    path = write("name: a\ntrain:\n  epochs: 1\n  epochs: 2")
    reason = "not readable as YAML: epochs given twice in the block from line 3"
    assert fault_of(path) == f"{path}: {reason}"


@pytest.mark.parametrize(
    "text",
    [
        "a: [1",
        "a: !!python/object/apply:os.getcwd []",
        "day: 2024-13-45",
        "\0",
    ],
)
def test_damaged_yaml(write, text: str) -> None:
    path = write(text)
    assert fault_of(path).startswith(f"{path}: not readable as YAML: ")


def test_yaml_aliases(write) -> None:
    path = write("a: &x 1\nb: *x")
    reason = "aliases (*name) are not accepted; write the value out"
    assert fault_of(path) == f"{path}: not readable as YAML: {reason}"


@pytest.mark.parametrize("nested", ["[", "{a: ", "- ", "? "])
def test_nesting_without_end_is_refused_before_it_is_read(write, nested: str) -> None:
    """The scanner takes minutes for as many open brackets as a megabyte has."""
    path = write("a:\n  " + nested * (900_000 // len(nested)))
    reason = "more than 50 lists or mappings in each other"
    assert fault_of(path) == f"{path}: not readable as YAML: {reason}"
    assert load(Run, write("language: sw"), [f"note={nested * 60}"]).note == nested * 60


@pytest.mark.parametrize("number", ["0x" + "f" * 5000, "!!int '1" + ":1" * 5000 + "'"])
def test_a_number_that_python_will_not_write(write, number: str) -> None:
    fault = fault_of(write(f"language: sw\nnote: {number}"))
    assert "note: Input should be a valid string (got a number of thousands of digits)" in fault


@pytest.mark.parametrize("value", ["1:30", "1" + ":1" * 100_000])
def test_times_are_text_and_no_numbers_of_base_60(write, value: str) -> None:
    assert load(Run, write(f"language: sw\nnote: {value}")).note == value


def test_a_long_value_is_cut_in_the_message(write) -> None:
    fault = fault_of(write(f"language: sw\ntrain: {{epochs: {'x' * 10_000}}}"))
    assert fault.endswith("xxx...)") and len(fault) < 500


def test_an_override_of_many_keys(write) -> None:
    fault = fault_of(write("language: sw"), ["train.epochs" + ".a" * 5000 + "=1"])
    assert fault.startswith("override 'train.epochs.a") and fault.endswith("more than 50 keys deep")


def test_yaml_in_another_encoding(tmp_path: Path) -> None:
    path = tmp_path / "run.yaml"
    path.write_bytes("language: sw  # é".encode("latin-1"))
    assert fault_of(path).startswith(f"{path}: not readable as YAML: ")


def test_yaml_of_a_megabyte(write) -> None:
    path = write("a: " + "b" * 1_000_000)
    assert fault_of(path) == f"{path}: 1,000,003 bytes; expected at most 1,000,000"


def test_text_in_many_scripts(write) -> None:
    assert read_yaml(write("note: ሰላም ọ̀ṣọ́")) == {"note": "ሰላም ọ̀ṣọ́"}


def test_configuration_is_frozen() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        Train().epochs = 4


def test_parse_names_its_origin() -> None:
    with pytest.raises(ConfigError, match=r"^record\.json: not a valid train:\n  epochs: "):
        parse(Train, {"epochs": -1}, "record.json")


def test_members_are_the_final_classes_of_a_package() -> None:
    kinds = [kind.model_fields["kind"].default for kind in members(Strategy, strategies)]
    assert kinds == sorted(kinds)
    assert {"freeze", "full"} <= set(kinds)


def test_choice_gives_the_class_of_the_kind() -> None:
    class Holder(Config):
        strategy: AnyStrategy
        kind: Literal["holder"] = "holder"

    held = parse(Holder, {"strategy": {"kind": "freeze", "encoder_layers": 2}}, "x").strategy
    assert type(held).__name__ == "Freeze"
    assert held.encoder_layers == 2
