"""Use a model: open it, transcribe recordings of any length, score a split, evaluate a run.

A MODEL (base, run or export folder) and audio come in; transcripts, subtitles and scores go out. It
imports export, evaluation, experiment, decoding and below, and nothing of training.
"""
