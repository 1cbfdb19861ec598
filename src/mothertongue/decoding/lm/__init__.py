"""N-gram language models of Whisper's tokens: count, smooth, store as ARPA, use in search.

Texts come in, a folder with lm.arpa goes out; decoding asks it for the probability of each next
token. No torch.
"""
