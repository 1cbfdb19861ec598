"""N-gram language models over Whisper's tokens: counted, smoothed, stored as ARPA, asked in search.

Texts come in, a folder with lm.arpa goes out; decoding asks it for the probability of each next
token. No torch.
"""
