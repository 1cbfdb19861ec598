// One model's answer: its words, how they differ, and what can be done with them.

class Card {
    constructor(model) {
        this.model = model;
        this.answer = null;
        this.text = make("div", { className: "text", dir: "auto" });
        this.note = make("p", { className: "quiet" });
        this.actions = make("div", { className: "row" });
        this.element = make("article", {}, [
            make("h3", { textContent: model }), this.note, this.text, this.actions,
        ]);
        this.element.setAttribute("aria-label", `What ${model} wrote`);
    }

    async ask(signal) {
        const began = performance.now();
        this.note.className = "quiet";
        this.actions.replaceChildren();
        const timer = setInterval(() => {
            this.note.textContent = `${((performance.now() - began) / 1000).toFixed(0)} s`;
        }, 500);
        this.note.textContent = "asked";
        try {
            this.answer = await this.fetched(signal);
            this.seconds = (performance.now() - began) / 1000;
            this.offer();
            compare();
        } catch (error) {
            this.fail(error);
        } finally {
            clearInterval(timer);
        }
    }

    // Some engines know no word times: those are asked without.
    async fetched(signal) {
        try {
            return await this.request(signal, ["segment", "word"]);
        } catch (error) {
            if (error.param !== "timestamp_granularities[]") throw error;
            return this.request(signal, ["segment"]);
        }
    }

    request(signal, granularities) {
        const form = new FormData();
        form.append("file", state.sound, state.name);
        form.append("model", this.model);
        form.append("response_format", "verbose_json");
        granularities.forEach((each) => form.append("timestamp_granularities[]", each));
        const language = $("language").value.trim();
        if (language) form.append("language", language);
        return ask("/v1/audio/transcriptions", { method: "POST", body: form, signal });
    }

    fail(error) {
        this.note.className = "error";
        this.note.textContent = error.name === "AbortError" ? "Cancelled." : error.message;
        const again = make("button", { type: "button", textContent: "Try again" });
        const wait = Math.min(error.wait || 0, 60);
        again.disabled = wait > 0;
        setTimeout(() => { again.disabled = false; }, 1000 * wait);
        again.addEventListener("click", () => this.ask(new AbortController().signal));
        this.actions.replaceChildren(again);
    }

    offer() {
        const stem = state.name.replace(/\.[^.]*$/, "");
        const buttons = Object.keys(FILES).map((kind) => {
            const button = make("button", { type: "button", textContent: kind });
            button.setAttribute("aria-label", `Download ${kind} of ${this.model}`);
            button.addEventListener("click", () => {
                const blob = new Blob([FILES[kind](this.answer.segments)], { type: "text/plain" });
                const link = make("a", { href: URL.createObjectURL(blob), download: `${stem}.${this.model}.${kind}` });
                link.click();
                setTimeout(() => URL.revokeObjectURL(link.href), 1000);
            });
            return button;
        });
        const copy = make("button", { type: "button", textContent: "copy" });
        copy.setAttribute("aria-label", `Copy the text of ${this.model}`);
        copy.addEventListener("click", async () => {
            await navigator.clipboard.writeText(this.answer.text);
            say("Copied.");
        });
        this.actions.replaceChildren(...buttons, copy);
    }

    // Against another text, or by itself where there is none.
    show(other, isReference) {
        const timed = this.answer.words || [];
        const own = timed.length ? timed.map((each) => each.word) : wordsOf(this.answer.text);
        const others = other === null ? own : wordsOf(other);
        const steps = alignWords(others, own);
        const joint = /\s/u.test(this.answer.text) || own.length < 2 ? " " : "";
        let place = 0;
        this.text.replaceChildren(...steps.flatMap(([kind, before, word]) => {
            const shown = word === null
                ? make("del", { textContent: before, title: "missing" })
                : this.word(word, kind, before, timed[place++]);
            return [shown, joint];
        }));
        if (!own.length && !steps.length) this.text.textContent = "(no speech)";
        const wrong = steps.filter(([kind]) => kind !== "=").length;
        const facts = [this.answer.language, `${this.seconds.toFixed(1)} s`];
        if (isReference) facts.push(`${wrong} of ${others.length} words wrong`);
        else if (other !== null) facts.push(`${wrong} words differ`);
        this.note.textContent = facts.filter(Boolean).join(", ");
    }

    word(text, kind, before, times) {
        const element = make(times ? "button" : "span", { textContent: text, className: "word" });
        if (kind !== "=") element.classList.add("other");
        const notes = kind === "~" ? [`instead of ${before}`] : kind === "+" ? ["one more"] : [];
        if (times) {
            element.type = "button";
            element.dataset.start = times.start;
            element.dataset.end = times.end;
            element.addEventListener("click", () => {
                $("player").currentTime = times.start;
                $("player").play();
            });
            if (times.probability < UNSURE) {
                element.classList.add("unsure");
                notes.push(`sure by ${Math.round(100 * times.probability)} %`);
            }
        }
        element.title = notes.join("; ");
        return element;
    }

    mark(now) {
        for (const word of this.text.querySelectorAll("[data-start]")) {
            const isNow = !$("player").paused && now >= word.dataset.start && now < word.dataset.end;
            word.classList.toggle("now", isNow);
        }
    }
}
