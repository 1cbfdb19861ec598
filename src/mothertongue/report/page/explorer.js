
// The table of clips. Only the rows in view exist; text is set as text, never as markup.
(() => {
  const home = document.getElementById("explorer");
  if (!home) return;
  const ROW = 64, MARGIN = 6, RANDOM = 40;
  const PRESETS = { all: "All", worst: "Worst", fixed: "Fixed by tuning", broken: "Broken by tuning", random: "Random" };
  const BASE = "base";
  const segmenter = "Segmenter" in Intl ? new Intl.Segmenter(undefined, { granularity: "grapheme" }) : null;
  let sets = [], sounds = null, shown = [], drawn = new Map();
  const state = { set: 0, system: "", preset: "worst", q: "", speaker: "", sort: "", dir: 1, clip: "" };

  function make(tag, attributes = {}, ...children) {
    const found = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
      if (name.startsWith("on")) found.addEventListener(name.slice(2), value);
      else if (value === true) found.setAttribute(name, "");
      else if (value !== false && value !== null) found.setAttribute(name, value);
    }
    found.append(...children);
    return found;
  }

  async function unpack(text) {
    const bytes = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
    return JSON.parse(await new Response(stream).text());
  }

  const percent = (value) => (100 * value).toFixed(1);
  const current = () => sets[state.set];
  const systemAt = () => Math.max(0, current().systems.indexOf(state.system));
  const baseAt = () => current().systems.indexOf(BASE);
  const RATES = {
    wer: (clip, at) => clip.heard[at].word_errors / Math.max(1, clip.words),
    cer: (clip, at) => clip.heard[at].character_errors / Math.max(1, clip.characters),
  };
  const measure = () => current().measure; // the rate that the language is judged by
  const rate = (clip, at) => RATES[measure()](clip, at);
  const titleOf = (set) => [set.part, set.language, set.name.replace(/^also-/, "")].filter(Boolean).join(", ");
  const soundOf = (clip) => {
    sounds = sounds || JSON.parse(document.getElementById("sound-data").textContent);
    return sounds[`${state.set}/${clip.at}`];
  };

  // --- What is shown, and in which order.

  function select() {
    const { clips } = current(), at = systemAt(), base = baseAt(), words = state.q.toLowerCase().split(/\s+/).filter(Boolean);
    let found = clips.filter((clip) =>
      (!state.speaker || clip.speaker === state.speaker) && words.every((word) => clip.haystack.includes(word)));
    const change = (clip) => (base < 0 ? 0 : rate(clip, at) - rate(clip, base));
    if (state.preset === "fixed") found = found.filter((clip) => change(clip) < 0);
    if (state.preset === "broken") found = found.filter((clip) => change(clip) > 0);
    if (state.preset === "random") found = found.slice().sort((a, b) => a.draw - b.draw).slice(0, RANDOM);
    const keys = {
      id: (clip) => clip.id, length: (clip) => clip.duration_s, base: (clip) => (base < 0 ? 0 : rate(clip, base)),
      system: (clip) => rate(clip, at), change,
    };
    const usual = { worst: ["system", -1], fixed: ["change", 1], broken: ["change", -1] }[state.preset];
    const [name, direction] = state.sort ? [state.sort, state.dir] : usual || [];
    if (name) {
      const key = keys[name];
      found = found.map((clip) => [key(clip), clip]).sort(([a, x], [b, y]) =>
        direction * (typeof a === "string" ? collator.compare(a, b) : a - b) || x.at - y.at).map(([, clip]) => clip);
    }
    return found;
  }

  // --- The difference of two texts.

  function graphemes(text) {
    return segmenter ? Array.from(segmenter.segment(text), (each) => each.segment) : Array.from(text);
  }

  function differing(said, heard) { // which graphemes of `heard` are on no longest common subsequence
    const a = graphemes(said), b = graphemes(heard), best = Array.from({ length: a.length + 1 }, () => new Uint16Array(b.length + 1));
    for (let i = a.length - 1; i >= 0; i--) for (let j = b.length - 1; j >= 0; j--)
      best[i][j] = a[i] === b[j] ? best[i + 1][j + 1] + 1 : Math.max(best[i + 1][j], best[i][j + 1]);
    const parts = [];
    for (let i = 0, j = 0; j < b.length;) {
      if (i < a.length && a[i] === b[j]) { parts.push([b[j], false]); i++; j++; }
      else if (i < a.length && best[i + 1][j] >= best[i][j + 1]) i++;
      else { parts.push([b[j], true]); j++; }
    }
    return parts;
  }

  function difference(pieces, unit) {
    const space = unit === "word" ? " " : "", line = make("bdi", { dir: "auto" });
    pieces.forEach(([kind, said, heard], i) => {
      if (i) line.append(space);
      if (kind === "=") line.append(said);
      else if (kind === "-") line.append(make("del", { title: "left out" }, said));
      else if (kind === "+") line.append(make("ins", { title: "made up" }, heard));
      else {
        const mark = make("span", { class: "sub", title: `reference: ${said}` });
        for (const [text, isNew] of differing(said, heard)) mark.append(isNew ? make("b", {}, text) : text);
        line.append(mark);
      }
    });
    return line;
  }

  // --- Rows.

  function row(clip, at) {
    const heard = clip.heard[systemAt()], base = baseAt(), mine = rate(clip, systemAt());
    const change = base < 0 ? null : mine - rate(clip, base), sound = soundOf(clip);
    const text = make("div", { class: "text" }, difference(heard.pieces, current().unit));
    const found = make("div", {
      class: "row", role: "option", id: `clip-${at}`, "aria-selected": String(clip.id === state.clip), "aria-posinset": at + 1,
      "aria-setsize": shown.length, onclick: () => choose(at),
    },
      make("button", {
        class: "play", type: "button", tabindex: "-1", disabled: !sound, "aria-label": sound ? `Play ${clip.id}` : "No sound",
        onclick: (event) => { event.stopPropagation(); choose(at); play(); },
      }, "\u25b6"),
      make("div", { class: "who" }, make("bdi", {}, clip.id), make("br"), `${clip.duration_s.toFixed(1)} s `, make("bdi", {}, clip.speaker || "")),
      make("div", { class: "text-cell" }, make("div", { class: "text said" }, make("bdi", { dir: "auto" }, clip.reference)), text),
      make("div", { class: "figure of-base" }, base < 0 ? "" : percent(rate(clip, base))),
      make("div", { class: "figure" }, percent(mine)),
      make("div", { class: `figure change ${change > 0 ? "worse" : change < 0 ? "better" : ""}` },
        change === null ? "" : `${change > 0 ? "+" : ""}${percent(change)}`));
    found.style.top = `${at * ROW}px`;
    return found;
  }

  function paint() {
    const first = Math.max(0, Math.floor(parts.rows.scrollTop / ROW) - MARGIN);
    const last = Math.min(shown.length, Math.ceil((parts.rows.scrollTop + parts.rows.clientHeight) / ROW) + MARGIN);
    for (const [at, element] of drawn) if (at < first || at >= last) { element.remove(); drawn.delete(at); }
    for (let at = first; at < last; at++) {
      if (!drawn.has(at)) { const element = row(shown[at], at); drawn.set(at, element); parts.space.append(element); }
    }
  }

  function repaint() {
    for (const element of drawn.values()) element.remove();
    drawn = new Map();
    paint();
  }

  function refresh(keepScroll = false) {
    shown = select();
    parts.space.style.height = `${shown.length * ROW}px`;
    if (!keepScroll) parts.rows.scrollTop = 0;
    parts.count.textContent = `${shown.length.toLocaleString("en")} of ${current().clips.length.toLocaleString("en")} clips`;
    parts.none.hidden = shown.length > 0;
    for (const [name, button] of Object.entries(parts.presets)) {
      button.setAttribute("aria-pressed", String(name === state.preset));
      button.disabled = baseAt() < 0 && (name === "fixed" || name === "broken");
    }
    for (const [name, head] of Object.entries(parts.heads)) {
      head.textContent = head.dataset.name + (state.sort === name ? (state.dir > 0 ? " \u2191" : " \u2193") : "");
    }
    repaint();
    remember();
  }

  // --- One clip.

  function choose(at, scroll = false) {
    const clip = shown[at];
    if (!clip) return;
    const before = shown.findIndex((each) => each.id === state.clip);
    state.clip = clip.id;
    if (drawn.has(before)) drawn.get(before).setAttribute("aria-selected", "false");
    if (scroll) {
      const top = at * ROW, { scrollTop, clientHeight } = parts.rows;
      if (top < scrollTop) parts.rows.scrollTop = top;
      if (top + ROW > scrollTop + clientHeight) parts.rows.scrollTop = top + ROW - clientHeight;
      paint();
    }
    if (drawn.has(at)) drawn.get(at).setAttribute("aria-selected", "true");
    parts.rows.setAttribute("aria-activedescendant", `clip-${at}`);
    if (before !== at || !parts.detail.firstChild) detail(clip);
    remember();
  }

  function step(by) {
    const before = shown.findIndex((each) => each.id === state.clip);
    choose(Math.min(shown.length - 1, Math.max(0, before + by)), true);
  }

  function detail(clip) {
    const { systems, unit } = current(), sound = soundOf(clip);
    const head = make("div", { class: "head" }, make("strong", {}, make("bdi", {}, clip.id)), `${clip.duration_s.toFixed(1)} s`,
      make("bdi", {}, clip.speaker ? `speaker ${clip.speaker}` : "speaker unknown"), `${clip.words} words`);
    parts.audio = null;
    const player = [];
    if (sound) {
      parts.audio = make("audio", { controls: true, preload: "none", src: sound.src || `data:audio/mpeg;base64,${sound.mp3}` });
      const canvas = make("canvas", { role: "img", "aria-label": "Waveform; click to play from there" });
      canvas.addEventListener("click", (event) => {
        parts.audio.currentTime = clip.duration_s * event.offsetX / canvas.clientWidth;
        parts.audio.play();
      });
      const peaks = Uint8Array.from(atob(sound.peaks), (c) => c.charCodeAt(0));
      const outline = () => wave(canvas, peaks, parts.audio.currentTime / clip.duration_s);
      parts.audio.addEventListener("timeupdate", outline);
      parts.audio.addEventListener("seeked", outline);
      player.push(canvas, parts.audio);
      requestAnimationFrame(outline);
    } else head.append(make("span", {}, "no sound on this page"));
    const measures = measure() === "cer" ? ["cer", "wer"] : ["wer", "cer"];
    const heard = clip.heard.map((each, i) => make("div", { class: "heard" },
      make("div", { class: "name" }, make("bdi", {}, systems[i])),
      make("div", { class: "rate" }, ...measures.flatMap((name) =>
        [`${name.toUpperCase()} ${percent(RATES[name](clip, i))} %`, make("br")]), each.looped ? "loop cut" : ""),
      make("div", { class: "text" }, each.pieces.length ? difference(each.pieces, unit) : "(nothing)"),
      make("div", { class: "written" }, make("bdi", { dir: "auto" }, each.text || "(empty)"))));
    parts.detail.replaceChildren(head, ...player,
      make("div", { class: "heard" }, make("div", { class: "name" }, "reference"), make("div", { class: "rate" }),
        make("div", { class: "text" }, make("bdi", { dir: "auto" }, clip.reference))), ...heard);
  }

  function wave(canvas, peaks, share) {
    const scale = devicePixelRatio || 1, width = canvas.clientWidth, height = canvas.clientHeight, step = width / peaks.length;
    canvas.width = width * scale;
    canvas.height = height * scale;
    const brush = canvas.getContext("2d"), style = getComputedStyle(document.documentElement);
    brush.scale(scale, scale);
    peaks.forEach((peak, i) => {
      const tall = Math.max(1.5, peak / 255 * (height - 4));
      brush.fillStyle = style.getPropertyValue(i / peaks.length < share ? "--accent" : "--muted");
      brush.fillRect(i * step, (height - tall) / 2, Math.max(1, step - 1), tall);
    });
  }

  function play() {
    if (!parts.audio) return;
    if (parts.audio.paused) parts.audio.play(); else parts.audio.pause();
  }

  // --- A view has an address.

  function remember() {
    const query = new URLSearchParams();
    for (const [name, value] of Object.entries(state)) if (value !== "" && !(name === "dir" && !state.sort)) query.set(name, value);
    parts.address = `#clips?${query}`;
  }

  function recall() {
    if (!location.hash.startsWith("#clips?")) return false;
    const query = new URLSearchParams(location.hash.slice(7));
    for (const name of ["system", "q", "speaker", "sort", "clip"]) state[name] = query.get(name) || "";
    state.set = Math.min(sets.length - 1, Math.max(0, Number.parseInt(query.get("set") || "0", 10) || 0));
    state.dir = query.get("dir") === "-1" ? -1 : 1;
    state.preset = Object.hasOwn(PRESETS, query.get("preset")) ? query.get("preset") : "all";
    return true;
  }

  async function share() {
    location.hash = parts.address;
    try {
      await navigator.clipboard.writeText(location.href);
      parts.share.textContent = "Link copied";
    } catch {
      parts.share.textContent = "Link is in the address bar";
    }
    setTimeout(() => { parts.share.textContent = "Link to this view"; }, 2500);
  }

  // --- The controls.

  const parts = { presets: {}, heads: {} };

  function options(select, values, chosen) {
    select.replaceChildren(...values.map(([value, text]) => make("option", { value, selected: value === chosen }, text)));
    select.value = chosen;
  }

  function fill() { // what depends on the set
    const { systems, best, clips } = current();
    if (!systems.includes(state.system)) state.system = systems.includes(best) ? best : systems[systems.length - 1];
    options(parts.set, sets.map((each, i) => [String(i), titleOf(each)]), String(state.set));
    options(parts.system, systems.map((name) => [name, name]), state.system);
    const speakers = [...new Set(clips.map((clip) => clip.speaker).filter(Boolean))].sort(collator.compare);
    if (!speakers.includes(state.speaker)) state.speaker = "";
    options(parts.speaker, [["", `all ${speakers.length}`], ...speakers.map((name) => [name, name])], state.speaker);
    parts.q.value = state.q;
    parts.heads.system.dataset.name = measure().toUpperCase();
    if (baseAt() < 0 && (state.preset === "fixed" || state.preset === "broken")) state.preset = "all";
  }

  function sortBy(name) {
    state.dir = state.sort === name ? -state.dir : name === "id" ? 1 : -1;
    state.sort = name;
    refresh();
  }

  function build() {
    const changed = (name, parse = String) => (event) => {
      state[name] = parse(event.target.value);
      if (name === "set") { state.clip = ""; show(); } else refresh();
      if (name === "system" && state.clip) choose(shown.findIndex((clip) => clip.id === state.clip));
    };
    let typing = 0;
    parts.set = make("select", { onchange: changed("set", Number) });
    parts.system = make("select", { onchange: changed("system") });
    parts.speaker = make("select", { onchange: changed("speaker") });
    parts.q = make("input", {
      type: "search", placeholder: "Search texts, ids, speakers", "aria-label": "Search", oninput: (event) => {
        clearTimeout(typing);
        typing = setTimeout(() => { state.q = event.target.value; refresh(); }, 120);
      },
    });
    for (const [name, text] of Object.entries(PRESETS)) {
      parts.presets[name] = make("button", { type: "button", onclick: () => { state.preset = name; state.sort = ""; refresh(); } }, text);
    }
    for (const [name, text] of [["id", "clip"], ["length", "length"], ["base", "base"], ["system", "WER"], ["change", "change"]]) {
      parts.heads[name] = make("button", { type: "button", "data-name": text, onclick: () => sortBy(name) }, text);
    }
    const { id, length, base, system, change } = parts.heads;
    parts.count = make("span", { class: "count", role: "status" });
    parts.share = make("button", { type: "button", onclick: share }, "Link to this view");
    parts.space = make("div");
    parts.none = make("p", { class: "empty", hidden: true }, "No clip is like that.");
    parts.rows = make("div", { class: "rows", role: "listbox", tabindex: "0", "aria-label": "Clips", onscroll: () => requestAnimationFrame(paint) },
      parts.none, parts.space);
    parts.detail = make("div", { class: "detail", role: "region", "aria-label": "The chosen clip", "aria-live": "polite" });
    home.append(
      make("div", { class: "tools" }, make("label", {}, "set", parts.set), make("label", {}, "transcripts of", parts.system),
        make("label", {}, "speaker", parts.speaker), parts.q),
      make("div", { class: "tools" }, ...Object.values(parts.presets), parts.share, parts.count),
      make("div", { class: "heads" }, make("span"), make("span", {}, id, " ", length), make("span", {}, "reference, and transcript"),
        make("span", { class: "figure" }, base), make("span", { class: "figure" }, system), make("span", { class: "figure" }, change)),
      parts.rows, parts.detail,
      make("p", { class: "keys" }, make("kbd", {}, "j"), " ", make("kbd", {}, "k"), " next and previous clip, ", make("kbd", {}, "space"),
        " play, ", make("kbd", {}, "/"), " search"));
    document.addEventListener("keydown", (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      if (["INPUT", "SELECT", "TEXTAREA", "AUDIO"].includes(event.target.tagName)) {
        if (event.key === "Escape") event.target.blur();
        return;
      }
      const box = home.getBoundingClientRect();
      if (box.top > innerHeight || box.bottom < 0) return; // the keys are the reader's elsewhere
      const isHere = home.contains(event.target), down = event.key === "j" || (isHere && event.key === "ArrowDown");
      if (down) step(1);
      else if (event.key === "k" || (isHere && event.key === "ArrowUp")) step(-1);
      else if (event.key === " " && parts.audio && event.target.tagName !== "BUTTON" && event.target.tagName !== "SUMMARY") play();
      else if (event.key === "/") parts.q.focus();
      else return;
      event.preventDefault();
    });
    addEventListener("hashchange", () => { if (recall()) show(); });
    addEventListener("resize", () => requestAnimationFrame(paint));
  }

  function show() {
    const wanted = state.clip;
    fill();
    refresh();
    const at = shown.findIndex((clip) => clip.id === wanted);
    choose(Math.max(0, at), true);
  }

  async function start() {
    sets = await unpack(document.getElementById("clip-data").textContent);
    for (const each of sets) {
      each.clips.forEach((clip, at) => {
        clip.at = at;
        clip.draw = (Math.imul(at + 1, 2654435761) >>> 0) / 2 ** 32; // the same draw for everyone
        clip.haystack = [clip.id, clip.speaker || "", clip.reference, ...clip.heard.map((one) => one.text)].join("\n").toLowerCase();
      });
    }
    build();
    const isLink = recall();
    show();
    if (isLink) home.scrollIntoView();
    home.dataset.ready = "true";
  }

  start().catch((error) => {
    home.append(make("p", { class: "alarm" }, `The clips cannot be shown: ${error.message}. A browser of 2023 or later can.`));
  });
})();
