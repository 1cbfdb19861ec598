"""Write manifests that each leave out a share of the training clips, for runs to train on."""

from collections.abc import Iterator
from pathlib import Path

from mothertongue.data.manifest import MANIFEST_NAME, read_data, write_manifest
from mothertongue.errors import DataError


def write_folds(data: Path, out: Path, count: int) -> Iterator[Path]:
    """Write OUT/fold1 to OUT/foldN and yield the folders: each training clip is left out of one.

    Validation and test clips are in all of them. Raises DataError with fewer training clips than
    folds.
    """
    clips = read_data([data])
    train = [clip.id for clip in clips if clip.split == "train"]
    if len(train) < count:
        raise DataError(
            f"{data}: {len(train)} training clips; expected {count} or more for --folds"
        )
    for number in range(count):
        left_out = {*train[number::count]}
        folder = out / f"fold{number + 1}"
        folder.mkdir(parents=True, exist_ok=True)
        write_manifest(folder / MANIFEST_NAME, (c for c in clips if c.id not in left_out))
        yield folder
