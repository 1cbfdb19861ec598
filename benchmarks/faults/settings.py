"""Experiments and grids that are no YAML, hostile YAML, or YAML that asks for the impossible."""

from collections.abc import Iterator
from pathlib import Path

from faults.home import Home
from faults.inputs import BAD_DATA, BAD_USE, Input, Write, content

GRID = """name: grid
base: {base}
languages: {{sw: {{data: {data}}}}}
strategies: {{full: {{strategy: {{kind: full}}}}}}
"""


def inputs() -> Iterator[Input]:
    """Every one of them."""
    for name, data in _no_settings().items():
        yield Input("experiment", f"{name}.yaml", content(data), BAD_USE)
    for name, lines in _impossible().items():
        yield Input("experiment", f"{name}.yaml", _with(lines), BAD_USE)
    for name, kind in (("freeze-many", "freeze"), ("reinit-many", "reinit")):
        lines = f"strategy: {{kind: {kind}, encoder_layers: 9}}"
        # Only the base knows how many there are, and it is the key that is named then.
        yield Input("experiment", f"{name}.yaml", _with(lines), BAD_USE, names="encoder_layers")
    long = _with(f"data: ./{'x' * 5000}")
    yield Input("experiment", "data-long.yaml", long, code=1, names="File name too long")
    for name, (lines, shown) in _missing().items():
        yield Input("experiment", f"{name}.yaml", _with(lines), BAD_DATA, names=shown)
    for name, lines in _grids().items():
        yield Input("grid", f"{name}.yaml", _grid_with(lines), BAD_USE)
    magic = _grid_with("strategies: {full: {strategy: {kind: magic}}}")
    yield Input("grid", "grid-strategy-kind.yaml", magic, BAD_USE, names="magic")


def _no_settings() -> dict[str, bytes | str]:
    return {
        "nothing": b"",
        "number": "7\n",
        "list": "- a\n- b\n",
        "words": "habari ya asubuhi\n",
        "tabs": "name:\tx\n\tbase: y\n",
        "open-bracket": "name: [a, b\n",
        "open-quote": 'name: "a\n',
        "latin1": "name: mañana\n".encode("latin-1"),
        "utf16": "name: x\n".encode("utf-16"),
        "zeros": bytes(1000),
        "control": "name: \x01\n",
        "python-tag": "name: !!python/object/apply:os.system ['true']\n",
        "unknown-tag": "name: !mine x\n",
        "alias": "a: &a [x]\nname: *a\n",
        "alias-bomb": "a: &a [x,x]\n" + "".join(f"b{i}: &b{i} [*a,*a]\n" for i in range(20)),
        "merge": "a: &a {x: 1}\nname: {<<: *a}\n",
        "deep-list": "[" * 20_000,
        "deep-object": "{a: " * 5_000,
        "two-documents": "name: a\n---\nname: b\n",
        "twice": "name: a\nname: b\n",
        "twice-inside": "train: {epochs: 1, epochs: 2}\n",
        "list-as-key": "? [a, b]\n: c\n",
        "date": "name: 2024-01-01\n",
        "large": "name: " + "x" * 2_000_000,
    }


def _impossible() -> dict[str, str]:
    """Lines that replace those of a good experiment."""
    return {
        "unknown-key": "colour: red",
        "misspelt-key": "trian: {epochs: 1}",
        "rate-word": "train: {learning_rate: fast}",
        "rate-inf": "train: {learning_rate: .inf}",
        "rate-nan": "train: {learning_rate: .nan}",
        "rate-negative": "train: {learning_rate: -1}",
        "rate-sexagesimal": "train: {learning_rate: 1:1:1}",
        "epochs-zero": "train: {epochs: 0}",
        "epochs-half": "train: {epochs: 0.5}",
        "epochs-huge": "train: {epochs: " + "9" * 400 + "}",
        "epochs-sexagesimal": "train: {epochs: " + "1:" * 3000 + "1}",
        "epochs-true": "train: {epochs: yes}",
        "batch-zero": "train: {batch_size: 0}",
        "batch-list": "train: {batch_size: [1]}",
        "precision-unknown": "train: {precision: fp8}",
        "replay-share": "train: {replay: {data: x, share: 1}}",
        "replay-none": "train: {replay: {data: []}}",
        "augment-unknown": "train: {augment: {echo: {}}}",
        "augment-order": "train: {augment: {noise: {snr_db: [30, 10]}}}",
        "augment-nan": "train: {augment: {gain: {db: [.nan, 1]}}}",
        "augment-idle": "train: {augment: {noise: {folder: x, colors: [pink]}}}",
        "words-weight": "evaluate: {hotwords_weight: 1}",
        "kind-unknown": "strategy: {kind: magic}",
        "kind-missing": "strategy: {encoder_layers: 1}",
        "kind-list": "strategy: [full]",
        "layers-negative": "strategy: {kind: freeze, encoder_layers: -1}",
        "rank-zero": "strategy: {kind: lora, rank: 0}",
        "dim-zero": "strategy: {kind: bottleneck, dim: 0}",
        "name-up": "name: ../../x",
        "name-absolute": "name: /etc/x",
        "name-null-byte": 'name: "a\\0b"',
        "name-number": "name: 7",
        "language-unknown": "language: klingon!",
        "language-list": "language: [sw]",
        "base-number": "base: 7",
        "base-null": "base: null",
        "data-number": "data: 7",
        "data-none": "data: []",
    }


def _missing() -> dict[str, tuple[str, str]]:
    """Return things that an experiment names and that are not there, with what is shown."""
    return {
        "base-missing": ("base: ./nowhere", "nowhere"),
        "base-null-byte": ('base: "./a\\0b"', "base"),
        "data-missing": ("data: ./nowhere", "nowhere"),
        "data-null-byte": ('data: "./a\\0b"', "b"),
        "data-device": ("data: /dev/null", "/dev/null"),
    }


def _grids() -> dict[str, str]:
    return {
        "grid-unknown-key": "colour: red",
        "grid-no-languages": "languages: {}",
        "grid-no-strategies": "strategies: {}",
        "grid-language-up": "languages: {../../x: {data: x, language: sw}}",
        "grid-strategy-up": "strategies: {../../full: {strategy: {kind: full}}}",
        "grid-also-up": "languages: {sw: {data: x, also: {../../y: {data: x}}}}",
        "grid-retention-up": "retention: {../../y: {data: x}}",
        "grid-sweep-none": "strategies: {a: {strategy: {kind: full}, sweep: {train.epochs: []}}}",
        "grid-sweep-name": "strategies: {full: {strategy: {kind: full}, sweep: {epochs: [1]}}}",
        "grid-reference": "reference: other",
        "grid-seeds-none": "seeds: []",
        "grid-seeds-negative": "seeds: [-1]",
        "grid-factor": "halving: {factor: 1}",
    }


def _with(lines: str) -> Write:
    """A good experiment, but for these lines."""
    return lambda path, home: path.write_text(_replaced(home.experiment.read_text("utf-8"), lines))


def _grid_with(lines: str) -> Write:
    def write(path: Path, home: Home) -> None:
        path.write_text(_replaced(GRID.format(base=home.base, data=home.data), lines))

    return write


def _replaced(text: str, lines: str) -> str:
    key, kept, is_inside = lines.partition(":")[0], [], False
    for line in text.splitlines():
        is_inside = line.startswith(f"{key}:") or (is_inside and line.startswith(" "))
        if not is_inside:
            kept.append(line)
    return "\n".join([*kept, lines]) + "\n"
