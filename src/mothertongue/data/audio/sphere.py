"""Check NIST SPHERE files, as LDC and TED-LIUM have them: a header of text lines, then samples."""

import re

from mothertongue.data.audio.file import AudioError, AudioFile

MAGIC = b"NIST_1A\n"
MOST_BYTES = 1 << 16  # of a header; 1,024 are usual
FIELD = re.compile(rb"^(channel_count|sample_count|sample_n_bytes) -\w+ +(\d{1,15})\s*$", re.M)
CODING = re.compile(rb"^sample_coding -s\d+ +(\S+)", re.M)
CODINGS = (b"pcm", b"ulaw", b"mu-law", b"alaw")


def check_sphere(source: AudioFile) -> None:
    """Check the coding and the length that a SPHERE file states.

    Raises AudioError AUD-FORMAT, AUD-HEADER, AUD-TRUNCATED or AUD-CORRUPT.
    """
    size = source.read(source.start + len(MAGIC), 8).strip()
    num_bytes = int(size) if size.isdigit() else 0
    head = source.read(source.start, min(num_bytes, MOST_BYTES))
    coding = found[1] if (found := CODING.search(head)) else b"pcm"
    if coding not in CODINGS:
        reason = f"{source.path}: SPHERE with the coding {coding[:40].decode('ascii', 'replace')}"
        fix = f"unpack it; run: sph2pipe -f wav {source.path.name} {source.path.stem}.wav"
        raise AudioError("AUD-FORMAT", f"{reason}; expected pcm, ulaw or alaw", fix)
    counts = {name: int(number) for name, number in FIELD.findall(head)}
    if b"end_head" not in head or len(counts) < 3:
        raise source.implausible("no whole SPHERE header")
    claimed = counts[b"channel_count"] * counts[b"sample_count"] * counts[b"sample_n_bytes"]
    present = max(0, source.end - source.start - num_bytes)
    reason = f"the header claims {claimed:,} bytes of samples, the file has {present:,}"
    if claimed > present:
        raise source.cut(reason)
    if claimed < present:
        raise source.damaged(reason)
