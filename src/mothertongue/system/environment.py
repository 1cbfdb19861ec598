"""The versions and the machine that a figure depends on besides its inputs. No torch."""

import os
import platform
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version

RECORDED_PACKAGES = (
    "mothertongue", "torch", "transformers", "accelerate", "peft", "tokenizers", "ctranslate2",
    "numpy", "av", "soundfile", "soxr",
)  # fmt: skip
DECIDING_PACKAGES = (
    "mothertongue", "torch", "transformers", "peft", "tokenizers", "av", "soundfile", "soxr",
)  # fmt: skip
"""Those that trained weights and transcripts depend on: another version may change them."""
Versions = dict[str, str | None]
"""The version of each package; None where it is not installed."""


@dataclass(frozen=True, slots=True)
class Environment:
    """The versions and the machine that computed a document's figures."""

    python: str
    packages: Versions
    system: str
    machine: str
    processors: int | None


def environment() -> Environment:
    """Return the environment of this process."""
    return Environment(
        python=sys.version.split()[0],
        packages={name: _version(name) for name in RECORDED_PACKAGES},
        system=platform.system(),
        machine=platform.machine(),
        processors=os.cpu_count(),
    )


def deciding_versions(packages: Mapping[str, str | None] | None = None) -> Versions:
    """Return the version of each of DECIDING_PACKAGES in `packages`, or the installed one.

    Without the build's part (+cpu, +cu130): a run may go on, and be scored, on another device.
    """
    known = {name: _version(name) for name in DECIDING_PACKAGES} if packages is None else packages
    versions = {name: known.get(name) for name in DECIDING_PACKAGES}
    return {name: version and version.split("+")[0] for name, version in versions.items()}


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
