"""Make small corpora as the pages of the guide have them: noise, with sentences of known words."""

import io
import random
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import soundfile as sf
from eaf_files import aligned, eaf, reference, tier
from tiny import noise

RATE_HZ = 16_000
WORDS = (
    *("mvua", "samaki", "mto", "shamba", "safari", "baba", "asubuhi", "nyumba", "mti", "ndege"),
    *("soko", "barabara", "chakula", "rafiki", "kitabu", "jioni", "bahari", "mlima", "ng'ombe"),
)
PHRASE_S = 2.5
"""A phrase begins every PHRASE_S seconds and takes four fifths of them."""


def sentence(number: int) -> str:
    """Return five words, others for each number."""
    return " ".join(random.Random(number).sample(WORDS, 5))


def sound(seconds: float, seed: int) -> np.ndarray:
    """Return noise at a tenth of full scale, (N,)."""
    samples_N = noise(seconds, seed)
    return (0.1 * samples_N / np.abs(samples_N).max()).astype(np.float32)


def elan(folder: Path) -> None:
    """Write three recordings of 20 s with two speakers and translations, and one with notes."""
    for number, name in enumerate(("fishing", "market", "the rains")):
        place = folder / name
        place.mkdir(parents=True)
        sf.write(place / f"{name}.wav", sound(20, number), RATE_HZ)
        (place / f"{name}.eaf").write_text(_document(number, name), encoding="utf-8")


def _document(number: int, name: str) -> str:
    times = {f"t{i}": round(1000 * PHRASE_S * (i // 2 + 0.8 * (i % 2))) for i in range(16)}
    said = [
        aligned(f"a{i}", f"t{2 * i}", f"t{2 * i + 1}", sentence(8 * number + i)) for i in range(8)
    ]
    said[5] = aligned("a5", "t10", "t11", "")  # a phrase that nobody has written down yet
    translated = [reference(f"b{i}", f"a{i}", f"the words of phrase {i}") for i in range(4)]
    tiers = [
        tier("transcription@Anna", *said[:4], type_="transcription", participant="Anna"),
        tier("transcription@Ben", *said[4:], type_="transcription", participant="Ben"),
        tier("free@Anna", *translated, type_="translation", parent="transcription@Anna"),
    ]
    if number == 1:
        wind = aligned("c1", "t0", "t15", "wind in the microphone")
        tiers.append(tier("note", wind, type_="note"))
    media = f'<MEDIA_DESCRIPTOR MEDIA_URL="file:///C:/field/{name}.wav" MIME_TYPE="audio/x-wav"/>'
    return eaf(times, *tiers, media=media)


def subtitles(folder: Path) -> None:
    """Write two programmes of 55 s with cues of two seconds, some with markup."""
    folder.mkdir(parents=True)
    for number, name in enumerate(("news", "weather")):
        sf.write(folder / f"{name}.wav", sound(55, number), RATE_HZ)
        cues = []
        for i in range(20):
            start_s = PHRASE_S * i + 2.0 * (i > 9)  # the programme pauses once
            text = sentence(20 * number + i)
            text = f"<i>{text}</i>" if i % 10 == 0 else text
            times = f"{_clock(start_s)} --> {_clock(start_s + 0.9 * PHRASE_S)}"
            cues.append(f"{i + 1}\n{times}\n{text}\n")
        (folder / f"{name}.srt").write_text("\n".join(cues), encoding="utf-8")


def _clock(seconds: float) -> str:
    return f"00:00:{int(seconds):02},{round(1000 * (seconds % 1)):03}"


def common_voice(folder: Path) -> None:
    """Write 40 validated clips of ten speakers: 4 are in dev, 4 in test, 8 in train."""
    (folder / "clips").mkdir(parents=True)
    rows = []
    for number in range(40):
        sf.write(folder / f"clips/{number}.mp3", sound(2, number), RATE_HZ, format="MP3")
        said = sentence(number if number % 10 else 7)  # a sentence that many read
        rows.append(f"speaker{number % 10}\t{number}.mp3\t{said}\tsw")
    tables = {"validated": rows, "dev": rows[1:40:10], "test": rows[2:40:10]}
    tables["train"] = rows[3:5] + rows[13:15] + rows[23:25] + rows[33:35]
    for name, chosen in tables.items():
        lines = ["client_id\tpath\tsentence\tlocale", *chosen, ""]
        (folder / f"{name}.tsv").write_text("\n".join(lines), encoding="utf-8")


def parquet(numbers: Sequence[int]) -> bytes:
    """Return a Parquet file with embedded clips of 2 s, as the Hub's datasets have them."""
    records = []
    for number in numbers:
        file = io.BytesIO()
        sf.write(file, sound(2, number), RATE_HZ, format="WAV")
        audio = {"bytes": file.getvalue(), "path": f"{number}.wav"}
        record = {"audio": audio, "raw_text": sentence(number), "speaker_id": f"s{number % 4}"}
        records.append(record)
    table = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(records), table)
    return table.getvalue()
