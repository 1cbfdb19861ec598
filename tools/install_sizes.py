"""Measure the size of an installation on disk, for the core and for each extra.

    python tools/install_sizes.py WORK

WORK is a new folder. The core is installed there once; each extra is added to a copy of it, made
of hard links. It prints a table in MiB (2^20 bytes), with compiled modules, without pip itself.
The sizes depend on the build of torch: pip takes the one that the index offers for the machine.
"""

import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]
MIB = 2**20


def main() -> None:
    work = Path(sys.argv[1])
    work.mkdir(parents=True)
    core = work / "core"
    subprocess.run([sys.executable, "-P", "-m", "venv", str(core)], check=True)
    empty = size(core)
    install(core, str(ROOT))
    print("| installed | MiB |\n| --- | --- |", flush=True)
    print(f"| core | {(size(core) - empty) // MIB:,} |", flush=True)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    for extra in project["optional-dependencies"]:
        copy = work / extra
        subprocess.run(["cp", "-al", str(core), str(copy)], check=True)
        install(copy, f"{ROOT}[{extra}]")
        print(f"| core and {extra} | {(size(copy) - empty) // MIB:,} |", flush=True)


def install(venv: Path, what: str) -> None:
    """Install into the environment's own folder, whatever its scripts say."""
    python = str(venv / "bin/python")
    command = [python, "-P", "-m", "pip", "install", "--quiet", "--constraint"]
    command += ["constraints.txt", what]
    subprocess.run(command, check=True, cwd=ROOT)


def size(folder: Path) -> int:
    """Return the bytes of all files on disk."""
    return sum(each.stat().st_blocks * 512 for each in folder.rglob("*") if not each.is_symlink())


if __name__ == "__main__":
    main()
