"""Measure how tuning changed each layer: its similarity before and after.

Finished runs come in; similarities (CKA, SVCCA, PWCCA) as JSON and heatmaps go out. It imports
experiment, model and data.
"""
