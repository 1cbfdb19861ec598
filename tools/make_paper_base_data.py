"""Cut the data of recipes/paper-base.yaml from corpora on disk, with splits that can be trusted.

python tools/make_paper_base_data.py CORPORA data [--train 200 --test 62 --retention 15]
    [--unlabelled 400]

CORPORA holds the folders sw-siro, sw-gitau, yo-ogun, ml-msc and {en,fr,it,ru,es}-asterisk, each
with a metadata.jsonl. The validation split of sw-siro has the wrong transcripts (docs/log.md): a
training session is held out in its place. Clips are chosen by a seed, never by what is in them.
With --unlabelled, data/unlabelled has links to other training clips in Swahili, for `label`.
"""

import argparse
import json
import random
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

HELD_OUT_SESSION = "200630-121614"
RETENTION = ("en", "fr", "it", "ru", "es")

Record = dict[str, Any]


def main() -> None:
    arguments = parse_arguments()
    corpora, out = arguments.corpora, arguments.out
    siro = list(map(mend_validation, records(corpora / "sw-siro")))
    sizes = {"train": arguments.train, "validation": arguments.validation, "test": arguments.test}
    write("sw-siro", siro, sizes, "sw", out)
    # It has no test split; none of its text is trained on, so its validation split is one.
    gitau = records(corpora / "sw-gitau")
    write("sw-gitau", gitau, {"validation": arguments.test}, "sw", out)
    if arguments.unlabelled:
        used = draw(siro, "train", arguments.train)
        rest = [row for row in siro if row not in used]
        link("sw-siro", draw(rest, "train", arguments.unlabelled), out)
        link("sw-gitau", draw(gitau, "train", arguments.unlabelled), out)
    # Its clips are longer: fewer make the same hours.
    fewer = sizes | {"train": 3 * arguments.train // 5}
    write("yo-ogun", records(corpora / "yo-ogun"), fewer, "yo", out)
    # Its clips are shorter: more make the same hours.
    more = sizes | {"train": 2 * arguments.train, "validation": 2 * arguments.validation}
    write("ml-msc", records(corpora / "ml-msc"), more, "ml", out)
    for language in RETENTION:
        name = f"{language}-asterisk"
        write(name, records(corpora / name), {"test": arguments.retention}, language, out)


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("corpora", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--train", type=int, default=200)
    parser.add_argument("--validation", type=int, default=30)
    parser.add_argument("--test", type=int, default=62)
    parser.add_argument("--retention", type=int, default=15)
    parser.add_argument("--unlabelled", type=int, default=0)
    return parser.parse_args()


def records(folder: Path) -> list[Record]:
    """The rows of a corpus, their audio absolute."""
    lines = (folder / "metadata.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    return [row | {"audio": str((folder / row["audio"]).resolve())} for row in rows]


def mend_validation(row: Record) -> Record:
    """The same row of sw-siro in a split that can be trusted; its own validation split in none."""
    if row["split"] == "validation":
        return row | {"split": "unused"}
    session = Path(row["audio"]).name.split("_")[0]
    return row | {"split": "validation"} if session == HELD_OUT_SESSION else row


def write(name: str, rows: list[Record], sizes: dict[str, int], language: str, out: Path) -> None:
    """Choose rows of each split and prepare them as out/name."""
    chosen = [each for split, size in sizes.items() for each in draw(rows, split, size)]
    table = out / "tables" / f"{name}.jsonl"
    table.parent.mkdir(parents=True, exist_ok=True)
    table.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in chosen))
    command = [sys.executable, "-P", "-m", "mothertongue", "prepare", str(table), "--allow-outside"]
    subprocess.run([*command, "--language", language, "--out", str(out / name)], check=True)


def link(name: str, rows: list[Record], out: Path) -> None:
    """Make out/unlabelled/name: links to the recordings of the rows, without their texts."""
    folder = out / "unlabelled" / name
    shutil.rmtree(folder, ignore_errors=True)  # of an earlier call
    folder.mkdir(parents=True)
    for row in rows:
        (folder / Path(row["audio"]).name).symlink_to(row["audio"])


def draw(rows: list[Record], split: str, size: int) -> list[Record]:
    """Up to `size` rows of a split, in their order."""
    places = [place for place, row in enumerate(rows) if row["split"] == split]
    kept = sorted(random.Random(0).sample(places, min(size, len(places))))
    return [rows[place] for place in kept]


if __name__ == "__main__":
    main()
