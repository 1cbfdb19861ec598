"""Make corpora of tones, and prepare them."""

import json
from pathlib import Path

from clips import tone, write_clip

from mothertongue.data.data_report import DataReport
from mothertongue.data.manifest import Utterance, read_manifest
from mothertongue.data.prepare import PrepareOptions, prepare
from mothertongue.data.sources.detect import detect
from mothertongue.system.files import sha256_file, write_json

Record = dict[str, object]


def count_characters(text: str, language: str) -> int:
    return len(text) + 5


def options(**values: object) -> PrepareOptions:
    return PrepareOptions.model_validate({"language": "sw", "workers": 2} | values)


def corpus(folder: Path, records: list[Record]) -> Path:
    """Write a JSONL table, and a different tone for every clip in it that does not exist yet."""
    folder.mkdir(exist_ok=True)
    for number, record in enumerate(records):
        path = folder / str(record["audio"])
        if not path.exists():
            write_clip(path, tone(0.5, hertz=200 + number))
    table = folder / "table.jsonl"
    table.write_text("\n".join(json.dumps(record) for record in records))
    return table


def record(number: int, **values: object) -> Record:
    return {"audio": f"{number}.wav", "text": f"sentensi {number} tu"} | values


def run(
    tmp_path: Path, records: list[Record], **values: object
) -> tuple[DataReport, dict[str, Utterance], list[dict[str, object]]]:
    """Return the report, the utterances by id, and the rejections."""
    table = corpus(tmp_path / "corpus", records)
    out = tmp_path / "out"
    report = prepare(detect(table), out, options(**values), count_characters)
    lines = (out / "rejected.jsonl").read_text().splitlines()
    clips = {clip.id: clip for clip in read_manifest(out)}
    return report, clips, [json.loads(line) for line in lines]


def strangers_manifest(folder: Path, *audio: str) -> Path:
    """A folder that looks like one of ours: the manifest, and a card with its digest."""
    folder.mkdir()
    facts = {"language": "sw", "duration_s": 0.5, "split": "train"}
    lines = [
        json.dumps({"id": str(n), "audio": name, "text": f"neno {n}"} | facts)
        for n, name in enumerate(audio)
    ]
    (folder / "manifest.jsonl").write_text("\n".join(lines) + "\n")
    card = {"manifest_sha256": sha256_file(folder / "manifest.jsonl"), "notes": {}, "warnings": []}
    write_json(folder / "data_card.json", card)
    return folder
