"""Tell which clips are of one voice, as far as their rows state it. No torch."""

from collections.abc import Hashable

from mothertongue.data.manifest import Utterance


def voice_of(clip: Utterance) -> Hashable | None:
    """Return a key that clips of one voice and language share; None where nothing states it.

    It is the speaker; where none is stated, the recording, if the clip is a part of one.
    """
    if clip.speaker is not None:
        return clip.language, "speaker", clip.speaker
    return None if clip.start_s is None else (clip.language, "recording", clip.audio)
