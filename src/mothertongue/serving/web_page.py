"""The web page at `/`, in one file, with hashes of its style and scripts. No torch."""

from functools import cache

from mothertongue.system.inline import source, source_hash

SCRIPTS = ("words.js", "files.js", "recorder.js", "server.js", "card.js", "studio.js")


@cache
def render() -> tuple[str, str]:
    """Return the page's HTML, and the Content-Security-Policy for its HTTP header."""
    css, js = _own("studio.css"), "".join(map(_own, SCRIPTS))
    html = _own("studio.html").replace("/*css*/", css, 1).replace("/*js*/", js, 1)
    policy = (
        f"default-src 'none'; script-src {source_hash(js)}; style-src {source_hash(css)}; "
        "connect-src 'self'; media-src blob:; img-src data:; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'"
    )
    return html, policy


def _own(name: str) -> str:
    return source("mothertongue.serving", f"studio/{name}")
