"""Limits of one request and of all requests together."""

from pydantic import ConfigDict, Field, PositiveFloat, PositiveInt

from mothertongue.config import Config
from mothertongue.serving import defaults


class Limits(Config):
    """Limits of requests; a request beyond them is refused, as early as possible."""

    model_config = ConfigDict(allow_inf_nan=True)  # inf: no limit

    upload_bytes: PositiveInt = defaults.UPLOAD_BYTES
    """Bytes of the whole request; OpenAI takes as much."""
    audio_s: PositiveFloat = defaults.AUDIO_S
    """Seconds of audio in a file, after decoding."""
    request_s: PositiveFloat = defaults.REQUEST_S
    """Seconds from the request's last byte to its answer."""
    head_s: PositiveFloat = 15.0
    """Seconds for a request's head to arrive, since the connection was made or the last answer."""
    receive_s: PositiveFloat = 30.0
    """Seconds for its body to arrive, and a second more for each `client_bytes_per_s`."""
    send_s: PositiveFloat = 15.0
    """Seconds for a client to take more of its answer, and likewise a second more."""
    client_bytes_per_s: PositiveInt = 65_536
    """A slower client is cut off."""
    connections: PositiveInt = 512
    """Connections that are open at the same time, at most half of the files that the process may
    open. For one more the one that has waited longest for a request is closed."""
    client_connections: PositiveInt = 256
    """Connections of one client that are open at the same time."""
    requests: PositiveInt = defaults.REQUESTS
    """Requests that run or wait at the same time; one client has three quarters at most."""
    pieces: PositiveInt = 512
    """Pieces of up to 30 s that wait for a model at the same time."""
    decode_s: PositiveFloat = 30.0
    """Seconds of processor time to decode one file; the decoder is stopped after twice that."""
    decode_bytes: PositiveInt = 2 * 2**30
    """Bytes of memory that decoding may take beyond what the idle decoder has."""
    drain_s: float = Field(default=defaults.DRAIN_S, ge=0)
    """Seconds for running requests to finish after SIGTERM."""
    idle_s: PositiveFloat = 10.0
    """Seconds without work until freed memory is given back to the system."""
