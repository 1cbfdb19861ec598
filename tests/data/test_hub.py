import io
import os
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import soundfile
from clips import tone
from hub_server import COMMIT, HubServer, serving

from mothertongue.data.hub import HubName, choose_files, declared, parse_name
from mothertongue.errors import ConfigError, DataError

REPO = "some-one/a.corpus"
LARGE = 24 << 20  # the Hub's client writes data in steps of 10 MB
# The Hub's settings are read only once in a process, and that of the tests is kept offline.
PREPARE = """
import sys
from pathlib import Path
from mothertongue.data.prepare import PrepareOptions, prepare
from mothertongue.data.sources.detect import detect
from mothertongue.errors import MothertongueError
try:
    source = detect(Path(sys.argv[1]))
    report = prepare(source, Path(sys.argv[2]), PrepareOptions(language="sw", workers=1), len)
    print(report.source, *(facts.clips for facts in report.splits.values()), report.num_rejected)
except MothertongueError as error:
    print(type(error).__name__, error)
"""


def shard(*numbers: int) -> bytes:
    """Return a Parquet file with embedded clips, stored like the Hub's `Audio` feature."""
    records = []
    for number in numbers:
        sound = io.BytesIO()
        soundfile.write(sound, tone(0.5, 200 + 40 * number), 16_000, format="WAV")
        audio = {"bytes": sound.getvalue(), "path": f"{number}.wav"}
        records.append({"audio": audio, "raw_text": f"neno la {number}", "speaker_id": str(number)})
    file = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(records), file)
    return file.getvalue()


def run(server: HubServer | None, name: str, folder: Path) -> str:
    """Return the output of preparing a dataset."""
    ours = {key: value for key, value in os.environ.items() if not key.startswith("HF_")}
    ours |= {"MOTHERTONGUE_CACHE": str(folder / "cache"), "HF_HOME": str(folder / "home")}
    ours |= {"HF_ENDPOINT": server.address if server else "http://127.0.0.1:9", "NO_PROXY": "*"}
    ours |= {"PYTHONPATH": os.pathsep.join(sys.path), "HF_HUB_DISABLE_XET": "1"}
    command = [sys.executable, "-c", PREPARE, name, str(folder / "out")]
    done = subprocess.run(command, env=ours, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout.strip()


@pytest.mark.slow
def test_a_dataset_is_downloaded_once_and_then_needs_no_network(tmp_path: Path) -> None:
    files = {
        "README.md": b"# A corpus",
        "sw/train-00000-of-00002.parquet": shard(1, 2),
        "sw/train-00001-of-00002.parquet": shard(3, 4),
        "sw/validation-00000-of-00001.parquet": shard(5),
        "sw/test-00000-of-00001.parquet": shard(6),
        "sw/unlabeled-00000-of-00001.parquet": b"large",
        "yo/train-00000-of-00001.parquet": b"not asked for",
    }
    with serving(REPO, files, {}) as server:
        refused = run(server, f"hub:{REPO}", tmp_path)
        assert refused.startswith("ConfigError")
        assert "several configurations; expected hub:OWNER/NAME:ONE with one of sw, yo" in refused
        assert run(server, f"hub:{REPO}:sw", tmp_path) == "tables 4 1 1 0"
        asked = [request for request in server.requests if "/resolve/" in request]
        assert {request.rsplit("/", 1)[-1][:5] for request in asked} == {"train", "valid", "test-"}
    assert run(None, f"hub:{REPO}:sw", tmp_path) == "tables 4 1 1 0"
    missing = run(None, f"hub:{REPO}:yo", tmp_path)
    assert missing.startswith(f"DataError hub:{REPO}:yo@main: not downloaded (ConnectError")
    assert "run again: it goes on where it stopped" in missing


@pytest.mark.slow
def test_a_folder_of_files_is_downloaded_and_goes_on_where_it_stopped(tmp_path: Path) -> None:
    sound = io.BytesIO()
    soundfile.write(sound, tone(), 16_000, format="WAV")
    table = b"file_name,transcription\na.wav,habari\n"
    files = {"data/sw/metadata.csv": table, "data/sw/a.wav": sound.getvalue(), "README.md": b""}
    files["data/sw/video.bin"] = bytes(LARGE)
    card = {"configs": [{"config_name": "sw", "data_files": "data/sw/*"}]}
    with serving(REPO, files, card) as server:
        server.cut.add("data/sw/video.bin")
        assert run(server, f"hub:{REPO}@{COMMIT}", tmp_path) == "audiofolder 1 0 0 0"
        assert any(each.startswith("RANGE data/sw/video.bin ") for each in server.requests)
        unknown = run(server, "hub:some-one/else", tmp_path)
    assert unknown.startswith("DataError hub:some-one/else@main: not downloaded (RepositoryNotF")


def test_names_are_taken_apart() -> None:
    assert parse_name("hub:a/b") == HubName("a/b", None, "main")
    assert parse_name("hub:a-1/b.c:sw_ke@refs/convert/parquet") == HubName(
        "a-1/b.c", "sw_ke", "refs/convert/parquet"
    )
    for name in ("hub:a", "hub:a/b/c", "hub:../b", "hub:a/b:..", "hub:a/b@../x", "hub:a/b:"):
        with pytest.raises(ConfigError, match="expected hub:OWNER/NAME"):
            parse_name(name)


def test_a_cards_configurations_are_read() -> None:
    files = [{"split": "train", "path": ["a/x-*", "a/y.parquet"]}, {"split": "test", "path": "a/z"}]
    configs = [
        {"config_name": "a", "data_files": files},
        {"config_name": "b", "data_dir": "b"},
        {"data_files": "*.csv"},
    ]
    assert declared(configs) == {
        "a": ["a/x-*", "a/y.parquet", "a/z"],
        "b": ["b/**"],
        "default": ["*.csv"],
    }
    assert declared([]) == {}


FILES = [
    "README.md",
    "a/train-0.parquet",
    "a/test-0.parquet",
    "b/train-0.parquet",
    ".gitattributes",
]


def test_the_files_of_a_configuration_are_chosen() -> None:
    configs = {"one": ["a/*"], "two": ["b/*"]}
    assert choose_files(parse_name("hub:o/n:one"), FILES, configs) == FILES[1:3]
    assert choose_files(parse_name("hub:o/n:b"), FILES, {}) == FILES[3:4]
    assert choose_files(parse_name("hub:o/n"), FILES, {"one": ["a/*"]}) == FILES[1:3]
    assert choose_files(parse_name("hub:o/n"), ["x.wav", "x.txt", ".x"], {}) == ["x.wav", "x.txt"]
    with pytest.raises(ConfigError, match=r"several configurations; .* one of one, two"):
        choose_files(parse_name("hub:o/n"), FILES, configs)
    with pytest.raises(ConfigError, match=r"no files of c; .* one of one, two"):
        choose_files(parse_name("hub:o/n:c"), FILES, configs)
    with pytest.raises(DataError, match=r"a file named '\.\./x\.wav'"):
        choose_files(parse_name("hub:o/n"), ["../x.wav"], {})
