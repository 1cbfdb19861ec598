"""Error rates with their uncertainty: normalizers, WER and CER, differences, errors, forgetting.

References and hypotheses come in, numbers with intervals go out; `evaluate` takes any transcriber.
It imports decoding's protocol, model and data.
"""
