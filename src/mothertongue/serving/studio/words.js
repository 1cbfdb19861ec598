"use strict";
// A text as words: where they stand in it, when they were said, and how two texts differ.
// What counts as the same word is what mothertongue's `strict` normalizer says (text.py).

// Within a word all of these are one letter, ʼ: apostrophes, however typed.
const APOSTROPHES = "'’‘‛＇`´′՚׳", APOSTROPHE = /['’‘‛＇`´′՚׳ʻꞌ]/gu;
// Within a word these vanish: points, and marks of Hebrew and Armenian.
const VANISHING = "·‧״՛՜՞";
// Invisible, or only stretching a word on the line.
const IGNORED = "\\p{Cf}\\u0640\\u07fa\\u180b-\\u180d\\u180f\\ufe00-\\ufe0f\\u{e0100}-\\u{e01ef}";
// Unicode calls them symbols; they are words (Sindhi) or write tones and sounds.
const LETTER_SYMBOLS = "\\u06fd\\u06fe\\u02c2-\\u02c5\\u02d2-\\u02d7\\u02de\\u02df\\u02e5-\\u02eb"
  + "\\u02ed\\u02ef-\\u02ff\\ua700-\\ua716\\ua720\\ua721\\ua789\\ua78a\\uab5b\\uab6a\\uab6b";
const LETTER = `(?:[^\\p{P}\\p{S}\\p{Cc}\\p{Z}\\u200b]|[${LETTER_SYMBOLS}])`;
// Without lookbehind, which older phones lack.
const WORD = new RegExp(
  `(?:[\\p{L}\\p{M}][${IGNORED}]*[${APOSTROPHES}${VANISHING}](?=[${IGNORED}]*\\p{L})|${LETTER})+`, "gu");
const DROPPED = new RegExp(`[${IGNORED}${VANISHING}]`, "gu");
const WITHOUT_SPACES = new RegExp(
  "[" + ["Thai", "Lao", "Khmer", "Myanmar", "Han", "Hiragana", "Katakana"]
    .map((script) => `\\p{Script=${script}}`).join("") + "]", "u");
// Full case folding, where it differs from lower case in living alphabets.
const FOLDS = { "ß": "ss", "ς": "σ", "և": "եւ", "İ": "i" };
// A Malayalam chillu as it was written before Unicode 5.1.
const CHILLUS = { "ണ്\u200d": "ൺ", "ന്\u200d": "ൻ", "ര്\u200d": "ർ", "ല്\u200d": "ൽ", "ള്\u200d": "ൾ", "ക്\u200d": "ൿ" };
// Malayalam nta, in the three ways that it is typed.
const NTA_SPELLINGS = /\u0d7b\u0d4d?\u0d31/gu, NTA = "\u0d28\u0d4d\u0d31";
// Of the table of an alignment: five thousand words against as many, a byte each.
const MOST_CELLS = 25e6;

// What two spellings of the same word have in common. Marks stay: they make another word.
function keyOf(word) {
  const composed = word.normalize("NFC")
    .replace(/[ണനരലളക]്\u200d/gu, (old) => CHILLUS[old]).replace(/İ/gu, FOLDS["İ"]);
  const folded = composed.toLowerCase().replace(/[ßςև]/gu, (letter) => FOLDS[letter]);
  return folded.replace(DROPPED, "").replace(APOSTROPHE, "ʼ").normalize("NFC")
    .replace(NTA_SPELLINGS, NTA);
}

// The words of a text: [{text, key, from, to}], from and to being places in it.
function wordsOf(text) {
  return [...text.matchAll(WORD)]
    .flatMap((match) => cut(match[0]).map(([part, at]) => {
      const from = match.index + at;
      return { text: part, key: keyOf(part), from, to: from + part.length };
    }))
    .filter((word) => word.key);
}

// Scripts without spaces are cut by the browser's dictionary.
function cut(word) {
  if (!WITHOUT_SPACES.test(word) || !Intl.Segmenter) return [[word, 0]];
  const parts = new Intl.Segmenter(undefined, { granularity: "word" }).segment(word);
  return [...parts].map((part) => [part.segment, part.index]);
}

// The words with `start`, `end` in seconds and `probability` of the pieces that they lie in: of
// the server's own words, or, where a model gives none, of its segments.
function timedWords(text, pieces) {
  const words = wordsOf(text);
  let at = 0, next = 0;
  for (const piece of pieces) {
    const from = text.indexOf(piece.text, at);
    if (!piece.text || from < 0) continue;
    at = from + piece.text.length;
    while (next < words.length && words[next].to <= from) next++;
    for (let i = next; i < words.length && words[i].from < at; i++) takeTimes(words[i], piece);
  }
  return words;
}

function takeTimes(word, piece) {
  word.start ??= piece.start;
  word.end = piece.end;
  if (piece.probability === undefined) return;
  word.probability = Math.min(word.probability ?? 1, piece.probability);
}

// The fewest changes that lead from words a to words b: [{kind, a, b}], kind being "same", "sub",
// "del" (of a only) or "ins" (of b only). Null when the texts are too long for it.
function align(a, b) {
  let head = 0, tail = 0;
  while (head < Math.min(a.length, b.length) && a[head].key === b[head].key) head++;
  while (tail < Math.min(a.length, b.length) - head && a.at(-1 - tail).key === b.at(-1 - tail).key) tail++;
  const [x, y] = [a.slice(head, a.length - tail), b.slice(head, b.length - tail)];
  if ((x.length + 1) * (y.length + 1) > MOST_CELLS) return null;
  const same = (i, j) => ({ kind: "same", a: a[i], b: b[j] });
  return [
    ...a.slice(0, head).map((_, i) => same(i, i)),
    ...alignMiddle(x, y),
    ...Array.from({ length: tail }, (_, i) => same(a.length - tail + i, b.length - tail + i)),
  ];
}

const DIAGONAL = 0, DOWN = 1, RIGHT = 2;

function alignMiddle(x, y) {
  const width = y.length + 1;
  const moves = new Uint8Array((x.length + 1) * width).fill(RIGHT, 0, width);
  let above = Uint32Array.from({ length: width }, (_, j) => j);
  for (let i = 1; i <= x.length; i++) {
    const row = new Uint32Array(width);
    row[0] = i;
    moves[i * width] = DOWN;
    for (let j = 1; j < width; j++) {
      const diagonal = above[j - 1] + (x[i - 1].key === y[j - 1].key ? 0 : 1);
      row[j] = Math.min(diagonal, above[j] + 1, row[j - 1] + 1);
      moves[i * width + j] = row[j] === diagonal ? DIAGONAL : row[j] === above[j] + 1 ? DOWN : RIGHT;
    }
    above = row;
  }
  return wayBack(x, y, moves);
}

function wayBack(x, y, moves) {
  const steps = [];
  let i = x.length, j = y.length;
  while (i || j) {
    const move = moves[i * (y.length + 1) + j];
    const a = move === RIGHT ? null : x[--i], b = move === DOWN ? null : y[--j];
    const kind = !a ? "ins" : !b ? "del" : a.key === b.key ? "same" : "sub";
    steps.push({ kind, a, b });
  }
  return steps.reverse();
}
