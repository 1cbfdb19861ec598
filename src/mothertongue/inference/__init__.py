"""From recordings of any length to text with times: speech, pieces, cues, formats, files."""
