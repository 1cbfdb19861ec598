"""An OpenAI-compatible server: many languages on one base, and a web page to try them.

Models and audio over HTTP come in, transcripts go out. It imports inference, export, decoding,
strategies, model and data.
"""

import importlib.util

from mothertongue.errors import ConfigError

PACKAGES = ("fastapi", "prometheus_client", "python_multipart", "uvicorn")


def require_packages() -> None:
    """Raise ConfigError with the command to install if a package for serving is missing."""
    missing = [each for each in PACKAGES if importlib.util.find_spec(each) is None]
    if missing:
        raise ConfigError(f"serve needs {', '.join(missing)}: pip install 'mothertongue[serve]'")
