"""Count the labels of a corpus that an engine cannot write in full, and the longest window."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from mothertongue.data.manifest import Utterance
from mothertongue.export.base import Exporter
from mothertongue.export.records import TokenLimit
from mothertongue.model.context import FULL_CONTEXT_S
from mothertongue.model.tokenizer import Tokens

DENSE_PERCENTILE = 95


def count_labels(corpus: Sequence[Utterance], tokens: Tokens, writer: Exporter) -> TokenLimit:
    """Compare the corpus' labels with the engine's limit; add the advice for the user.

    `longest_window_s` is the longest window, in whole seconds, in which dense speech of this corpus
    fits. Dense speech is the 95th percentile of tokens a second: of all labels or of those over the
    limit, whichever is higher, so that a few long labels in a sparse corpus count too.
    """
    limit = writer.max_tokens
    tokens_N = np.array([len(tokens.encode(each.text)) for each in corpus])
    density_N = tokens_N / np.array([each.duration_s for each in corpus])
    over_N = tokens_N > limit
    dense = float(np.percentile(density_N, DENSE_PERCENTILE))
    if over_N.any():
        dense = max(dense, float(np.percentile(density_N[over_N], DENSE_PERCENTILE)))
    counts = TokenLimit(
        max_tokens=limit,
        source=writer.max_tokens_source,
        labels=len(corpus),
        labels_over=int(over_N.sum()),
        most_tokens=int(tokens_N.max()),
        tokens_per_s_median=float(np.median(density_N)),
        tokens_per_s_dense=dense,
        longest_window_s=max(1, min(FULL_CONTEXT_S, int(limit / dense))),
    )
    return replace(counts, advice=_advice(counts, writer))


def _advice(counts: TokenLimit, writer: Exporter) -> str | None:
    """Return None if every label and a whole window of dense speech fit; else the advice."""
    window_s = counts.longest_window_s
    if not counts.labels_over and window_s == FULL_CONTEXT_S:
        return None
    return (
        f"{writer.engine} writes at most {counts.max_tokens} tokens for one window and drops "
        f"the rest of its text. {counts.labels_over:,} of the corpus' {counts.labels:,} "
        f"transcripts have more, the longest has {counts.most_tokens:,}. Dense speech of the "
        f"corpus has {counts.tokens_per_s_dense:.1f} tokens a second: use windows of at most "
        f"{window_s} s ({writer.shorter_windows.format(window_s)})."
    )
