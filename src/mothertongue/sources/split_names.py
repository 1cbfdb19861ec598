"""The names that corpora give the three splits."""

from mothertongue.manifest import Split

NAMES: dict[str, Split] = {
    "train": "train",
    "training": "train",
    "validation": "validation",
    "valid": "validation",
    "val": "validation",
    "dev": "validation",
    "eval": "validation",
    "test": "test",
    "testing": "test",
}


def split_named(name: str) -> Split | None:
    """The split that a corpus calls `name`, in any case; None when it names none."""
    return NAMES.get(name.strip().lower())
