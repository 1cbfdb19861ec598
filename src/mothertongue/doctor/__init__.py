"""The data doctor: listen to a prepared corpus with a model, and rank what looks wrong in it.

A manifest and a MODEL come in; findings with codes, worst first, come out, and the record that its
page and table are made of. It imports inference, evaluation, data and below. What judges numbers
and texts (everything but `listen` and `examine`) loads no torch.
"""
