import json
from pathlib import Path

import numpy as np
import pytest
from runs import byte_tokens

from mothertongue.data.manifest import Utterance, write_manifest
from mothertongue.decoding.lm.folder import (
    ARPA,
    RECORD,
    SENTENCES,
    build,
    open_model,
    read_record,
    seen_sentences,
)
from mothertongue.decoding.transcript import DecodeConfig
from mothertongue.errors import ConfigError, DataError
from mothertongue.model.tokenizer import Tokens

LONG = "moja mbili tatu nne tano sita saba nane tisa kumi"


@pytest.fixture(scope="module")
def byte() -> Tokens:
    return byte_tokens()


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A manifest; nobody listens to its clips."""
    texts = {"train": ["Habari ya asubuhi", "Chai!"], "validation": ["Chai."], "test": [LONG]}
    rows = [
        Utterance(f"{split}{i}", f"{i}.wav", text, "sw", 1.0, split=split)  # type: ignore[arg-type]
        for split, rows in texts.items()
        for i, text in enumerate(rows)
    ]
    write_manifest(tmp_path / "data" / "manifest.jsonl", rows)
    return tmp_path / "data"


def test_a_manifest_of_another_name_is_no_text(data: Path, byte: Tokens, tmp_path: Path) -> None:
    moved = (data / "manifest.jsonl").rename(data / "swahili.jsonl")
    record = build([moved], [], byte, 3, tmp_path / "lm")
    assert (record.sentences, record.taken_out, record.held_out) == (1, 1, 2)
    assert seen_sentences(tmp_path / "lm", ["Habari ya asubuhi", "Chai."]) == 1


def test_held_out_sentences_are_taken_out_of_all_texts(
    data: Path, byte: Tokens, tmp_path: Path
) -> None:
    text = tmp_path / "more.txt"
    shares_8_words = "na " + " ".join(LONG.split()[1:9]) + " basi"
    shares_7_words = "na " + " ".join(LONG.split()[1:8]) + " basi"
    lines = ["Karibu sana", "", "CHAI", shares_8_words, shares_7_words, " ... "]
    text.write_text("\n".join(lines), encoding="utf-8")
    record = build([data, text], [], byte, 3, tmp_path / "lm")
    assert (record.sentences, record.taken_out, record.held_out) == (3, 3, 2)
    kept = ["habari ya asubuhi", "Karibu sana", shares_7_words]
    assert seen_sentences(tmp_path / "lm", [*kept, "chai", LONG, shares_8_words]) == 3
    assert record.tokens == sum(len(byte.encode(each)) for each in kept)


def test_a_file_alone_is_held_against_the_data_that_is_named(
    data: Path, byte: Tokens, tmp_path: Path
) -> None:
    text = tmp_path / "more.txt"
    text.write_text(f"Karibu\n{LONG}\n", encoding="utf-8")
    assert build([text], [], byte, 3, tmp_path / "lm").sentences == 2
    assert build([text], [data], byte, 3, tmp_path / "lm").sentences == 1


def test_the_model_is_that_of_the_tokens_and_is_read_again(
    data: Path, byte: Tokens, tmp_path: Path
) -> None:
    record = build([data], [], byte, 3, tmp_path / "lm")
    model = open_model(tmp_path / "lm", byte)
    assert read_record(tmp_path / "lm") == record
    assert record.ngrams == tuple((model.lengths() == n).sum() for n in (1, 2, 3))
    text = [model.index[byte.piece(token)] for token in byte.encode("Habari ya asubuhi")]
    assert model.log_probability(text) > model.log_probability(text[::-1]) + 5


def test_what_a_killed_command_left_is_swept(data: Path, byte: Tokens, tmp_path: Path) -> None:
    left = tmp_path / f".tmp-{'0' * 32}"
    left.mkdir()
    build([data], [], byte, 3, tmp_path / "lm")
    assert not left.exists()


def test_no_piece_of_whispers_vocabulary_is_taken_for_the_edge_of_a_sentence(
    tokens: Tokens,
) -> None:
    pieces = [tokens.piece(token) for token in range(tokens.end)]
    assert not {"<s>", "</s>", "<unk>"} & set(pieces)
    assert len(set(pieces)) == len(pieces)
    # One token is empty; no text has it.
    assert [piece for piece in pieces if piece.split() != [piece]] == [""]


def test_a_text_of_nothing_but_held_out_sentences_is_refused(
    data: Path, byte: Tokens, tmp_path: Path
) -> None:
    text = tmp_path / "more.txt"
    text.write_text(LONG, encoding="utf-8")
    with pytest.raises(DataError, match="no sentence is left of 1"):
        build([text], [data], byte, 3, tmp_path / "lm")
    text.write_text("\r\n ...\r\n", encoding="utf-8")
    with pytest.raises(DataError, match="no sentence is there; expected text"):
        build([text], [], byte, 3, tmp_path / "lm")
    assert not (tmp_path / "lm").exists()


@pytest.mark.parametrize("content", [b"\xff\xfeK\x00", None])
def test_a_text_that_cannot_be_read_is_named(
    byte: Tokens, tmp_path: Path, content: bytes | None
) -> None:
    text = tmp_path / "more.txt"
    if content is not None:
        text.write_bytes(content)
    with pytest.raises(DataError, match=r"more\.txt: cannot be read"):
        build([text], [], byte, 3, tmp_path / "lm")


def test_only_a_language_model_is_replaced(data: Path, byte: Tokens, tmp_path: Path) -> None:
    """Prepared data would be lost, with the decisions in its folder."""
    before = sorted(path.name for path in data.iterdir())
    with pytest.raises(ConfigError, match=r"has manifest\.jsonl, which is not of a language"):
        build([data], [], byte, 3, data)
    assert sorted(path.name for path in data.iterdir()) == before
    out = tmp_path / "lm"
    assert build([data], [], byte, 3, out).order == 3
    assert build([data], [], byte, 2, out).order == 2
    assert read_record(out).order == 2


@pytest.mark.parametrize("name", ["corpus.csv", "CORPUS.TSV", "corpus.json"])
def test_a_table_is_no_text(byte: Tokens, tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("audio,text\na.wav,moja mbili\n", encoding="utf-8")
    with pytest.raises(DataError, match=f"{name}: a table, whose paths would be learned as text; "):
        build([tmp_path / name], [], byte, 3, tmp_path / "lm")


def test_what_is_damaged_is_refused(
    data: Path, byte: Tokens, tokens: Tokens, tmp_path: Path
) -> None:
    folder = tmp_path / "lm"
    with pytest.raises(DataError, match=r"no lm\.json"):
        open_model(folder, byte)
    build([data], [], byte, 3, folder)
    with pytest.raises(DataError, match="made for a vocabulary of 1,768 tokens"):
        open_model(folder, tokens)
    (folder / ARPA).write_text("changed")
    with pytest.raises(DataError, match="changed since it was made"):
        open_model(folder, byte)
    (folder / ARPA).unlink()
    with pytest.raises(DataError, match=r"lm\.arpa: changed since it was made"):
        open_model(folder, byte)
    record = json.loads((folder / RECORD).read_text())
    (folder / RECORD).write_text(json.dumps(record | {"format_version": 99}))
    with pytest.raises(DataError, match=r"lm\.json: damaged, or of another version"):
        open_model(folder, byte)
    (folder / RECORD).write_text(json.dumps({"order": 3}))
    with pytest.raises(DataError, match=r"lm\.json: damaged"):
        open_model(folder, byte)


@pytest.mark.parametrize("content", [None, b"", b"\xff\xfe" * 50, "floats", "half"])
def test_damaged_hashes_of_sentences_are_refused(
    data: Path, byte: Tokens, tmp_path: Path, content: bytes | str | None
) -> None:
    folder = tmp_path / "lm"
    build([data], [], byte, 3, folder)
    path = folder / SENTENCES
    if content is None:
        path.unlink()
    elif content == "floats":
        np.save(path, np.zeros(3))
    else:
        path.write_bytes(content if isinstance(content, bytes) else path.read_bytes()[:-9])
    with pytest.raises(DataError, match=r"sentences\.npy: not the hashes of the sentences"):
        seen_sentences(folder, ["habari"])


@pytest.mark.parametrize(
    ("held_out", "unspaced"),
    [
        ("มนุษย์ทั้งหลายเกิดมามีอิสระและเสมอภาคกัน", "th"),
        ("人人生而自由在尊严和权利上一律平等他们赋有理性和良心并应以兄弟关系的精神相对待", "zh"),
    ],
)
def test_a_part_of_a_held_out_sentence_is_found_where_no_space_stands_between_words(
    held_out: str, unspaced: str, byte: Tokens, tmp_path: Path
) -> None:
    """A paragraph of such a script is one word."""
    row = Utterance("a", "a.wav", held_out, unspaced, 1.0, split="test")
    write_manifest(tmp_path / "data" / "manifest.jsonl", [row])
    text = tmp_path / "more.txt"
    kept = [held_out[:20], held_out[10:30] + "ABC"]
    paragraphs = [f"ABC {held_out} ABC", f"ABC{held_out[:28]}"]
    text.write_text("\n".join([*kept, *paragraphs]), encoding="utf-8")
    record = build([text], [tmp_path / "data"], byte, 3, tmp_path / "lm")
    assert (record.sentences, record.taken_out) == (2, 2)
    assert seen_sentences(tmp_path / "lm", kept) == 2


def test_decoding_is_told_apart_by_the_model_in_the_folder(
    data: Path, byte: Tokens, tmp_path: Path
) -> None:
    """Else scores and transcripts with one that was made anew would pass for the same."""
    folder, text = tmp_path / "lm", tmp_path / "more.txt"
    first = build([data], [], byte, 3, folder)
    config = DecodeConfig(lm=folder, lm_weight=0.2)
    assert config.facts()["lm_sha256"] == first.arpa_sha256
    text.write_text("Karibu sana\n", encoding="utf-8")
    second = build([data, text], [], byte, 3, folder)
    assert config.facts()["lm_sha256"] == second.arpa_sha256 != first.arpa_sha256
    assert "lm_sha256" not in DecodeConfig().facts()
