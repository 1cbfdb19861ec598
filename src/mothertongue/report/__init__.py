"""All that people read: the page of a run or a comparison, tables, charts, and the advice in words.

Records that other verbs left come in, and become HTML, terminal tables, CSV, LaTeX and figures.
It computes no result of its own; it imports comparison, evaluation and below. No torch.
"""
