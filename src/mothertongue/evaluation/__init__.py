"""Compute error rates and their uncertainty: normalizers, WER, CER, differences, forgetting.

References and hypotheses come in, numbers with intervals go out; `evaluate` takes any transcriber.
It imports decoding's protocol and data.
"""
