"""Render one self-contained page: all text escaped, all scripts hashed, no network.

Jinja escapes whatever comes from records. Data for the scripts is JSON with `<` escaped; clips,
which may be many, are compressed. The Content-Security-Policy forbids all loading; only where audio
lies beside the page may that be played.
"""

import base64
import gzip
import json
from collections.abc import Sequence
from typing import Any

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from mothertongue import __version__
from mothertongue.comparison.clips import ClipSet
from mothertongue.comparison.paired_scores import PRIMARY_NORMALIZER
from mothertongue.evaluation.normalizers import NORMALIZERS
from mothertongue.report.audio_clips import Sounds
from mothertongue.report.augmented_clips import Augmented
from mothertongue.report.chapters import Chapters
from mothertongue.system.inline import source, source_hash
from mothertongue.system.json_files import to_json

CHAPTERS = {
    "answer": "Recommendation",
    "table": "Results",
    "long": "Long recordings",
    "curves": "Hyper-parameters",
    "learning": "Learning",
    "layers": "Layers",
    "averages": "Averages",
    "forgetting": "Forgetting",
    "errors": "Errors",
    "clips": "Listen",
    "data": "Data",
    "provenance": "Provenance",
}


def render(
    title: str,
    parts: Sequence[Chapters],
    sounds: Sounds,
    augmented: Sequence[Augmented | None],
) -> str:
    """Return the page as HTML; `augmented` has the examples of each part."""
    clip_sets = [each for part in parts for each in part.clip_sets]
    css = own_source("page.css") + normalizer_rules(list(NORMALIZERS))
    js = own_source("page.js") + own_source("explorer.js")
    beside = any("src" in sound for sound in sounds.found.values())
    return filled(
        "page.html.jinja",
        css,
        js,
        beside,
        title=title,
        parts=parts,
        augmented=augmented,
        chapters=[
            (id_, name) for id_, name in CHAPTERS.items() if _is_there(id_, parts, clip_sets)
        ],
        normalizer=PRIMARY_NORMALIZER,
        normalizers=[(each.name, each.title) for each in NORMALIZERS.values()],
        has_clips=bool(clip_sets),
        sound_note=_sound_note(clip_sets, sounds, any(part.has_seeds for part in parts)),
        clip_data=_compressed(
            [
                {
                    **_public(each),
                    "part": part.name if len(parts) > 1 else "",
                    "best": part.best.get(each.language),
                }
                for part in parts
                for each in part.clip_sets
            ]
        ),
        sound_data=embedded_json(sounds.found),
    )


def filled(template: str, css: str, js: str, beside: bool, **values: Any) -> str:
    """Return a page of one style and one script, with the policy that it loads nothing.

    `beside`: sound that lies beside the page may be played.
    """
    media = "data: 'self' file:" if beside else "data:"
    policy = (
        f"default-src 'none'; script-src {source_hash(js)}; style-src {source_hash(css)}; "
        f"img-src data:; media-src {media}; base-uri 'none'; form-action 'none'"
    )
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.from_string(own_source(template)).render(
        policy=policy, css=Markup(css), js=Markup(js), version=__version__, **values
    )


def own_source(name: str) -> str:
    """The text of a file of the page's own, such as page.css."""
    return source("mothertongue.report", f"page/{name}")


def normalizer_rules(names: Sequence[str]) -> str:
    """Return the style rules that hide the scores of all normalizers but the chosen one."""
    hidden = {name: [f".n-{other}" for other in names if other != name] for name in names}
    return "".join(
        f'[data-normalizer="{name}"] :is({", ".join(others)}) {{ display: none; }}\n'
        for name, others in hidden.items()
    )


def embedded_json(value: Any) -> Markup:
    """Return JSON with `<` escaped, so that no text in it can end the script."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return Markup(text.replace("<", "\\u003c"))


def _compressed(value: Any) -> str:
    """Return compressed JSON in base64."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return base64.b64encode(gzip.compress(text.encode("utf-8"), mtime=0)).decode("ascii")


def _public(clip_set: ClipSet) -> Any:
    """Return the clips as JSON, without paths of the machine that makes the page."""
    found = to_json(clip_set)
    for clip in found["clips"]:
        del clip["audio"], clip["start_s"]
    return found


def _is_there(id_: str, parts: Sequence[Chapters], clip_sets: Sequence[ClipSet]) -> bool:
    first = parts[0]
    there = {
        "table": first.is_scored,
        "errors": first.is_scored,
        "long": first.is_long_form,
        "curves": bool(first.curves),
        "averages": first.is_averaged,
        "forgetting": first.is_forgetting,
        "clips": bool(clip_sets),
    }
    return there.get(id_, True)


def _sound_note(clip_sets: Sequence[ClipSet], sounds: Sounds, has_seeds: bool) -> str:
    clips = sum(len(each.clips) for each in clip_sets)
    note = f"{clips:,} clips; {len(sounds.found):,} of them can be played."
    if sounds.over_budget:
        note += (
            f" {sounds.over_budget:,} were left out to keep the page small: --audio-mb takes more,"
            " --audio beside writes all of them next to the page."
        )
    if sounds.unreadable:
        note += f" {len(sounds.unreadable):,} could not be read when the page was made."
    if has_seeds:
        note += " Of a strategy with several seeds, the texts are those of the first."
    return note
