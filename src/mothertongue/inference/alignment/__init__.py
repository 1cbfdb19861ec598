"""Find where the words of a text are spoken in a recording, and cut both into clips.

A recording, its text and a MODEL come in; spans of both that agree go out, with the places where
they do not. It imports inference, evaluation, decoding, data and lower layers. Only `aligner` may
load torch.
"""
