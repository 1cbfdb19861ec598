"""Test the page of `doctor`: every text is shown unchanged, and the page contains the sound."""

import html
import json
import re
from pathlib import Path
from typing import Any

from clips import tone, write_clip
from doctor_records import doctor_record

from mothertongue.data.decisions import Decision, write_decisions
from mothertongue.data.manifest import Utterance, write_manifest
from mothertongue.diagnosis.findings import Finding
from mothertongue.report.doctor_page import cards_of, write_doctor_page

HOSTILE = "</script><script>alert(1)</script>\"'&{{ 7 * 7 }}"


def finding(name: str, code: str, score: float, **facts: Any) -> Finding:
    return Finding(name, code, score, HOSTILE, text=HOSTILE, heard=HOSTILE, **facts)


def clips(folder: Path) -> dict[str, Utterance]:
    """Write two clips and their manifest into the folder; return the clips."""
    found = {}
    for number, name in enumerate((HOSTILE, "b")):
        write_clip(folder / f"{number}.wav", tone(0.5, 200 + number))
        found[name] = Utterance(name, f"{number}.wav", f"text of {number}", "sw", 0.5)
    write_manifest(folder / "manifest.jsonl", found.values())
    return found


def test_a_clip_has_one_card_with_all_its_findings_and_the_text_that_fits(tmp_path: Path) -> None:
    found = [finding("b", "MISPAIRED", 0.9, says=HOSTILE), finding("b", "NOISY", 0.2)]
    (card,) = cards_of(found, clips(tmp_path), {})
    assert (card.clip.id, card.score, card.proposed) == ("b", 0.9, "text of 0")
    assert [each.code for each in card.findings] == ["MISPAIRED", "NOISY"]
    assert (card.decision, card.correction) == (
        Decision("b", "accept", note="MISPAIRED NOISY"),
        "text of 0",
    )


def test_what_was_decided_before_is_shown_and_stays_in_the_export(tmp_path: Path) -> None:
    clips(tmp_path)
    fixed = Decision("b", "fix", f"corrected {HOSTILE}", "heard twice")
    dropped = Decision("no clip now", "drop", note=HOSTILE)
    write_decisions(tmp_path / "doctor/decisions.jsonl", [dropped, fixed])
    found = [finding(HOSTILE, "EMPTY", 1.0), finding("b", "MISPAIRED", 0.9, says=HOSTILE)]
    record = doctor_record(found, data=str(tmp_path))
    path = write_doctor_page(record, tmp_path, tmp_path / "doctor", 1.0)
    page = html.unescape(path.read_text("utf-8"))
    new, old = re.findall(r"<article.*?</article>", page, re.DOTALL)
    checked = re.compile(r'value="(\w+)" checked')
    assert (checked.findall(new), 'data-note="EMPTY"' in new) == (["accept"], True)
    assert (checked.findall(old), 'data-note="heard twice"' in old) == (["fix"], True)
    assert '<textarea dir="auto" hidden' in new and f">{fixed.text}</textarea>" in old
    assert "hidden" not in old
    (elsewhere,) = re.findall(r'data-elsewhere="(.*?)"><button', page)
    assert json.loads(elsewhere) == [{"id": "no clip now", "decision": "drop", "note": HOSTILE}]
    assert "decisions.jsonl decides on 1 more clips" in page


def test_no_text_becomes_markup_and_the_worst_clips_have_their_sound(tmp_path: Path) -> None:
    clips(tmp_path)
    found = [finding(HOSTILE, "EMPTY", 1.0), finding("b", "NOISY", 0.2)]
    record = doctor_record(found, data=str(tmp_path), model=HOSTILE, warnings=[HOSTILE])
    page = write_doctor_page(record, tmp_path, tmp_path / "doctor", 1.0).read_text("utf-8")
    assert "alert(1)</script>" not in page and "&lt;/script&gt;" in page
    assert len(re.findall(r"<script", page)) == 2
    (sounds,) = re.findall(r'id="sound-data">(.*?)</script>', page, re.DOTALL)
    assert set(json.loads(sounds)) == {"0", "1"}
    assert "default-src &#39;none&#39;" in page and "http://" not in page and "https://" not in page
