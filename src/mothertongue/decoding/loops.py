"""Find loops: a decoder repeats the same text and does not stop. No torch.

People repeat themselves too: a chorus, a chant, laughter, a number with many zeros. So a repetition
is only taken for a loop where nothing follows it: the text ran into the limit inside of it, or it
went on for so long that decoding was given up. A repetition that ends is kept as it was written.
"""

from collections.abc import Sequence

LOOP_TOKENS = 96
"""Decoding is given up after so many tokens of nothing but one cycle. That is longer than people
repeat themselves in 30 s, and a fifth of the decoder's room: it bounds what a loop costs."""
LONGEST_CYCLE_TOKENS = 12
"""The longest cycle that decoding is given up for: it then came eight times or more. A word has
1-4 tokens in Latin script and up to 30 in the densest; longer cycles run to the limit."""
REPEATS_AT_LIMIT = 6
"""A text that met its limit ends in a loop where its end repeats any cycle so often."""


def is_loop(tokens: Sequence[int]) -> bool:
    """Return whether the last 96 tokens repeat one cycle of 1-12 tokens: decoding stops here."""
    tail = tokens[-LOOP_TOKENS:]
    return len(tail) == LOOP_TOKENS and any(
        tail[-1] == tail[-1 - cycle] and tail[cycle:] == tail[:-cycle]
        for cycle in range(1, LONGEST_CYCLE_TOKENS + 1)
    )


def cut_at_loop(tokens: Sequence[int], limit: int) -> tuple[list[int], bool]:
    """Return the tokens with a loop at their end cut to one cycle, and whether there was one.

    Tokens after the place where decoding gives up are dropped: an engine without that rule may
    have written them. `limit`: how many tokens the text might have at most.
    """
    ends = range(LOOP_TOKENS, len(tokens) + 1)
    given_up = next((end for end in ends if is_loop(tokens[end - LOOP_TOKENS : end])), None)
    kept = list(tokens[:given_up])
    if given_up is None and len(kept) < limit:
        return kept, False
    # Of all cycles the one that explains most of the end: a word of two equal tokens may be in it.
    cycles = range(1, len(kept) // REPEATS_AT_LIMIT + 1)
    loops = [
        repeated
        for cycle in cycles
        if (repeated := _repeated(kept, cycle)) >= (REPEATS_AT_LIMIT - 1) * cycle
    ]
    return kept[: len(kept) - max(loops, default=0)], bool(loops)


def _repeated(tokens: Sequence[int], cycle: int) -> int:
    """Return the number of tokens at the end that equal those `cycle` tokens before."""
    count = 0
    while count + cycle < len(tokens) and tokens[-1 - count] == tokens[-1 - count - cycle]:
        count += 1
    return count
