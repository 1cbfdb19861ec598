// The page: what is chosen, what is asked, and a card for each model's answer.

const $ = (id) => document.getElementById(id);
const UNSURE = 0.5;
const MOST_CHOSEN = 4;
const state = { sound: null, name: "", key: "", models: [], cards: [], aborter: null };

function make(tag, facts = {}, children = []) {
    const element = Object.assign(document.createElement(tag), facts);
    element.append(...children);
    return element;
}

async function ask(path, options = {}) {
    const headers = state.key ? { Authorization: `Bearer ${state.key}` } : {};
    const answer = await fetch(path, { ...options, headers });
    const body = await answer.json();
    if (answer.ok || path === "/health") return body;
    const error = new Error(body.error.message);
    error.status = answer.status;
    error.param = body.error.param;
    error.wait = Number(answer.headers.get("Retry-After")) || 0;
    throw error;
}

async function load() {
    try {
        recorder.limit = (await ask("/health")).limits.audio_s;
        state.models = (await ask("/v1/models")).data;
        $("key-form").hidden = true;
        showModels();
    } catch (error) {
        $("key-form").hidden = error.status !== 401;
        if (error.status === 401) $("key").focus();
        else say(`The server does not answer: ${error.message}`);
    }
}

function showModels() {
    const tuned = state.models.filter((each) => each.kind !== "base");
    const bases = state.models.filter((each) => each.kind === "base");
    const chosen = [...bases.slice(0, 1), ...tuned].slice(0, MOST_CHOSEN);
    // The base first: it is what the others are held against.
    $("models").replaceChildren(...[...bases, ...tuned].map((each) => {
        const box = make("input", { type: "checkbox", value: each.id, checked: chosen.includes(each) });
        const about = [each.kind, each.language, each.strategy].filter(Boolean).join(", ");
        return make("label", {}, [box, make("span", {}, [
            make("b", { textContent: each.id }), make("span", { className: "quiet", textContent: ` ${about}` }),
        ])]);
    }));
    refresh();
}

function say(text) {
    $("status").textContent = text;
}

function refresh() {
    const chosen = document.querySelectorAll("#models input:checked").length;
    $("transcribe").disabled = !state.sound || !chosen || Boolean(state.aborter);
    $("cancel").hidden = !state.aborter;
}

function use(blob, name) {
    if (state.url) URL.revokeObjectURL(state.url);
    state.sound = blob;
    state.name = name;
    state.url = URL.createObjectURL(blob);
    $("player").src = state.url;
    $("player").hidden = false;
    $("name").textContent = `${name}, ${(blob.size / 1000).toFixed(0)} kB`;
    refresh();
}

const recorder = new Recorder(({ level, seconds, warning }) => {
    $("level").value = level;
    $("clock").textContent = `${Math.floor(seconds / 60)}:${String(Math.floor(seconds % 60)).padStart(2, "0")}`;
    $("warning").textContent = warning;
});

async function record() {
    if (recorder.isOn) return recorder.stop();
    $("record").classList.add("recording");
    $("record").firstChild.textContent = "Stop ";
    $("warning").textContent = "";
    try {
        const blob = await recorder.start();
        use(blob, `recording.${blob.type.includes("mp4") ? "mp4" : blob.type.includes("ogg") ? "ogg" : "webm"}`);
        say("Recorded.");
    } catch (error) {
        $("warning").textContent = error.message;
    }
    $("record").classList.remove("recording");
    $("record").firstChild.textContent = "Record ";
    $("level").value = 0;
}

async function transcribe() {
    if ($("transcribe").disabled) return;
    state.aborter = new AbortController();
    const chosen = [...document.querySelectorAll("#models input:checked")].map((box) => box.value);
    state.cards = chosen.map((model) => new Card(model));
    $("results").replaceChildren(...state.cards.map((card) => card.element));
    refresh();
    say(`Asking ${chosen.length} models.`);
    await Promise.all(state.cards.map((card) => card.ask(state.aborter.signal)));
    state.aborter = null;
    refresh();
    say(`${state.cards.filter((card) => card.answer).length} of ${chosen.length} answered.`);
}

function compare() {
    const reference = $("reference").value.trim();
    const first = state.cards.find((card) => card.answer);
    $("legend").hidden = !first || (!reference && state.cards.length < 2);
    $("against").textContent = reference ? "what was said" : first ? first.model : "";
    for (const card of state.cards.filter((each) => each.answer)) {
        card.show(reference || (card === first ? null : first.answer.text), Boolean(reference));
    }
}

$("record").addEventListener("click", record);
$("file").addEventListener("change", () => $("file").files[0] && use($("file").files[0], $("file").files[0].name));
$("transcribe").addEventListener("click", transcribe);
$("cancel").addEventListener("click", () => state.aborter && state.aborter.abort());
$("reference").addEventListener("input", compare);
$("models").addEventListener("change", refresh);
$("key-form").addEventListener("submit", (event) => {
    event.preventDefault();
    state.key = $("key").value;
    load();
});
$("player").addEventListener("timeupdate", () => {
    const now = $("player").currentTime;
    state.cards.forEach((card) => card.mark(now));
});
document.addEventListener("keydown", (event) => {
    const isTyping = event.target.matches("textarea, input:not([type=checkbox]):not([type=file])");
    if (isTyping || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key.toLowerCase() === "r") record();
    if (event.key.toLowerCase() === "t") transcribe();
});
document.addEventListener("dragover", (event) => {
    event.preventDefault();
    document.body.classList.add("over");
});
document.addEventListener("dragleave", () => document.body.classList.remove("over"));
document.addEventListener("drop", (event) => {
    event.preventDefault();
    document.body.classList.remove("over");
    const file = event.dataTransfer.files[0];
    if (file) use(file, file.name);
});
load();
