"""Write the page of `doctor`: clips that look wrong, worst first, with sound, text, decisions.

It opens from disk and loads nothing. The decisions are exported as decisions.jsonl.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from mothertongue import __version__
from mothertongue.data.decisions import DECISIONS
from mothertongue.data.manifest import Utterance, read_data
from mothertongue.diagnosis.findings import CODES
from mothertongue.report.audio_clips import Playable, collect_sounds
from mothertongue.report.page.render import embedded_json, own_source, page_policy
from mothertongue.report.write import MB
from mothertongue.system.files import open_atomically

Json = dict[str, Any]
PAGE = "doctor.html"
MAX_CARDS = 500
"""The most clips on the page: nobody listens to more at once, and doctor.json has all."""


def write_doctor_page(
    record: Json,
    data: Path,
    folder: Path,
    audio_mb: float,
    advance: Callable[[int], None] = lambda _: None,
) -> Path:
    """Write the page of a doctor's record on `data` into its folder, and return its path."""
    clips = {clip.id: clip for clip in read_data([data])}
    cards = cards_of(record["findings"], clips)
    page = folder / PAGE
    sounds = collect_sounds(
        [[_to_hear(card, clips[card["id"]]) for card in cards[:MAX_CARDS]]],
        "embed",
        int(audio_mb * MB),
        page,
        advance,
    )
    with open_atomically(page) as file:
        file.write(_rendered(record, cards, sounds.found, clips))
    return page


def cards_of(findings: Sequence[Json], clips: dict[str, Utterance]) -> list[Json]:
    """Return one card for each clip, with all its findings, in the order of its worst one.

    A card has the transcript of the clip, and that of the clip whose text is said in it.
    """
    cards: dict[str, Json] = {}
    for each in findings:
        clip = clips[each["id"]]
        card = cards.setdefault(
            clip.id,
            {
                "id": clip.id,
                "split": clip.split,
                "duration_s": clip.duration_s,
                "text": clip.text,
                "heard": each.get("heard", ""),
                "proposed": "",
                "score": each["score"],
                "findings": [],
            },
        )
        if says := each.get("says"):
            card["proposed"] = clips[says].text
        card["findings"].append(each)
    return list(cards.values())


def _to_hear(card: Json, clip: Utterance) -> Playable:
    """Return a clip as `collect_sounds` takes it; if not all fit, the worst come first."""
    return Playable(clip.id, clip.audio, clip.start_s or 0.0, clip.duration_s, card["score"])


def _rendered(
    record: Json, cards: Sequence[Json], sounds: dict[str, Json], clips: dict[str, Utterance]
) -> str:
    css, js = own_source("page.css") + own_source("doctor.css"), own_source("doctor.js")
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    counts = [(code, count, CODES[code].title) for code, count in record["counts"].items()]
    return environment.from_string(own_source("doctor.html.jinja")).render(
        record=record,
        name=Path(record["data"]).resolve().name,
        cards=cards[:MAX_CARDS],
        left_out=max(0, len(cards) - MAX_CARDS),
        playable=len(sounds),
        counts=counts,
        decisions=DECISIONS,
        sound_data=embedded_json({key.partition("/")[2]: each for key, each in sounds.items()}),
        policy=page_policy(css, js, beside=False),
        css=Markup(css),
        js=Markup(js),
        version=__version__,
    )
