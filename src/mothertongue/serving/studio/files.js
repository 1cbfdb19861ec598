// What a transcript becomes when it leaves the page; the same files as the command line writes.

const MAX_LINE = 42; // columns; inference/subtitle_lines.py
const SHORTEST_MS = 20; // a subtitle of no length is not shown
// East Asian wide letters (Unicode, UAX #11), which take two columns.
const WIDE = /^(?:[\u1100-\u115f\u2329\u232a\u2e80-\u303e\u3041-\u3247\u3250-\u4dbf\u4e00-\ua4cf\ua960-\ua97c\uac00-\ud7a3\uf900-\ufaff\ufe10-\ufe19\ufe30-\ufe6b\uff01-\uff60\uffe0-\uffe6\u{16fe0}-\u{18d08}\u{1b000}-\u{1b2fb}\u{1f200}-\u{1f265}\u{20000}-\u{3fffd}]|\p{Emoji_Presentation})/u;
const TYPES = { srt: "application/x-subrip", vtt: "text/vtt", txt: "text/plain" };

const FILES = {
  srt: (segments) => cues(segments, ",").map(([times, text], i) => `${i + 1}\n${times}\n${text}\n`).join("\n"),
  vtt: (segments) => ["WEBVTT\n", ...cues(segments, ".").map(([times, text]) => `${times}\n${escaped(text)}\n`)].join("\n"),
  txt: (segments) => segments.map((each) => `${each.text.trim()}\n`).join(""),
};

// The times and the lines of each subtitle, in order; no two overlap.
function cues(segments, mark) {
  let end = 0;
  return segments.filter((each) => each.text.trim()).map((each) => {
    const start = Math.max(end, Math.round(1000 * each.start));
    end = Math.max(start + SHORTEST_MS, Math.round(1000 * each.end));
    return [`${longClock(start, mark)} --> ${longClock(end, mark)}`, broken(each.text).join("\n")];
  });
}

function longClock(all, mark) {
  const parts = [all / 3_600_000, (all / 60_000) % 60, (all / 1000) % 60]
    .map((part) => String(Math.floor(part)).padStart(2, "0"));
  return `${parts.join(":")}${mark}${String(all % 1000).padStart(3, "0")}`;
}

// The fewest lines of at most MAX_LINE columns, about equally wide. They break at spaces; between
// letters only inside words that are wider than a line.
function broken(text) {
  const parts = text.trim().split(/\s+/u).flatMap((word, i) => partsOf(word, i ? " " : ""));
  const count = filled(parts, MAX_LINE).length;
  const all = parts.reduce((sum, { columns }) => sum + columns, 0);
  for (let limit = Math.floor(all / count); limit < MAX_LINE; limit++) {
    const lines = filled(parts, limit);
    if (lines.length === count) return lines;
  }
  return filled(parts, MAX_LINE);
}

// Lines of parts, each as long as the limit lets it be.
function filled(parts, limit) {
  const lines = [];
  let width = limit;
  for (const { part, columns } of parts) {
    const isNew = width + columns > limit;
    if (isNew) lines.push("");
    width = isNew ? columns - part.startsWith(" ") : width + columns;
    lines.push(lines.pop() + (isNew ? part.trimStart() : part));
  }
  return lines;
}

// The parts of a word that stay whole, after what stands before it, and their columns.
function partsOf(word, before) {
  const letters = lettersOf(word);
  const glued = columnsOf(letters) <= MAX_LINE ? [letters] : gluedOf(letters);
  const parts = glued.some((part) => columnsOf(part) > MAX_LINE) ? letters.map((letter) => [letter]) : glued;
  return parts.map((part, i) => {
    const space = i ? "" : before;
    return { part: space + part.join(""), columns: space.length + columnsOf(part) };
  });
}

// Letters between which no line should end: before a full stop, or inside an English name.
function gluedOf(letters) {
  const parts = [];
  letters.forEach((letter, i) => {
    const before = letters[i - 1] ?? "";
    const isInside = [before, letter].every((each) => /^[0-9A-Za-z]$/u.test(each));
    const belong = isInside || /[\p{Ps}\p{Pi}\p{Logical_Order_Exception}]$/u.test(before) || /^[\p{Pe}\p{Pf}\p{Po}]/u.test(letter);
    if (i && belong) parts.at(-1).push(letter);
    else parts.push([letter]);
  });
  return parts;
}

function lettersOf(text) {
  if (!("Segmenter" in Intl)) return [...text];
  return [...new Intl.Segmenter(undefined, { granularity: "grapheme" }).segment(text)].map(({ segment }) => segment);
}

function columnsOf(letters) {
  return letters.reduce((sum, letter) => sum + (WIDE.test(letter) ? 2 : 1), 0);
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
