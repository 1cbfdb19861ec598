"""The page to try the models: its parts in one file, its scripts known by their hashes."""

import base64
import hashlib
from importlib.resources import files

FOLDER = files("mothertongue.serving") / "page"
SCRIPTS = ("compare.js", "recorder.js", "card.js", "page.js")


def render() -> tuple[str, str]:
    """The page's HTML, and the Content-Security-Policy under which it works."""
    css, js = _own("page.css"), "".join(map(_own, SCRIPTS))
    html = _own("page.html").replace("/*css*/", css).replace("/*js*/", js)
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
