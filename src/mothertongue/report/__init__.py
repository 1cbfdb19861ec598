"""Everything that people read: page, tables, charts, and the recommendation in words.

Records that other verbs left come in, and become HTML, terminal tables, CSV, LaTeX and figures.
It computes no result of its own; it imports comparison, doctor, evaluation
and below. No torch.
"""
