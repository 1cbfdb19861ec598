// What a transcript becomes when it leaves the page; the same files as the command line writes.

const MAX_LINE = 42; // letters; a longer subtitle takes two lines
const TYPES = { srt: "application/x-subrip", vtt: "text/vtt", txt: "text/plain" };

const FILES = {
  srt: (segments) => segments.map((each, i) =>
    `${i + 1}\n${span(each, ",")}\n${lines(each.text)}\n`).join("\n"),
  vtt: (segments) => ["WEBVTT\n", ...segments.map((each) =>
    `${span(each, ".")}\n${escaped(lines(each.text))}\n`)].join("\n"),
  txt: (segments) => segments.map((each) => `${each.text.trim()}\n`).join(""),
};

// A subtitle of no length is not shown.
function span({ start, end }, mark) {
  return `${longClock(start, mark)} --> ${longClock(Math.max(end, start + 0.02), mark)}`;
}

function longClock(time_s, mark) {
  const all = Math.round(1000 * time_s);
  const parts = [all / 3_600_000, (all / 60_000) % 60, (all / 1000) % 60]
    .map((part) => String(Math.floor(part)).padStart(2, "0"));
  return `${parts.join(":")}${mark}${String(all % 1000).padStart(3, "0")}`;
}

// The text in one line, or in two about equal ones.
function lines(text) {
  const letters = [...text.trim().replace(/\s+/gu, " ")];
  const spaces = letters.flatMap((letter, i) => (letter === " " ? [i] : []));
  if (letters.length <= MAX_LINE || !spaces.length) return letters.join("");
  const half = Math.floor(letters.length / 2);
  const middle = spaces.reduce((best, i) => (Math.abs(i - half) < Math.abs(best - half) ? i : best));
  return `${letters.slice(0, middle).join("")}\n${letters.slice(middle + 1).join("")}`;
}

function escaped(text) {
  return text.replace(/&/gu, "&amp;").replace(/</gu, "&lt;").replace(/>/gu, "&gt;");
}

function fileName(sound, model, kind) {
  const stem = sound.replace(/\.[^.]*$/u, "");
  return `${[stem, model].map((each) => each.replace(/[^\p{L}\p{M}\p{N}._-]+/gu, "-")).join(".")}.${kind}`;
}

function download(text, kind, name) {
  const url = URL.createObjectURL(new Blob([text], { type: `${TYPES[kind]};charset=utf-8` }));
  make("a", { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000); // a browser may ask the user first
}

// Browsers give the clipboard only to https and localhost; elsewhere the old way still works.
async function copy(text) {
  if (navigator.clipboard) return navigator.clipboard.writeText(text);
  const field = make("textarea", { value: text, className: "away" });
  document.body.append(field);
  field.select();
  document.execCommand("copy");
  field.remove();
}

function make(tag, facts = {}, children = []) {
  const element = Object.assign(document.createElement(tag), facts);
  element.append(...children);
  return element;
}
