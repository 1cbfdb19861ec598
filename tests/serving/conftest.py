"""The fixtures of the server's tests and of its page's."""

from serving_fixtures import expected, offer, recordings, server  # noqa: F401
from studio_pages import browser, running, sound, stub  # noqa: F401
