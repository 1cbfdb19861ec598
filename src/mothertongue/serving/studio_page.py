"""The page at `/`: its parts in one file, style and scripts known by their hashes. No torch."""

import base64
import hashlib
from functools import cache
from importlib.resources import files

FOLDER = files("mothertongue.serving") / "studio"
SCRIPTS = ("words.js", "files.js", "recorder.js", "server.js", "card.js", "studio.js")


@cache
def render() -> tuple[str, str]:
    """The page's HTML, and the Content-Security-Policy that must go with it as an HTTP header."""
    css, js = _own("studio.css"), "".join(map(_own, SCRIPTS))
    html = _own("studio.html").replace("/*css*/", css, 1).replace("/*js*/", js, 1)
    policy = (
        f"default-src 'none'; script-src {_hash(js)}; style-src {_hash(css)}; connect-src 'self'; "
        "media-src blob:; img-src data:; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'"
    )
    return html, policy


def _own(name: str) -> str:
    return (FOLDER / name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    digest = hashlib.sha256(text.encode("utf-8")).digest()
    return f"'sha256-{base64.b64encode(digest).decode('ascii')}'"
