"""Small FLEURS languages of tones, in every layout that the Hub has served."""

from io import BytesIO
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import soundfile as sf
from clips import RATE_HZ, tone, write_clip

SECONDS = 0.5
SCHEMA = pa.schema(
    {
        "id": pa.int32(),
        "num_samples": pa.int32(),
        "path": pa.string(),
        "audio": pa.struct({"bytes": pa.binary(), "path": pa.string()}),
        "transcription": pa.string(),
        "raw_transcription": pa.string(),
        "gender": pa.int64(),
        "lang_id": pa.int64(),
        "language": pa.string(),
        "lang_group_id": pa.int64(),
    }
)
# Where a language's folder has its splits: the main branch, refs/convert/parquet, its partial
# form, and its older commits.
MAIN = {
    "train": ("train-00000-of-00002.parquet", "train-00001-of-00002.parquet"),
    "validation": ("validation-00000-of-00001.parquet",),
    "test": ("test-00000-of-00001.parquet",),
}
CONVERTED = {
    "train": ("train/0000.parquet", "train/0001.parquet"),
    "validation": ("validation/0000.parquet",),
    "test": ("test/0000.parquet",),
}
PARTIAL = CONVERTED | {"train": ("partial-train/0000.parquet", "partial-train/0001.parquet")}
OLD = {
    "train": ("fleurs-train-00000-of-00002.parquet", "fleurs-train-00001-of-00002.parquet"),
    "validation": ("fleurs-validation.parquet",),
    "test": ("fleurs-test.parquet",),
}
LAYOUTS = {"main": MAIN, "converted": CONVERTED, "partial": PARTIAL, "old": OLD}
# Sentence ids by split: read once, by two speakers, or by three.
SENTENCES = {"train": [1, 1, 1, 2, 3, 4], "validation": [5, 5], "test": [6, 7, 7]}


def wav(hertz: float, seconds: float = SECONDS) -> bytes:
    """A WAV file of a tone."""
    file = BytesIO()
    sf.write(file, tone(seconds, hertz), RATE_HZ, format="WAV")
    return file.getvalue()


def record(sentence: int, name: str, hertz: float, **values: Any) -> dict[str, Any]:
    """One row as the Hub serves it."""
    return {
        "id": sentence,
        "num_samples": round(SECONDS * RATE_HZ),
        "path": f"/root/.cache/huggingface/datasets/{name}",
        "audio": {"bytes": wav(hertz), "path": name},
        "transcription": f"sentensi namba {sentence}",
        "raw_transcription": f"Sentensi, namba {sentence}!",
        "gender": 1,
        "lang_id": 89,
        "language": "Swahili",
        "lang_group_id": 4,
    } | values


def records(first_hertz: float = 300.0) -> dict[str, list[dict[str, Any]]]:
    """The rows of SENTENCES by split, each of a tone of its own."""
    found: dict[str, list[dict[str, Any]]] = {}
    number = 0
    for split, sentences in SENTENCES.items():
        found[split] = []
        for sentence in sentences:
            found[split].append(record(sentence, f"{number}.wav", first_hertz + 10 * number))
            number += 1
    return found


def write_parquet(
    folder: Path,
    splits: dict[str, list[dict[str, Any]]],
    layout: dict[str, tuple[str, ...]] = CONVERTED,
) -> Path:
    """A language's folder with the rows of each split dealt out to its files, in order."""
    for split, rows in splits.items():
        names = layout[split]
        size = -(-len(rows) // len(names))
        for number, name in enumerate(names):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            part = rows[number * size : (number + 1) * size]
            pq.write_table(pa.Table.from_pylist(part, SCHEMA), folder / name, row_group_size=2)
    return folder


def write_tsv(folder: Path, splits: dict[str, list[dict[str, Any]]]) -> Path:
    """The same rows as the raw layout."""
    for split, rows in splits.items():
        name = "dev" if split == "validation" else split
        lines = []
        for row in rows:
            clip = row["audio"]["path"]
            path = folder / "audio" / name / clip
            write_clip(path, tone(SECONDS, 300.0)).write_bytes(row["audio"]["bytes"])
            texts = (row["raw_transcription"], row["transcription"], "s e n")
            lines.append("\t".join((str(row["id"]), clip, *texts, str(row["num_samples"]), "MALE")))
        (folder / f"{name}.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder
