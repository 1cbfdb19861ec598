"""A page's words and figures are those of the records, whole and escaped."""

import base64
import gzip
import hashlib
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from comparison_results import by_cer, comparison, difference, with_averages
from known_corpus import spoken
from report_folders import (
    analysis,
    comparison_folder,
    finished_run,
    many_clips,
    poisoned,
    score_run,
)

from mothertongue.errors import ConfigError, DataError
from mothertongue.report.audio_clips import Sounds
from mothertongue.report.write import ReportOptions, write_report
from mothertongue.system.files import write_json

SCRIPT = re.compile(r"<script( [^>]*)?>(.*?)</script>", re.S)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return comparison_folder(tmp_path_factory.mktemp("comparison") / "first")


@pytest.fixture(scope="module")
def html(folder: Path) -> str:
    result = write_report([folder])
    assert result.clips == result.playable == 3
    return Path(result.page).read_text(encoding="utf-8")


def scripts(html: str) -> dict[str, str]:
    return {kind or "": text for kind, text in SCRIPT.findall(html)}


def test_every_chapter_is_there(html: str) -> None:
    chapters = re.findall(r'<section id="(\w+)"', html)
    assert chapters == [
        *("answer", "table", "curves", "learning", "layers", "forgetting", "errors", "clips"),
        *("data", "provenance"),
    ]
    links = re.findall(r'<a href="#(\w+)">', html)
    assert set(links) >= set(chapters)


def test_beside_the_clips_it_says_which_seed_they_are_of(html: str) -> None:
    assert "3 of them can be played. Of a strategy with several seeds, the texts are those" in html


def test_beside_forgetting_it_says_what_was_replayed(tmp_path: Path, html: str) -> None:
    folder = comparison_folder(tmp_path / "first")
    identity = min(folder.rglob("identity.json"))
    facts = {"manifest_sha256": "r" * 64, "share": 0.1}
    facts |= {"languages": {"en": {"clips": 3, "hours": 0.5}, "fr": {"clips": 1, "hours": 0.25}}}
    write_json(identity, json.loads(identity.read_text()) | {"replay": facts})
    page = Path(write_report([folder]).page).read_text("utf-8")
    said = "10 % of the steps replay en (0.50 h), fr (0.25 h)"
    chapter = page[page.index('<section id="forgetting">') : page.index('<section id="errors">')]
    assert f"{identity.parent.name} (" in chapter and said in chapter
    assert said not in html


def test_averages_of_weights_have_a_chapter_with_their_curve(tmp_path: Path) -> None:
    folder = comparison_folder(tmp_path / "first", **with_averages(comparison()))
    html = Path(write_report([folder]).page).read_text("utf-8")
    chapter = html[html.index('<section id="averages">') : html.index('<section id="forgetting">')]
    assert "full, alpha 0.7: WER 21.0 %, other languages WER 17.8 %" in chapter
    assert "sw: averages of weights, chosen on validation, 211 clips" in chapter
    assert "sw: averages of weights on the test split" in chapter
    assert '<a href="#averages">Averages</a>' in html


def test_figures_are_those_of_the_records(html: str) -> None:
    assert "22 words in 100 wrong, where the base model has 114" in html
    row = html[html.index("freeze (encoder_layers=3)") :][:1500]
    assert '<span data-sort="0.22" class="n-strict">22.0</span>' in row
    assert '<span data-sort="0.24" class="n-whisper">24.0</span>' in row
    assert ">-92.2*<" in row
    assert ">60.00 M<" in row
    assert "AUD-CORRUPT" in html
    assert "mothertongue compare" in html
    assert "chakuli" in html


def test_nothing_can_be_loaded_and_only_known_scripts_run(html: str) -> None:
    (policy,) = re.findall(r'Content-Security-Policy" content="([^"]+)"', html)
    policy = policy.replace("&#39;", "'")
    assert policy.startswith("default-src 'none'")
    assert "unsafe" not in policy
    assert "http" not in policy
    (code,) = [text for kind, text in SCRIPT.findall(html) if not kind]
    digest = base64.b64encode(hashlib.sha256(code.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in policy
    outside = re.findall(r'(?:src|href)="(?!#)[^"]*"', SCRIPT.sub("", html))
    assert outside == []


def test_clips_are_in_the_page_without_this_machines_paths(html: str, folder: Path) -> None:
    (packed,) = re.findall(r'id="clip-data">([^<]+)<', html)
    (found,) = json.loads(gzip.decompress(base64.b64decode(packed)))
    assert [clip["id"] for clip in found["clips"]] == ["clip0", "clip1", "clip2"]
    assert "audio" not in found["clips"][0]
    assert found["clips"][0]["heard"][0]["text"] == spoken()[0].hypothesis


def test_drawings_are_whole_and_named(html: str) -> None:
    drawings = re.findall(r"<svg .*?</svg>", html, re.S)
    assert len(drawings) > 12
    for each in drawings:
        ElementTree.fromstring(each)
    assert 'aria-label="freeze: WER 22.0 %, 95 % 20.0-24.0"' in html


def test_hostile_text_stays_text(tmp_path: Path) -> None:
    folder = comparison_folder(tmp_path / "first", **with_averages(comparison()))
    for name in ("comparison.json", "clips.json"):
        write_json(folder / name, poisoned(json.loads((folder / name).read_text())))
    page = Path(write_report([folder], tmp_path / "page.html").page).read_text(encoding="utf-8")
    assert len(SCRIPT.findall(page)) == 3  # clips, sounds, code: no other
    assert not re.search(r"<(img|iframe|link|base|meta http-equiv=refresh)\b", page)
    for each in re.findall(r"<svg .*?</svg>", page, re.S):
        drawn = ElementTree.fromstring(each)
        assert {node.tag.split("}")[1] for node in drawn.iter()} <= {
            *("svg", "g", "path", "text", "rect", "line", "defs", "clipPath"),
            *("linearGradient", "stop", "tspan"),
        }


def test_figures_and_tables_for_papers(folder: Path, tmp_path: Path) -> None:
    write_report([folder], tmp_path / "p.html", ReportOptions(audio="none", figures=tmp_path / "f"))
    written = {path.name for path in (tmp_path / "f").iterdir()}
    assert {"sw-wer.svg", "sw-wer.pdf", "curve-freeze-encoder_layers.pdf", "table.tex"} <= written
    assert {"table.csv", "sw-forgetting.svg", "sw-errors.svg", "sw-loss.pdf"} <= written
    assert (tmp_path / "f/sw-wer.pdf").read_bytes().startswith(b"%PDF")
    drawn = (tmp_path / "f/sw-wer.svg").read_text()
    assert "var(--" not in drawn
    ElementTree.fromstring(drawn)


def test_what_a_killed_report_left_is_swept(folder: Path, tmp_path: Path) -> None:
    figures = tmp_path / "figures"
    figures.mkdir()
    left = [each / f".tmp-{'0' * 32}" for each in (tmp_path, figures)]
    other = tmp_path / ".tmp-mine"
    for path in (*left, other):
        path.touch()
    write_report([folder], tmp_path / "page.html", ReportOptions(audio="none", figures=figures))
    assert not any(path.exists() for path in left)
    assert other.exists()


def test_a_single_run_with_and_without_scores(tmp_path: Path) -> None:
    comparison_folder(tmp_path)  # for its data
    run = finished_run(tmp_path / "one")
    page = Path(write_report([run]).page)
    assert page == run / "report.html"
    text = page.read_text(encoding="utf-8")
    assert f"mothertongue evaluate {run} --with-base" in text
    assert "Validation WER" in text
    assert "WER 20.0 % (95 % 15.0-25.0) on validation, step 200" in text
    assert 'id="clips"' not in text
    score_run(run, "test", spoken())
    figures = ReportOptions(figures=tmp_path / "figures")
    text = Path(write_report([run], options=figures).page).read_text(encoding="utf-8")
    assert "38 words in 100 wrong." in text
    assert (tmp_path / "figures/table.csv").read_text().count("full") == 1
    score_run(run, "base-test", spoken())
    text = Path(write_report([run]).page).read_text(encoding="utf-8")
    assert 'id="clips"' in text
    assert "38 words in 100 wrong, where the base model has 38" in text


def test_several_comparisons_are_one_page(folder: Path, tmp_path: Path) -> None:
    other = comparison_folder(tmp_path / "second", name="second")
    page = write_report([folder, other], tmp_path / "both.html", ReportOptions(audio="none"))
    text = Path(page.page).read_text(encoding="utf-8")
    assert page.clips == 6
    assert text.count('class="part"') == 2
    assert 'id="table1"' in text


def test_figures_stay_in_their_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The names are those that stand in comparison.json, which may be anybody's."""
    monkeypatch.setattr("vl_convert.vegalite_to_svg", lambda *_, **__: "")
    monkeypatch.setattr("vl_convert.vegalite_to_pdf", lambda *_, **__: b"")
    names = ("../../out", "..", "out")
    folders = [comparison_folder(tmp_path / str(i), name=name) for i, name in enumerate(names)]
    before = {path for path in tmp_path.rglob("*") if path.is_file()}
    figures = tmp_path / "deep/down/figures"
    options = ReportOptions(audio="none", figures=figures)
    write_report(folders, figures / "page.html", options)
    written = {path for path in tmp_path.rglob("*") if path.is_file()} - before
    assert all(path.is_relative_to(figures) for path in written)
    homes = {path.parent.name for path in written if path.name == "table.csv"}
    assert homes == {"out", "part-1", "out-2"}


@pytest.mark.parametrize("name", ["../elsewhere", "/etc", "..", "a/b"])
def test_a_comparisons_runs_are_in_its_folder(name: str, tmp_path: Path) -> None:
    folder = comparison_folder(tmp_path / "first")
    result = json.loads((folder / "comparison.json").read_text())
    result["languages"]["sw"]["strategies"][0]["runs"] = [name]
    write_json(folder / "comparison.json", result)
    with pytest.raises(DataError, match=r"comparison.json: run '.*' is not in .*/runs"):
        write_report([folder])


def test_an_analysis_is_drawn_and_only_full_tuning_suggests(folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "analysis.json"
    write_json(path, analysis())
    options = ReportOptions(audio="none", analyses=(path,))
    text = Path(write_report([folder], tmp_path / "p.html", options).page).read_text("utf-8")
    assert "sw-full: the bottom 2 encoder layers stay above CKA 0.95: try freeze with n = 2" in text
    assert "sw-freeze: the bottom" not in text
    assert 'aria-label="stem before, layer 1 after: CKA 0.500"' in text


def test_ten_thousand_clips_fit_in_eight_megabytes(folder: Path, tmp_path: Path) -> None:
    home = comparison_folder(tmp_path / "first")
    write_json(home / "clips.json", [many_clips(10_000)])
    result = write_report([home], options=ReportOptions(audio="none"))
    assert result.clips == 10_000
    assert result.bytes < 8e6


def test_what_is_no_run_is_refused(tmp_path: Path, folder: Path) -> None:
    with pytest.raises(ConfigError, match="neither a finished comparison nor a run"):
        write_report([tmp_path])
    (home := comparison_folder(tmp_path / "old")).joinpath("clips.json").unlink()
    with pytest.raises(DataError, match=r"has no clips.json; .* mothertongue compare"):
        write_report([home])
    with pytest.raises(DataError, match="not there"):
        write_report([folder], tmp_path / "p.html", ReportOptions(analyses=(tmp_path / "no.json",)))


def test_a_page_needs_no_torch() -> None:
    code = "import sys, mothertongue.report.write; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_language_that_is_judged_by_cer_leads_with_it(tmp_path: Path) -> None:
    folder = comparison_folder(tmp_path / "first", **by_cer(comparison()))
    figures = ReportOptions(audio="none", figures=tmp_path / "f")
    html = Path(write_report([folder], options=figures).page).read_text(encoding="utf-8")
    assert "7 characters in 100 wrong, where the base model has 38" in html
    assert html.index("CER % (chosen by)") < html.index(">WER %<")
    row = html[html.index("freeze (encoder_layers=3)") :]
    assert row.index(">7.3<") < row.index(">22.0<")
    assert ">lowest CER<" in html
    assert 'aria-label="freeze: CER 7.3 %, 95 % 6.3-8.3"' in html
    assert "CER by speaker" in html
    written = {path.name for path in (tmp_path / "f").iterdir()}
    assert {"sw-cer.svg", "sw-cer-time.svg", "curve-freeze-encoder_layers-cer.svg"} <= written


def test_a_run_that_was_chosen_by_cer_leads_with_it(tmp_path: Path) -> None:
    comparison_folder(tmp_path)  # for its data
    run = finished_run(tmp_path / "one", language="th")
    record = json.loads((run / "record.json").read_text())
    chosen = {"best_validation_cer": 0.11, "best_validation_cer_interval95": [0.1, 0.12]}
    write_json(run / "record.json", record | {"select_by": "cer", **chosen})
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    found = {"validation_cer": 0.1, "validation_cer_interval95": [0.09, 0.11]}
    validations = [line | found for line in lines if "validation_wer" in line]
    (run / "metrics.jsonl").write_text("\n".join(map(json.dumps, lines[:-3] + validations)) + "\n")
    text = Path(write_report([run]).page).read_text(encoding="utf-8")
    assert "CER 11.0 % (95 % 10.0-12.0) on validation, step 200" in text
    assert "Validation CER" in text


def test_a_comparison_of_a_version_whose_p_ignored_seeds_is_refused(tmp_path: Path) -> None:
    folder = comparison_folder(tmp_path / "first")
    result = json.loads((folder / "comparison.json").read_text())
    for found in result["languages"].values():
        del found["measure"]
    write_json(folder / "comparison.json", result)
    with pytest.raises(
        DataError, match=r"languages\.sw\.measure: Field required; .* mothertongue compare again"
    ):
        write_report([folder])


def test_processes_that_write_one_page_take_turns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    comparison_folder(tmp_path)  # for its data
    run = finished_run(tmp_path / "one")
    seen: list[list[str]] = []

    def look(*_: Any) -> Sounds:
        seen.append(sorted(path.name for path in run.glob(".*")))
        return Sounds()

    monkeypatch.setattr("mothertongue.report.write.collect_sounds", look)
    write_report([run])
    assert seen == [[".report.html.lock"]]
    assert not list(run.glob(".*"))


def test_a_strategy_that_is_worse_than_the_base_model_is_not_to_be_used(tmp_path: Path) -> None:
    languages = comparison()["languages"]
    for row in languages["sw"]["strategies"]:
        row["vs_base"] = difference(0.02, 0.002)
    html = Path(write_report([comparison_folder(tmp_path / "c", languages=languages)]).page)
    headings = re.findall(r'<h2>(.*)<span class="pick">(\w+)', html.read_text("utf-8"))
    assert headings == [("", "freeze"), ("Use ", "freeze")]
