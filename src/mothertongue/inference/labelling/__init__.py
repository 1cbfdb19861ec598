"""Label recordings without text: a model's transcripts that pass filters become training data.

A MODEL and recordings come in; a folder as `prepare` writes it goes out, whose rows are
pseudo-labels. It imports inference, evaluation, experiment, data and lower layers.
"""
