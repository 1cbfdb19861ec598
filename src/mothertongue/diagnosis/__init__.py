"""Recognize a prepared corpus with a model, and rank the clips that look wrong.

A manifest and a MODEL come in. Findings with codes come out, worst first, with the record from
which the page and the table are made. It imports inference, evaluation, data and lower layers. The
modules that judge numbers and texts (all but `listen` and `examine`) load no torch.
"""
