"""Strategies side by side: a grid of runs, the choice on validation, and the tested result.

A grid (YAML) and manifests come in; runs, comparison.json and clips.json go out. It trains and
scores in processes of its own (`jobs`) and imports inference, training, evaluation and below.
Finished runs come in too; `average` makes one run of them.
"""
