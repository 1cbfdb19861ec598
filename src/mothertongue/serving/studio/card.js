// One model's answer: asked for, waited for, shown word by word, and taken away as a file.

const UNSURE = 0.5;

class Card {
  // hooks: request(model, granularities, signal) gives the server's answer; changed(card);
  // play(start_s); say(text); sound() gives the sound's name.
  constructor(model, hooks) {
    [this.model, this.hooks, this.spans] = [model, hooks, []];
    this.score = make("p", { className: "score" });
    this.facts = make("p", { className: "facts" });
    this.text = make("p", { className: "text", dir: "auto" });
    this.about = make("p", { className: "about", dir: "auto" });
    this.actions = make("div", { className: "row" });
    this.element = make("article", { className: "panel card" }, [
      make("h3", { textContent: model, dir: "auto" }),
      this.facts, this.score, this.text, this.about, this.actions,
    ]);
    this.element.setAttribute("aria-label", model);
    this.text.setAttribute("role", "group");
    this.text.setAttribute("aria-label", `Words of ${model}: arrow keys move, Enter plays`);
    this.listen();
  }

  async ask() {
    this.enter("waiting");
    this.aborter = new AbortController();
    const began_ms = performance.now();
    const wait = () => this.tell(`Waiting, ${Math.floor((performance.now() - began_ms) / 1000)} s`);
    const timer = setInterval(wait, 1000);
    wait();
    this.actions.replaceChildren(this.button("Cancel", () => this.cancel()));
    this.hooks.changed(this);
    try {
      this.take(await this.answer(this.aborter.signal), (performance.now() - began_ms) / 1000);
    } catch (error) {
      this.fail(error);
    } finally {
      clearInterval(timer);
    }
    this.hooks.changed(this);
  }

  // Some engines know no times of words; they are asked again without.
  async answer(signal) {
    try {
      return await this.hooks.request(this.model, ["word", "segment"], signal);
    } catch (error) {
      if (error.param !== "timestamp_granularities[]") throw error;
      return this.hooks.request(this.model, ["segment"], signal);
    }
  }

  cancel() {
    if (this.state === "waiting") this.aborter.abort();
  }

  take(answer, took_s) {
    const said = answer.text.trim(), segments = answer.segments || [];
    const pieces = answer.words
      ? answer.words.map(({ word, ...times }) => ({ ...times, text: word.trim() }))
      : segments.map(({ text, start, end }) => ({ text: text.trim(), start, end }));
    [this.said, this.segments, this.words] = [said, segments, timedWords(said, pieces)];
    this.enter("done");
    const facts = [answer.language, `answered in ${took_s.toFixed(1)} s`, answer.words ? "" : "no word times"];
    this.tell(facts.filter(Boolean).join(" · "));
    this.actions.replaceChildren(...Object.keys(FILES).map((kind) => this.downloader(kind)),
      this.button("Copy", () => this.copy(), `Copy the text of ${this.model}`));
  }

  fail(error) {
    const isCancelled = error.name === "AbortError";
    this.error = error;
    this.enter(isCancelled ? "cancelled" : "failed");
    this.tell(isCancelled ? "Cancelled." : error.message);
    const retry = this.button("Retry", () => this.ask(), `Retry ${this.model}`);
    this.actions.replaceChildren(retry);
    if (error.wait_s) this.countDown(retry, error.wait_s);
  }

  // The server said when it is worth to come again.
  countDown(button, wait_s) {
    button.disabled = wait_s > 0;
    button.textContent = wait_s > 0 ? `Retry in ${wait_s} s` : "Retry";
    if (wait_s > 0) setTimeout(() => this.countDown(button, wait_s - 1), 1000);
  }

  enter(state) {
    this.state = state;
    this.element.dataset.state = state;
    this.score.textContent = this.about.textContent = "";
    this.text.replaceChildren();
    this.spans = [];
  }

  tell(text) {
    this.facts.textContent = text;
  }

  button(text, act, label = `${text} ${this.model}`) {
    const button = make("button", { type: "button", textContent: text });
    button.setAttribute("aria-label", label);
    button.addEventListener("click", act);
    return button;
  }

  downloader(kind) {
    const save = () => download(FILES[kind](this.segments), kind, fileName(this.hooks.sound(), this.model, kind));
    return this.button(kind, save, `Download ${kind} of ${this.model}`);
  }

  async copy() {
    await copy(this.said);
    this.hooks.say(`Copied what ${this.model} wrote.`);
  }

  // The text beside another, {words, name, isSaid}; or alone, with the note in place of a score.
  show(other, note) {
    const steps = other ? align(other.words, this.words) : null;
    const shown = steps || this.words.map((b) => ({ kind: "same", a: null, b }));
    const focused = this.spans.findIndex(({ span }) => span === document.activeElement);
    this.spans = [];
    this.text.replaceChildren(...this.nodes(shown, other));
    if (!this.text.textContent.trim()) this.text.replaceChildren(make("i", { textContent: "no speech" }));
    if (this.spans.length) this.spans[Math.max(0, focused)].span.tabIndex = 0;
    if (focused >= 0) this.spans[focused].span.focus(); // not lost by being drawn again
    this.score.textContent = !other ? note : !steps ? "too long to be compared" : counted(steps, other);
  }

  nodes(steps, other) {
    const nodes = [];
    let missing = [], at = 0;
    for (const { kind, a, b } of steps) {
      if (kind === "del") {
        missing.push(make("del", { textContent: a.text, title: `${a.text}: only in ${other.name}` }));
        continue;
      }
      nodes.push(this.said.slice(at, b.from), ...missing.flatMap((each) => [each, " "]), this.word(kind, a, b, other));
      [missing, at] = [[], b.to];
    }
    return [...nodes, this.said.slice(at), ...missing.flatMap((each) => [" ", each])];
  }

  word(kind, a, b, other) {
    const isTimed = b.start !== undefined;
    const title = [b.text, ...notes(kind, a, b, other)].join(" · ");
    const span = make("span", { className: "word", textContent: b.text, title, tabIndex: -1 });
    if (kind !== "same") span.classList.add(kind);
    if (b.probability < UNSURE) span.classList.add("unsure");
    if (isTimed) span.setAttribute("role", "button");
    if (isTimed) span.setAttribute("aria-label", title);
    this.spans.push({ span, title, start: b.start, end: b.end });
    return span;
  }

  listen() {
    const found = (event) => this.spans.findIndex(({ span }) => span === event.target);
    this.text.addEventListener("click", (event) => this.play(found(event)));
    this.text.addEventListener("focusin", (event) => this.hold(found(event)));
    this.text.addEventListener("mouseover", (event) => this.tellOf(found(event)));
    this.text.addEventListener("focusin", (event) => this.tellOf(found(event)));
    this.text.addEventListener("keydown", (event) => this.press(event, found(event)));
  }

  // One stop of the tab key for a whole text: the arrows move within it.
  press(event, at) {
    if (at < 0 || event.ctrlKey || event.altKey || event.metaKey) return;
    const forward = getComputedStyle(this.text).direction === "rtl" ? -1 : 1;
    const to = { ArrowRight: at + forward, ArrowLeft: at - forward, Home: 0, End: this.spans.length - 1 }[event.key];
    if (event.key === "Enter" || event.key === " ") this.play(at);
    else if (to === undefined) return;
    else this.spans[to]?.span.focus();
    event.preventDefault();
  }

  hold(at) {
    this.spans.forEach(({ span }, i) => { span.tabIndex = i === at ? 0 : -1; });
  }

  play(at) {
    if (this.spans[at]?.start !== undefined) this.hooks.play(this.spans[at].start);
  }

  tellOf(at) {
    if (at >= 0) this.about.textContent = this.spans[at].title;
  }

  // The words that are being said.
  mark(now_s) {
    for (const { span, start, end } of this.spans) span.classList.toggle("now", start <= now_s && now_s < end);
  }
}

function notes(kind, a, b, other) {
  return [
    kind === "sub" && `${other.name}: ${a.text}`,
    kind === "ins" && `not in ${other.name}`,
    b.probability !== undefined && `${Math.round(100 * b.probability)} % sure`,
    b.start !== undefined && `at ${clock(b.start, 1)}`,
  ].filter(Boolean);
}

function counted(steps, other) {
  const wrong = steps.filter(({ kind }) => kind !== "same").length, all = other.words.length;
  if (other.isSaid) return `${wrong} of ${all} ${all === 1 ? "word" : "words"} wrong`;
  return wrong ? `${wrong} ${wrong === 1 ? "word differs" : "words differ"}` : "the same words";
}

// Minutes and seconds.
function clock(seconds, digits = 0) {
  const minutes = Math.floor(seconds / 60);
  const rest = (seconds - 60 * minutes).toFixed(digits);
  return `${minutes}:${rest.padStart(digits ? 3 + digits : 2, "0")}`;
}
