"""Download datasets of the Hub once, then read them from disk like any other folder."""

import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from glob import escape
from pathlib import Path, PurePosixPath
from typing import Any

from mothertongue.data.sources.columns import split_named
from mothertongue.data.sources.tables import corpora_of, is_parquet
from mothertongue.errors import ConfigError, DataError, MothertongueError
from mothertongue.system.cache import cache_folder
from mothertongue.system.files import write_json

PREFIX = "hub:"
NAME = re.compile(
    r"hub:(?P<repo>\w[\w.-]*/\w[\w.-]*)(?::(?P<config>\w[\w.-]*))?(?:@(?P<revision>\w[\w./-]*))?"
)


@dataclass(frozen=True, slots=True)
class HubName:
    """The parts of `hub:OWNER/NAME[:CONFIGURATION][@REVISION]`."""

    repo: str
    config: str | None
    revision: str

    def __str__(self) -> str:
        config = f":{self.config}" if self.config else ""
        return f"{PREFIX}{self.repo}{config}@{self.revision}"


def download(name: str) -> Path:
    """Return the folder of a Hub dataset's files: its Parquet if it has some, otherwise all files.

    It is the deepest folder that holds all of them. Files that are there already need no network,
    and a download that was stopped goes on. No code of the dataset is run. Raises ConfigError for a
    name or configuration that does not exist, DataError if the Hub or the disk refuses.
    """
    dataset = parse_name(name)
    folder = cache_folder() / "hub" / str(dataset).removeprefix(PREFIX).replace("/", "--")
    done = folder.with_name(f"{folder.name}.json")  # written last
    if not (done.is_file() and folder.is_dir()):
        try:
            commit = _download(dataset, folder)
        except MothertongueError:
            raise
        except Exception as error:  # of httpx, the Hub, the disk: it can fail in many ways
            reason = " ".join(str(error).split())[:300]
            raise DataError(
                f"{dataset}: not downloaded ({type(error).__name__}: {reason}); check the name "
                "and the network, accept the dataset's terms and log in (hf auth login) where it "
                "has some, and run again: it goes on where it stopped"
            ) from error
        write_json(done, {"dataset": str(dataset), "commit": commit})
    return _top(folder)


def parse_name(name: str) -> HubName:
    """Return the parts of a name. Raises ConfigError if it is not such a name."""
    match = NAME.fullmatch(name)
    if match is None:
        raise ConfigError(
            f"{name!r}: expected hub:OWNER/NAME[:CONFIGURATION][@REVISION], such as "
            "hub:google/fleurs:sw_ke"
        )
    return HubName(match["repo"], match["config"], match["revision"] or "main")


def _download(dataset: HubName, folder: Path) -> str:
    """Download the files of a dataset and return their commit."""
    from huggingface_hub import HfApi, snapshot_download
    from huggingface_hub.hf_api import RepoFile

    api, kind = HfApi(), "dataset"
    info = api.dataset_info(dataset.repo, revision=dataset.revision)
    tree = api.list_repo_tree(dataset.repo, recursive=True, revision=info.sha, repo_type=kind)
    sizes = {each.path: each.size for each in tree if isinstance(each, RepoFile)}
    configs = info.card_data.get("configs") if info.card_data else None
    names = choose_files(dataset, list(sizes), declared(configs or []))
    folder.mkdir(parents=True, exist_ok=True)
    needed, free = sum(sizes[name] for name in names), shutil.disk_usage(folder).free
    if needed > free:
        raise DataError(
            f"{dataset}: {len(names):,} files of {needed:,} bytes, and {free:,} are free in "
            f"{folder}; make room there, or set MOTHERTONGUE_CACHE to a folder on another disk"
        )
    patterns = [escape(name) for name in names]
    snapshot_download(
        dataset.repo, repo_type=kind, revision=info.sha, local_dir=folder, allow_patterns=patterns
    )
    return str(info.sha)


def declared(configs: Sequence[Mapping[str, Any]]) -> dict[str, list[str]]:
    """Return the file patterns of each configuration on a dataset's card, without its splits.

    The format is described in huggingface.co/docs/hub/datasets-manual-configuration.
    """
    found = {}
    for config in configs:
        files = config.get("data_files") or f"{config.get('data_dir') or ''}/**"
        parts = files if isinstance(files, list) else [files]
        paths = [part.get("path", []) if isinstance(part, dict) else part for part in parts]
        flat = [each for path in paths for each in (path if isinstance(path, list) else [path])]
        found[str(config.get("config_name", "default"))] = [each.lstrip("/") for each in flat]
    return found


def choose_files(dataset: HubName, files: list[str], configs: Mapping[str, list[str]]) -> list[str]:
    """Return the files of a configuration, without hidden files and those named unlabelled.

    Raises ConfigError if the configuration must be named, or if the dataset does not have it;
    DataError for a path that leads out of a folder.
    """
    seen = [name for name in files if not _is_left_out(name)]
    if outside := next((name for name in seen if ".." in PurePosixPath(name).parts), None):
        raise DataError(f"{dataset}: a file named {outside!r}; expected one below the dataset")
    config = dataset.config or _only(configs)
    if config is not None and config in configs:
        patterns = configs[config]
        seen = [name for name in seen if any(fnmatchcase(name, each) for each in patterns)]
    elif config is not None:
        seen = [name for name in seen if config in name.split("/")[:-1]]
    tables = [name for name in seen if name.endswith(".parquet")]
    several = sorted(configs) if config is None else []
    if not several and is_parquet(tables) and len(corpora := corpora_of(tables)) > 1:
        several = [corpus.rsplit("/", 1)[-1] for corpus in corpora]
    if several or not seen:
        known = ", ".join((several or sorted(configs) or corpora_of(files))[:40])
        wanted = "several configurations" if several else f"no files of {config or 'data'}"
        raise ConfigError(f"{dataset}: {wanted}; expected hub:OWNER/NAME:ONE with one of {known}")
    return tables or seen


def _only(configs: Mapping[str, list[str]]) -> str | None:
    """Return the configuration that is used if none is named."""
    if len(configs) == 1:
        return next(iter(configs))
    return "default" if "default" in configs else None


def _top(folder: Path) -> Path:
    while True:
        entries = [entry for entry in folder.iterdir() if not entry.name.startswith(".")]
        if len(entries) != 1 or not entries[0].is_dir() or split_named(entries[0].name):
            return folder
        folder = entries[0]


def _is_left_out(name: str) -> bool:
    # Speech without transcripts is of no use here, and it is often most of a dataset.
    is_hidden = any(part.startswith(".") and part != ".." for part in name.split("/"))
    return is_hidden or "unlabel" in name.lower()
