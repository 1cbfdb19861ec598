"""A corpus becomes a clean manifest, and a manifest becomes clips. No torch.

Corpora come in (`sources`, of which some read `annotations`), their audio is decoded (`audio`, in
the processes of `sandbox`), each row is checked, then all rows against each other; manifest.jsonl
and a data card go out. It imports config and system.
"""
