"""The task of `prepare`, where a bad file does to its worker what it says."""

from collections.abc import Iterator

import bad_decoders
from bad_decoders import warm_up as warm_up

from mothertongue.data import sound_facts as sound
from mothertongue.data.audio.decoders import Span
from mothertongue.data.sandbox.channel import Answer


def answer(span: Span) -> Iterator[Answer]:
    yield from bad_decoders.answer(span, sound.answer)
