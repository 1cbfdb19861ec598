// The microphone: one recording, how loud it is, and what is wrong with it.

const RECORDED = [
  ["audio/webm;codecs=opus", "webm"], ["audio/mp4", "mp4"], ["audio/ogg;codecs=opus", "ogg"],
];
const BITS_PER_S = 64_000; // clear speech in Opus and AAC alike
const EVERY_MS = 50;
const CLIPPED = 0.985, QUIET = 0.01; // of full scale; the second is -40 dB
const RECENT_S = 3;
const TOO_LOUD = "Too loud, the sound is distorted: move away from the microphone, or turn it down.";
const TOO_QUIET = "Very quiet: come closer to the microphone, or turn it up.";
const SILENT = "No sound arrives: is the microphone muted, or is another one chosen in the system?";
const FAULTS = {
  NotAllowedError: "The microphone is not allowed: permit it for this page (the sign beside the address, or the system's privacy settings), then record again.",
  NotFoundError: "No microphone found: connect one and record again, or choose a file.",
  NotReadableError: "The microphone is in use: close the other program that has it, then record again.",
};

// A stream, or an Error that says what to do.
async function openMicrophone() {
  if (!navigator.mediaDevices || !window.MediaRecorder) {
    throw new Error("This browser gives no microphone here: it does so only for https and localhost. Choose a file instead.");
  }
  try {
    // What browsers do for calls harms recognition.
    return await navigator.mediaDevices.getUserMedia({
      audio: { channelCount: 1, echoCancellation: false, noiseSuppression: false },
    });
  } catch (error) {
    throw new Error(FAULTS[error.name] || `The microphone does not work: ${error.message}`);
  }
}

class Take {
  // hear({peak, seconds, warning}) is called while it runs. `done` becomes {blob, extension,
  // warning}, or null if it was dropped.
  constructor(stream, limit_s, hear) {
    [this.stream, this.limit_s, this.hear] = [stream, limit_s, hear];
    this.parts = [];
    this.loudest = 0;
    this.clippedAt_s = -Infinity;
    this.heardAt_s = 0;
    const [type, extension] = RECORDED.find(([each]) => MediaRecorder.isTypeSupported(each)) || ["", "webm"];
    this.recorder = new MediaRecorder(stream, { audioBitsPerSecond: BITS_PER_S, ...(type && { mimeType: type }) });
    this.recorder.ondataavailable = (event) => this.parts.push(event.data);
    this.done = new Promise((resolve) => {
      // It also stops by itself, when the microphone is unplugged: what was said is kept.
      this.recorder.onstop = () => resolve(this.end(extension));
    });
    this.recorder.start();
    this.watch();
  }

  stop() {
    if (this.recorder.state !== "inactive") this.recorder.stop();
  }

  drop() {
    this.isDropped = true;
    this.stop();
  }

  watch() {
    this.context = new AudioContext();
    const analyser = new AnalyserNode(this.context, { fftSize: 4096 }); // longer than EVERY_MS
    this.context.createMediaStreamSource(this.stream).connect(analyser);
    const samples = new Float32Array(analyser.fftSize);
    const began_ms = performance.now();
    this.timer = setInterval(() => {
      const seconds = (performance.now() - began_ms) / 1000;
      analyser.getFloatTimeDomainData(samples);
      this.listen(samples, seconds);
      if (seconds >= this.limit_s) this.stop();
    }, EVERY_MS);
  }

  listen(samples, seconds) {
    const peak = samples.reduce((most, each) => Math.max(most, Math.abs(each)), 0);
    this.loudest = Math.max(this.loudest, peak);
    if (peak >= CLIPPED) this.clippedAt_s = seconds;
    if (peak >= QUIET) this.heardAt_s = seconds;
    this.hear({ peak, seconds, warning: this.warning(peak, seconds) });
  }

  warning(peak, seconds) {
    if (this.context.state !== "running") return ""; // the meter is deaf, not the microphone
    if (seconds - this.clippedAt_s < RECENT_S) return TOO_LOUD;
    if (seconds - this.heardAt_s > RECENT_S) return peak === 0 ? SILENT : TOO_QUIET;
    return "";
  }

  end(extension) {
    clearInterval(this.timer);
    const isDeaf = this.context.state !== "running";
    this.context.close();
    this.stream.getTracks().forEach((track) => track.stop());
    if (this.isDropped) return null;
    const blob = new Blob(this.parts, { type: this.recorder.mimeType });
    if (isDeaf) return { blob, extension, warning: "" };
    const warning = this.loudest >= CLIPPED ? TOO_LOUD : this.loudest < QUIET ? TOO_QUIET : "";
    return { blob, extension, warning };
  }
}

// The last seconds of loudness as bars on a canvas, the newest at the right.
class Meter {
  constructor(canvas) {
    this.canvas = canvas;
    this.peaks = [];
  }

  show(peak) {
    this.peaks.push(peak);
    const decibel = Math.round(20 * Math.log10(Math.max(peak, 0.001)));
    this.canvas.setAttribute("aria-valuenow", decibel);
    this.canvas.setAttribute("aria-valuetext", `${decibel} decibel`);
    this.draw();
  }

  draw() {
    const { canvas } = this, scale = devicePixelRatio || 1;
    canvas.width = canvas.clientWidth * scale;
    canvas.height = canvas.clientHeight * scale;
    const brush = canvas.getContext("2d"), step = 5 * scale, style = getComputedStyle(canvas);
    this.peaks = this.peaks.slice(-Math.ceil(canvas.width / step));
    this.peaks.forEach((peak, i) => {
      // Decibels, because that is how loudness is heard: -60 is the floor.
      const part = Math.max(0, 1 + Math.log10(Math.max(peak, 0.001)) / 3);
      const height = Math.max(2 * scale, part * canvas.height);
      brush.fillStyle = style.getPropertyValue(peak >= CLIPPED ? "--del-line" : "--accent");
      const x = canvas.width - (this.peaks.length - i) * step;
      brush.fillRect(x, (canvas.height - height) / 2, 3 * scale, height);
    });
  }
}
