"""Read folders of sounds that are mixed into clips: background noise, impulse responses."""

import hashlib
import json
from pathlib import Path

from mothertongue.data.audio.decoders import Samples
from mothertongue.data.audio.headers import SUFFIXES
from mothertongue.data.audio.load import load_audio
from mothertongue.errors import ConfigError
from mothertongue.system.files import sha256_file


class SoundFolder:
    """The sound files below a folder, in the order of their names."""

    def __init__(self, path: Path, setting: str, longest_s: float) -> None:
        """`setting` is the name of the option that gave the folder.

        Raises ConfigError if there are no sound files.
        """
        self.path, self.longest_s = path, longest_s
        found = [e for e in path.rglob("*") if e.suffix.lower() in SUFFIXES and e.is_file()]
        self.files = sorted(found, key=lambda each: each.relative_to(path).as_posix())
        if not self.files:
            raise ConfigError(
                f"{setting}: {path} has no sound files; expected a folder with some of "
                f"{', '.join(sorted(SUFFIXES))}; correct the path, or remove it"
            )

    def load(self, number: int) -> Samples:
        """Return the samples of a file. Raises AudioError if it is damaged or longer than
        allowed."""
        return load_audio(self.files[number], max_duration_s=self.longest_s)

    def digest(self) -> str:
        """Return the SHA-256 of the names and contents of all files, without the folder's path."""
        names = [each.relative_to(self.path).as_posix() for each in self.files]
        facts = [[name, sha256_file(each)] for name, each in zip(names, self.files, strict=True)]
        return hashlib.sha256(json.dumps(facts).encode()).hexdigest()
