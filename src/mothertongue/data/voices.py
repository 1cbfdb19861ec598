"""Tell which clips are of one voice, as far as their rows state it. No torch."""

from collections import Counter
from collections.abc import Hashable, Sequence

from mothertongue.data.manifest import Utterance


def voices(utterances: Sequence[Utterance]) -> list[Hashable | None]:
    """Return a key for the voice and language of each clip; None where no other clip shares it.

    The voice is the speaker; where none is stated, the recording of which the clip is a part.
    Clips without either may be of anybody.
    """
    keys = [_voice(each) for each in utterances]
    counts = Counter(keys)
    return [key if counts[key] > 1 else None for key in keys]


def _voice(clip: Utterance) -> Hashable | None:
    if clip.speaker is not None:
        return clip.language, "speaker", clip.speaker
    return None if clip.start_s is None else (clip.language, "recording", clip.audio)
