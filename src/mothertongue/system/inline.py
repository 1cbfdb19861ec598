"""Read the sources of one-file pages, and hash them for a Content-Security-Policy."""

import base64
import hashlib
from importlib.resources import files


def source(package: str, path: str) -> str:
    """The text of a file that comes with a package, such as "studio/studio.css"."""
    return files(package).joinpath(path).read_text(encoding="utf-8")


def source_hash(text: str) -> str:
    """The name of an inline script or style in a Content-Security-Policy (CSP 3, sec. 8.4)."""
    digest = hashlib.sha256(text.encode("utf-8")).digest()
    return f"'sha256-{base64.b64encode(digest).decode('ascii')}'"
