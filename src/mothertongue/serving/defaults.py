"""Defaults of the limits that `serve` has as options; without pydantic, so --help is fast."""

UPLOAD_BYTES = 25 * 2**20
AUDIO_S = 600.0
REQUESTS = 64
REQUEST_S = 300.0
DRAIN_S = 30.0
