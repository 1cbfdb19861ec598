"""The page of the campaign: what a part that is run again replaces."""

import json
from pathlib import Path

from faults import page


def test_verbs_that_are_not_killed_again_keep_their_kills(tmp_path: Path) -> None:
    out = tmp_path / "reliability.json"
    lost = ["compare after 1 s: other results: a.html", "export after 2 s: process left: 7"]
    both = {"compare": {"kills": 20, "other results": 1}, "export": {"kills": 20}}
    page.update(out, "kills", {"verbs": both, "found": lost}, 1.0)
    page.update(out, "kills", {"verbs": {"compare": {"kills": 3}}, "found": []}, 1.0)
    found = json.loads(out.read_text())["kills"]
    assert {name: each["kills"] for name, each in found["verbs"].items()} == {
        "compare": 3,
        "export": 20,
    }
    assert found["found"] == lost[1:]
    page.write(out)
    assert f"| compare | {found['date']} | 3 | 0 | 0 | 0 |" in out.with_suffix(".md").read_text()
