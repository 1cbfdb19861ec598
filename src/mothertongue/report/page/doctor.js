// Plays clips, and exports what was decided on each as a line of decisions.jsonl.
"use strict";

const sounds = JSON.parse(document.getElementById("sound-data").textContent);
const cards = [...document.querySelectorAll(".finding")];
// Decisions of before on clips that are not on the page; the file that replaces theirs has them too.
const elsewhere = cards.length ? JSON.parse(document.querySelector(".export").dataset.elsewhere) : [];
let isSaved = true;

const decided = (card) => card.querySelector("input:checked").value;

function count() {
  const kinds = { accept: 0, fix: 0, drop: 0 };
  for (const card of cards) kinds[decided(card)] += 1;
  const status = document.getElementById("decided");
  if (status) status.textContent = Object.entries(kinds).map(([kind, n]) => `${kind} ${n}`).join(", ");
}

function line(card) {
  const decision = { id: card.dataset.id, decision: decided(card), note: card.dataset.note || undefined };
  if (decision.decision === "fix") decision.text = card.querySelector("textarea").value.trim();
  return JSON.stringify(decision);
}

function save() {
  const empty = cards.find((card) => decided(card) === "fix" && !card.querySelector("textarea").value.trim());
  if (empty) {
    document.getElementById("decided").textContent = `${empty.dataset.id}: fix needs a text`;
    empty.querySelector("textarea").focus();
    return;
  }
  const lines = [...cards.map(line), ...elsewhere.map((each) => JSON.stringify(each))];
  const file = new Blob([lines.map((each) => `${each}\n`).join("")], { type: "application/jsonl" });
  const link = document.createElement("a");
  link.href = URL.createObjectURL(file);
  link.download = "decisions.jsonl";
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
  isSaved = true;
}

for (const card of cards) {
  const sound = sounds[card.dataset.at];
  if (sound) {
    const player = document.createElement("audio");
    player.controls = true;
    player.preload = "none";
    player.src = `data:audio/mpeg;base64,${sound.mp3}`;
    card.querySelector(".player").append(player);
  }
  card.addEventListener("input", () => {
    card.querySelector("textarea").hidden = decided(card) !== "fix";
    isSaved = false;
    count();
  });
}

const typed = { a: "accept", f: "fix", d: "drop" };

// Moves to another card, plays it, or decides; keys that a control takes itself are left to it.
function press(event) {
  const target = event.target;
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const card = target.closest(".finding");
  if (target.matches("textarea")) {
    if (event.key === "Escape") card.focus();
    return;
  }
  const at = cards.indexOf(card);
  const next = { j: at + 1, k: at < 0 ? 0 : at - 1 }[event.key];
  if (cards[next]) cards[next].focus();
  else if (card && typed[event.key]) {
    card.querySelector(`input[value=${typed[event.key]}]`).click();
    if (event.key === "f") card.querySelector("textarea").focus();
  } else if (event.key === " " && target === card) {
    const player = card.querySelector("audio");
    if (player && player.paused) player.play();
    else if (player) player.pause();
  } else return;
  event.preventDefault();
}

document.addEventListener("keydown", press);
const button = document.getElementById("export");
if (button) button.addEventListener("click", save);
window.addEventListener("beforeunload", (event) => {
  if (!isSaved) event.preventDefault();
});
count();
