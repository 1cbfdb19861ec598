"""The fixtures of the server's tests."""

from serving_fixtures import expected, offer, recordings, server  # noqa: F401
