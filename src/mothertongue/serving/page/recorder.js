// The microphone: a recording, how loud it is, and what is wrong with it.

const QUIET = 0.02;
const CLIPPED = 0.99;

class Recorder {
    constructor(report) {
        this.report = report; // {level, seconds, warning} ten times a second
        this.limit = 600;
    }

    get isOn() {
        return Boolean(this.recorder);
    }

    // Resolves to a Blob when it is stopped, by hand or at the limit.
    async start() {
        if (!navigator.mediaDevices || !window.MediaRecorder) {
            throw new Error("This browser gives no microphone here: open the page by https or localhost.");
        }
        const stream = await this.microphone();
        const type = ["audio/webm;codecs=opus", "audio/mp4", "audio/ogg;codecs=opus"]
            .find((each) => MediaRecorder.isTypeSupported(each));
        this.recorder = new MediaRecorder(stream, type ? { mimeType: type } : {});
        const parts = [];
        this.recorder.ondataavailable = (event) => parts.push(event.data);
        const done = new Promise((resolve) => {
            this.recorder.onstop = () => resolve(new Blob(parts, { type: this.recorder.mimeType }));
        });
        this.recorder.start();
        this.watch(stream);
        const blob = await done;
        this.end(stream);
        return blob;
    }

    stop() {
        if (this.isOn && this.recorder.state !== "inactive") this.recorder.stop();
    }

    async microphone() {
        try {
            return await navigator.mediaDevices.getUserMedia({ audio: true });
        } catch (error) {
            throw new Error(error.name === "NotAllowedError"
                ? "The microphone is not allowed: allow it for this page in the browser, then try again."
                : "There is no microphone: connect one, or choose a file.");
        }
    }

    watch(stream) {
        this.context = new AudioContext();
        const analyser = this.context.createAnalyser();
        this.context.createMediaStreamSource(stream).connect(analyser);
        const samples = new Float32Array(analyser.fftSize);
        const began = performance.now();
        let loudest = 0;
        this.timer = setInterval(() => {
            analyser.getFloatTimeDomainData(samples);
            const level = samples.reduce((peak, each) => Math.max(peak, Math.abs(each)), 0);
            const seconds = (performance.now() - began) / 1000;
            loudest = Math.max(loudest, level);
            this.report({ level, seconds, warning: this.warning(loudest, seconds) });
            if (seconds >= this.limit) this.stop();
        }, 100);
    }

    warning(loudest, seconds) {
        if (loudest >= CLIPPED) return "Too loud: it is distorted. Move away from the microphone.";
        if (seconds > 2 && loudest < QUIET) return "Very quiet: is this the right microphone?";
        if (seconds > this.limit - 10) return "It stops at the limit in a few seconds.";
        return "";
    }

    end(stream) {
        clearInterval(this.timer);
        this.context.close();
        stream.getTracks().forEach((track) => track.stop());
        this.recorder = null;
    }
}
