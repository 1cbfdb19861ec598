"""Do the work of `mothertongue doctor`: recognize a corpus, judge every clip, write the record.

OUT/
  doctor.json       the record: counts, findings worst first, and how they were made
  recognized.jsonl  the text that was recognized in each clip; see `listen`
  decisions.jsonl   a decision for each clip with findings; people edit it, it is never overwritten
  .lock             exists only while a process works here
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from mothertongue.data.decisions import DECISIONS, Decision, read_decisions, write_decisions
from mothertongue.data.manifest import PREPARE, Utterance, data_digest, read_data
from mothertongue.diagnosis.duplicates import duplicate_findings
from mothertongue.diagnosis.findings import (
    ExaminedClip,
    Finding,
    Recognition,
    counts,
    score_of,
    worst_first,
)
from mothertongue.diagnosis.languages import language_findings
from mothertongue.diagnosis.listen import RECOGNIZED, Advance, Listener, Recognized, listen
from mothertongue.diagnosis.pairing import (
    MIN_CLIPS,
    fit_of,
    pairing_findings,
    tells_unmatched,
    vectors_of,
)
from mothertongue.diagnosis.records import DoctorRecord, Findings, PairingFacts
from mothertongue.diagnosis.shifts import shift_findings
from mothertongue.diagnosis.sounds import sound_findings
from mothertongue.diagnosis.texts import length_findings, text_findings
from mothertongue.diagnosis.unseen import shares_of, warnings_of
from mothertongue.errors import DataError
from mothertongue.system.environment import environment
from mothertongue.system.files import sweep, write_json
from mothertongue.system.json_files import field_values
from mothertongue.system.locks import alone

RECORD, LOCK = "doctor.json", ".lock"
EXPLAINED = ("EMPTY", "WRONG-SCRIPT", "OTHER-LANGUAGE", "SILENT", "SHIFTED", "MISPAIRED")
"""Findings that explain why a transcript fits nothing."""


def examine(data: Path, out: Path, listeners: Sequence[Listener], advance: Advance) -> DoctorRecord:
    """Examine the clips of a manifest, or of its folder, write OUT and return the record.

    Each clip is recognized by the first of the `listeners` that did not train on it. `advance` is
    called with the number of clips just recognized. Raises DataError if there are no clips or the
    decisions in `out` are damaged, and MothertongueError if another process works in `out`.
    """
    clips = read_data([data])
    if not clips:
        raise DataError(f"{data}: no clips; expected one at least: {PREPARE}")
    with alone(out / LOCK, out, "wait for it, stop it, or give another --out"):
        sweep(out)
        if (out / DECISIONS).exists():
            read_decisions(out / DECISIONS)  # the page needs them; damage is said before the work
        shares = shares_of([each.model for each in listeners], clips)
        recognized: Recognized = {}
        for listener, share in zip(listeners, shares, strict=True):
            recognized |= listen(listener, share.clips, out / RECOGNIZED, advance)
        record = DoctorRecord(
            **field_values(findings_on(clips, recognized)),
            model=", ".join(each.model for each in listeners),
            warnings=warnings_of(shares),
            decoding=listeners[0].config.facts(),
            data=str(data),
            data_digest=data_digest([data]),
            environment=environment(),
        )
        write_json(out / RECORD, record)
        if not (out / DECISIONS).exists():
            write_decisions(out / DECISIONS, decisions_for(clips, record.findings))
    return record


def findings_on(
    clips: Sequence[Utterance], recognized: Mapping[str, Recognition | str]
) -> Findings:
    """Return the findings on clips, worst first; `recognized` is from `listen`."""
    examined: dict[str, list[ExaminedClip]] = defaultdict(list)
    findings = list[Finding]()
    for clip in clips:
        heard = recognized[clip.id]
        if isinstance(heard, Recognition):
            examined[clip.language].append(ExaminedClip(clip, heard))
        else:
            findings.append(Finding(clip.id, "UNREADABLE", score_of("UNREADABLE", 1.0), heard))
    languages = dict[str, PairingFacts]()
    for language, group in sorted(examined.items()):
        found, languages[language] = _judged(group)
        findings += found
    whole = [each for group in examined.values() for each in group]
    findings += [*sound_findings(whole), *duplicate_findings(whole)]
    kept = worst_first(without_explained(findings))
    clip_of = {each.id: each for each in whole}
    return Findings(
        clips=len(clips),
        clips_with_findings=len({each.id for each in kept}),
        counts=counts(kept),
        languages=languages,
        findings=[_with_texts(each, clip_of.get(each.id)) for each in kept],
    )


def _with_texts(finding: Finding, clip: ExaminedClip | None) -> Finding:
    """Return the finding with both texts of its clip, unless the clip cannot be read."""
    return replace(finding, text=clip.text, heard=clip.heard.text) if clip else finding


def _judged(clips: Sequence[ExaminedClip]) -> tuple[list[Finding], PairingFacts]:
    """Return the findings on the clips of one language, and whether pairing could be judged."""
    findings = [*text_findings(clips), *length_findings(clips)]
    if len(clips) < MIN_CLIPS:
        return findings, PairingFacts(len(clips), None, tells_unmatched=False)
    fit = fit_of(clips, vectors_of(clips))
    findings += language_findings(clips, ((fit.own_N < fit.unmatched) & ~fit.fits_N).tolist())
    shifted = list(shift_findings(clips, fit))
    moved = {each.id for each in shifted}
    paired = [each for each in pairing_findings(clips, fit) if each.id not in moved]
    facts = PairingFacts(len(clips), int(fit.fits_N.sum()), tells_unmatched(fit))
    return [*findings, *shifted, *paired], facts


def without_explained(findings: Sequence[Finding]) -> Iterator[Finding]:
    """Return the findings without each UNMATCHED that another finding on its clip explains."""
    explained = {each.id for each in findings if each.code in EXPLAINED}
    return (each for each in findings if each.code != "UNMATCHED" or each.id not in explained)


def decisions_for(clips: Sequence[Utterance], findings: Sequence[Finding]) -> list[Decision]:
    """Accept every clip with findings, worst first, with its text to correct and the codes."""
    texts = {clip.id: clip.text for clip in clips}
    codes: dict[str, list[str]] = defaultdict(list)
    for each in findings:
        codes[each.id].append(each.code)
    return [Decision(name, "accept", texts[name], " ".join(codes[name])) for name in codes]
