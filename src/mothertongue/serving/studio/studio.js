// The page: a sound, the models to ask, and a card for each one's answer.

const $ = (id) => document.getElementById(id);
const MOST_CHOSEN = 4;
const TYPED_MS = 150;
const state = {
  sound: null, url: "", take: null, isOpening: false, models: [], cards: [], key: "",
  limits: { audio_s: 600, upload_bytes: 25 * 2 ** 20 },
};

function say(text) {
  $("status").textContent = text;
}

function warn(text) {
  $("warning").textContent = text;
}

// ---- The server

async function load() {
  try {
    const health = await ask("/health");
    state.limits = health.limits || state.limits;
    state.models = (await ask("/v1/models")).data;
    showKey(false);
    showModels();
    say(health.status === "ok" ? "" : "The server is about to stop.");
  } catch (error) {
    if (error.status === 401) showKey(true);
    else showUnreachable(error);
  }
  refresh();
}

function showKey(isNeeded) {
  const isRefused = isNeeded && state.key;
  $("key-form").hidden = !isNeeded;
  $("key-note").textContent = isRefused ? "The server refused this key." : "";
  if (isNeeded) $("key").focus();
}

function showUnreachable(error) {
  const again = make("button", { type: "button", textContent: "Try again" });
  again.addEventListener("click", load);
  $("models").replaceChildren(make("p", { className: "alarm", textContent: error.message }), again);
}

async function useKey(event) {
  event.preventDefault();
  const value = $("key").value.trim();
  if (!/^[\x20-\x7e\xa0-\xff]+$/u.test(value)) { // what an HTTP header can carry
    $("key-note").textContent = "No key has such signs: it is sent in Latin letters.";
    return;
  }
  state.key = value;
  await load();
  state.cards.filter((card) => card.error?.status === 401).forEach((card) => card.ask());
}

// ---- The models

function showModels() {
  const bases = state.models.filter(({ kind }) => kind === "base");
  const tuned = state.models.filter(({ kind }) => kind !== "base");
  const chosen = [...bases.slice(0, 1), ...tuned].slice(0, MOST_CHOSEN);
  // A base first: it is what the others are compared with.
  const rows = [...bases, ...tuned].map((model) => modelRow(model, chosen.includes(model)));
  $("models").replaceChildren(...(rows.length ? rows : ["The server has no models."]));
}

function modelRow({ id, kind, language, strategy, base }, isChosen) {
  const box = make("input", { type: "checkbox", value: id, checked: isChosen });
  const about = [languageName(language), strategy, kind === "base" ? "untouched base" : kind].filter(Boolean).join(" · ");
  return make("label", { className: "model", title: base ? `made from ${base}` : "" }, [
    box, make("b", { textContent: id, dir: "auto" }), make("span", { textContent: about, dir: "auto" }),
  ]);
}

function languageName(code) {
  try {
    const name = code && new Intl.DisplayNames(["en"], { type: "language" }).of(code);
    return name && name !== code ? `${name} (${code})` : code;
  } catch (error) {
    if (error instanceof RangeError) return code; // no code of a language
    throw error;
  }
}

const chosenModels = () => [...document.querySelectorAll("#models input:checked")].map((box) => box.value);

// ---- The sound

function use(blob, name, warning = "") {
  state.take?.drop();
  clearCards();
  URL.revokeObjectURL(state.url);
  [state.sound, state.name, state.url] = [blob, name, URL.createObjectURL(blob)];
  const tooLarge = blob.size > state.limits.upload_bytes
    && `${megabytes(blob.size)}, and the server takes at most ${megabytes(state.limits.upload_bytes)}: choose a shorter one.`;
  if (tooLarge || !blob.size) state.sound = null;
  $("player").src = state.url;
  $("heard").hidden = false;
  $("name").textContent = `${name}, ${megabytes(blob.size)}`;
  warn(blob.size ? tooLarge || warning : "There is nothing in this file.");
  refresh();
}

const megabytes = (bytes) => `${(bytes / 1e6).toFixed(bytes < 1e7 ? 2 : 0)} MB`;

function useFiles(files) {
  const [file] = files;
  if (!file) return;
  const isOther = file.type && !/^(audio|video)\/|octet-stream|ogg/u.test(file.type);
  if (isOther) return warn(`${file.name} is neither sound nor video.`);
  use(file, file.name);
  say(files.length > 1 ? `Took ${file.name}, the first of ${files.length} files.` : `Took ${file.name}.`);
}

const meter = new Meter($("level"));

async function record() {
  if (state.take) return state.take.stop();
  if (state.isOpening) return;
  state.isOpening = true;
  warn("");
  say("Waiting for the microphone: permit it if the browser asks.");
  try {
    const { audio_s, upload_bytes } = state.limits;
    state.take = new Take(await openMicrophone(), Math.min(audio_s, (7 * upload_bytes) / BITS_PER_S), hear);
  } catch (error) {
    say("");
    warn(error.message);
  }
  state.isOpening = false;
  if (state.take) await finish(state.take);
}

async function finish(take) {
  $("player").pause(); // or the microphone hears it
  say("Recording.");
  refresh();
  const taken = await take.done;
  state.take = null;
  if (taken) {
    use(taken.blob, `recording-${timeNow()}.${taken.extension}`, taken.warning);
    say(`Recorded ${$("clock").textContent}.`);
  }
  refresh();
}

function hear({ peak, seconds, warning }) {
  meter.show(peak);
  $("clock").textContent = `${clock(Math.floor(seconds))} of ${clock(Math.floor(state.take.limit_s))}`;
  if ($("warning").textContent !== warning) warn(warning);
}

const timeNow = () => new Date(Date.now() - 60_000 * new Date().getTimezoneOffset())
  .toISOString().slice(0, 19).replace(/[T:]/gu, "-");

// ---- The answers

const hooks = { request, changed, play, say, sound: () => state.name };

function transcribe() {
  if ($("transcribe").disabled) return;
  clearCards();
  state.cards = chosenModels().map((model) => new Card(model, hooks));
  $("cards").replaceChildren(...state.cards.map((card) => card.element));
  say(`Asked ${state.cards.length === 1 ? "one model" : `${state.cards.length} models`}.`);
  state.cards.forEach((card) => card.ask());
  $("results").scrollIntoView({ block: "nearest" });
}

function request(model, granularities, signal) {
  const form = new FormData();
  form.append("file", state.sound, state.name);
  form.append("model", model);
  form.append("response_format", "verbose_json");
  for (const each of granularities) form.append("timestamp_granularities[]", each);
  const language = $("language").value.trim();
  if (language) form.append("language", language);
  return ask("/v1/audio/transcriptions", { method: "POST", body: form, signal });
}

function clearCards() {
  state.cards.forEach((card) => card.cancel());
  state.cards = [];
  $("cards").replaceChildren();
}

function changed(card) {
  if (!state.cards.includes(card)) return; // of a former sound
  if (card.state === "failed" && card.error.status === 401) showKey(true);
  compare();
  refresh();
  if (card.state !== "waiting") say(`${card.model}: ${endOf(card)}`);
}

function endOf(card) {
  if (card.state === "failed") return card.facts.textContent;
  return card.state === "done" ? card.score.textContent || "done" : "cancelled";
}

function compare() {
  const words = wordsOf($("said").value);
  const first = state.cards.find((card) => !["failed", "cancelled"].includes(card.state));
  const other = words.length ? { words, name: "what was said", isSaid: true }
    : first?.state === "done" ? { words: first.words, name: first.model } : null;
  for (const card of state.cards.filter((each) => each.state === "done")) {
    const isFirst = !words.length && card === first;
    card.show(isFirst ? null : other, isFirst && state.cards.length > 1 ? "the others are compared with this" : "");
  }
  follow();
}

let typed = 0;
function compareSoon() {
  clearTimeout(typed);
  typed = setTimeout(compare, TYPED_MS);
}

function play(start_s) {
  $("player").currentTime = start_s;
  $("player").play().catch((error) => {
    if (error.name !== "AbortError") say(`The browser cannot play this: ${error.message}`);
  });
}

let frame = 0;
function follow() {
  cancelAnimationFrame(frame);
  const now_s = $("player").ended ? NaN : $("player").currentTime;
  state.cards.forEach((card) => card.mark(now_s));
  if (!$("player").paused) frame = requestAnimationFrame(follow);
}

// ---- What can be done now

function refresh() {
  const isWaiting = state.cards.some((card) => card.state === "waiting");
  document.body.classList.toggle("is-recording", Boolean(state.take));
  $("record-text").textContent = state.take ? "Stop" : state.sound ? "Record anew" : "Record";
  $("recording").hidden = !state.take;
  $("transcribe").disabled = !state.sound || Boolean(state.take) || !chosenModels().length || isWaiting;
  $("cancel").hidden = !isWaiting;
  $("legend").hidden = !state.cards.length;
  $("limits").textContent = `At most ${clock(state.limits.audio_s)} minutes and ${megabytes(state.limits.upload_bytes)}.`;
}

$("record").addEventListener("click", record);
$("choose").addEventListener("click", () => $("file").click());
$("file").addEventListener("change", () => {
  useFiles($("file").files);
  $("file").value = ""; // the same file may be chosen again
});
$("key-form").addEventListener("submit", useKey);
$("models").addEventListener("change", refresh);
$("transcribe").addEventListener("click", transcribe);
$("cancel").addEventListener("click", () => state.cards.forEach((card) => card.cancel()));
$("said").addEventListener("input", compareSoon);
for (const event of ["play", "seeked"]) $("player").addEventListener(event, follow);
$("player").addEventListener("ended", follow);
$("player").addEventListener("error", () => say("The browser cannot play this file; the server may still read it."));
$("player").addEventListener("loadedmetadata", () => {
  // A recording does not know its own length until its end was looked for.
  if ($("player").duration !== Infinity) return;
  $("player").addEventListener("durationchange", () => { $("player").currentTime = 0; }, { once: true });
  $("player").currentTime = 1e9;
});

document.addEventListener("keydown", (event) => {
  const isTyping = event.target.matches("textarea, input:not([type=checkbox])");
  if (isTyping || event.repeat || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key.toLowerCase() === "r") record();
  if (event.key.toLowerCase() === "t") transcribe();
});

const hasFiles = (event) => event.dataTransfer?.types.includes("Files");
document.addEventListener("dragover", (event) => {
  if (!hasFiles(event)) return; // text may be dropped into a field
  event.preventDefault();
  document.body.classList.add("is-over");
});
document.addEventListener("dragleave", (event) => {
  if (!event.relatedTarget) document.body.classList.remove("is-over");
});
document.addEventListener("drop", (event) => {
  if (!hasFiles(event)) return;
  event.preventDefault();
  document.body.classList.remove("is-over");
  useFiles(event.dataTransfer.files);
});
load();
