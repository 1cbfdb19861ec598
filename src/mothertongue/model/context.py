"""The audio context of the encoder for a clip: the clip's own seconds, or 30. No torch."""

import math
from typing import Literal

FULL_CONTEXT_S = 30
FRAMES_PER_S = 50  # of the encoder: its second convolution halves the 100 mel frames

Context = Literal["bucket", "full"]


def context_s(duration_s: float, context: Context) -> int:
    """Return the encoder's context for a clip, in whole seconds, 1 to 30.

    Raises ValueError beyond 30 s, all that Whisper's positions can hold.
    """
    if duration_s > FULL_CONTEXT_S:
        raise ValueError(f"a clip of {duration_s:.2f} s: Whisper takes at most {FULL_CONTEXT_S} s")
    # 1e-6: a clip of exactly 4 s must not become 5 s by a rounding error in its stored duration.
    return FULL_CONTEXT_S if context == "full" else max(1, math.ceil(duration_s - 1e-6))
