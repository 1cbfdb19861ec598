"""What pages of one file need: their sources, and the hashes by which a policy knows them."""

import base64
import hashlib
from importlib.resources import files


def source(package: str, path: str) -> str:
    """The text of a file that comes with a package, such as "studio/studio.css"."""
    return files(package).joinpath(path).read_text(encoding="utf-8")


def source_hash(text: str) -> str:
    """As a Content-Security-Policy names an inline script or style (CSP level 3, sec. 8.4)."""
    digest = hashlib.sha256(text.encode("utf-8")).digest()
    return f"'sha256-{base64.b64encode(digest).decode('ascii')}'"
