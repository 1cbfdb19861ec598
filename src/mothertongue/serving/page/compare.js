"use strict";
// Which words differ, and the files that a transcript becomes. Nothing here touches the page.

// Words are compared without case and punctuation; combining marks make another word.
function plainWord(text) {
    return text.normalize("NFC").toLowerCase().replace(/[^\p{L}\p{N}\p{M}]/gu, "");
}

// A text's words; of one that has no spaces, what the browser takes for words.
function wordsOf(text) {
    const words = text.split(/\s+/u).filter(Boolean);
    if (words.length > 1 || text.length < 8 || !Intl.Segmenter) return words;
    const parts = [...new Intl.Segmenter(undefined, { granularity: "word" }).segment(text)];
    return parts.filter((part) => part.isWordLike).map((part) => part.segment);
}

// The shortest way from one list of words to another: [kind, word of a, word of b] with kind
// "=", "~" (another word), "-" (missing in b) or "+" (only in b).
function alignWords(a, b) {
    const [x, y] = [a.map(plainWord), b.map(plainWord)];
    const cost = Array.from({ length: x.length + 1 }, (_, i) =>
        Array.from({ length: y.length + 1 }, (_, j) => (i && j ? 0 : i + j)));
    for (let i = 1; i <= x.length; i++) {
        for (let j = 1; j <= y.length; j++) {
            const swap = cost[i - 1][j - 1] + (x[i - 1] === y[j - 1] ? 0 : 1);
            cost[i][j] = Math.min(swap, cost[i - 1][j] + 1, cost[i][j - 1] + 1);
        }
    }
    const steps = [];
    let [i, j] = [x.length, y.length];
    while (i || j) {
        const same = i && j && x[i - 1] === y[j - 1];
        if (i && j && cost[i][j] === cost[i - 1][j - 1] + (same ? 0 : 1)) {
            steps.push([same ? "=" : "~", a[--i], b[--j]]);
        } else if (i && cost[i][j] === cost[i - 1][j] + 1) {
            steps.push(["-", a[--i], null]);
        } else {
            steps.push(["+", null, b[--j]]);
        }
    }
    return steps.reverse();
}

function clock(seconds, mark) {
    const all = Math.round(seconds * 1000);
    const parts = [Math.floor(all / 3600000), Math.floor(all / 60000) % 60,
        Math.floor(all / 1000) % 60].map((part) => String(part).padStart(2, "0"));
    return `${parts.join(":")}${mark}${String(all % 1000).padStart(3, "0")}`;
}

// A transcript as a file; the segments are the server's.
const FILES = {
    srt: (segments) => segments.map((each, i) =>
        `${i + 1}\n${clock(each.start, ",")} --> ${clock(each.end, ",")}\n${each.text}\n`).join("\n"),
    vtt: (segments) => ["WEBVTT\n", ...segments.map((each) =>
        `${clock(each.start, ".")} --> ${clock(each.end, ".")}\n${escaped(each.text)}\n`)].join("\n"),
    txt: (segments) => segments.map((each) => `${each.text}\n`).join(""),
};

function escaped(text) {
    return text.replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");
}
