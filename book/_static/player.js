// A player for tracks that belong together: a mixture, stems, estimates. Drawn by bsrnn.report.widgets for show.player.
//
// All tracks are decoded into one AudioContext and started at one time of its clock; choosing another track only moves
// gains, so a switch is at the same sample. One player of a page plays at a time. trackswitch.js, which is made for the
// same, needs jQuery and an icon font (0.x) or brings a sheet-music engraver along (2.x): too much to stand in a page.
//
// What a script or a test may rely on, within el:
//   .bsrnn-player[data-state="paused|loading|playing"]   role="group", labelled by the title
//     button[data-action="play"]      says what a press does; the state is in data-state
//     button[data-action="loop"]      aria-pressed: repeats the marked region, or all
//     button[data-action="match"]     aria-pressed: every track at one loudness
//     button[data-action="together"]  aria-pressed: several tracks may be heard at once
//     [data-action="seek"]            role="slider" over the spectrogram: click to seek, drag to mark a region
//     [data-role="time"]              "3.2 / 20.0 s"
//     li[data-track="0"][data-audible="true|false"][data-label="mixture"]
//       button[data-action="solo"]    aria-pressed: chosen; without "together" it is the only one
//       button[data-action="mute"]    aria-pressed: silent although chosen
//       input[data-action="gain"]     dB
//   .bsrnn-player.player   position() in seconds, level(track) as a factor, buffers(), seek(seconds), play(), pause()
//
// data: { title, seconds, ticks: [{ label, height }], tracks: [{ label, colour, matchDb, image }] }
// fallback: for each track an <audio data-track="0" src="data:audio/mpeg;base64,..."> with its sound

const FADE_SECONDS = 0.005; // of a switch: too short to hear, long enough not to click
const LEAD_SECONDS = 0.05; // between the press and the first sample, so that no track is late
const STEP_SECONDS = 1; // of an arrow key
const DRAG_PIXELS = 8; // less is a click
const KEYS = "After a click into the player: Space or P: play or pause · 1 to 9: that track · M: mute it · L: loop · " +
  "E: equal loudness · left, right: a second back or on · Home: to the start · [ and ]: loop from here, to here · " +
  "Escape: loop all";

let context = null; // one for all players of the page
let active = null; // the player that plays

const STYLE = `
.bsrnn-player { font-size: 0.95em; }
.bsrnn-player:focus { outline: none; }
.bsrnn-player .title { margin: 0 0 0.5em; font-weight: 600; }
.bsrnn-player .tools { display: flex; flex-wrap: wrap; gap: 0.4em; align-items: center; margin: 0 0 0.5em; }
.bsrnn-player button { font: inherit; line-height: 1.3; padding: 0.25em 0.7em; cursor: pointer; border-radius: 0.3em;
  color: var(--bsrnn-text); background: var(--bsrnn-raised); border: 1px solid var(--bsrnn-border); }
.bsrnn-player button[aria-pressed="true"] { color: var(--bsrnn-surface); background: var(--bsrnn-accent);
  border-color: var(--bsrnn-accent); }
.bsrnn-player :is(button, input, [role="slider"], summary):focus-visible { outline: 3px solid var(--bsrnn-accent);
  outline-offset: 2px; }
.bsrnn-player [data-action="play"] { min-width: 6em; font-weight: 600; }
.bsrnn-player [data-role="time"] { margin-left: auto; font-variant-numeric: tabular-nums; }
.bsrnn-player .picture { position: relative; height: 160px; overflow: hidden; cursor: pointer; background: #000;
  touch-action: pan-y; border-radius: 0.3em; user-select: none; }
.bsrnn-player .picture img { display: block; width: 100%; height: 100%; max-width: none; margin: 0;
  padding: 0 !important; background: none !important; }
.bsrnn-player .tick { position: absolute; left: 0; padding: 0 0.3em; font-size: 0.75em; color: #fff;
  background: rgba(0, 0, 0, 0.6); transform: translateY(50%); pointer-events: none; }
.bsrnn-player .cursor { position: absolute; top: 0; bottom: 0; width: 2px; background: #fff; pointer-events: none;
  box-shadow: 0 0 0 1px #000; }
.bsrnn-player .region { position: absolute; top: 0; bottom: 0; pointer-events: none; background: rgba(255, 255, 255, 0.25);
  border: solid #fff; border-width: 0 1px; }
.bsrnn-player ol { list-style: none; margin: 0.5em 0 0; padding: 0; }
.bsrnn-player li { display: grid; grid-template-columns: minmax(0, 1fr) auto 8em 4em; gap: 0.5em; align-items: center;
  margin: 0.2em 0; padding: 0; }
.bsrnn-player li [data-action="solo"] { text-align: left; border-left-width: 0.5em; }
.bsrnn-player li input { width: 100%; min-height: 24px; margin: 0; accent-color: var(--bsrnn-accent); }
.bsrnn-player li output { font-variant-numeric: tabular-nums; font-size: 0.85em; text-align: right; }
.bsrnn-player details { margin-top: 0.5em; font-size: 0.85em; color: var(--bsrnn-muted); }
.bsrnn-player [role="status"]:empty { display: none; }
@media (max-width: 600px) { .bsrnn-player li { grid-template-columns: minmax(0, 1fr) auto 5em; }
  .bsrnn-player li output { display: none; } }
`;

function make(tag, attributes = {}, text = "") {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.textContent = text;
  return element;
}

function pressed(button, is) {
  button.setAttribute("aria-pressed", String(is));
}

function bytes(address) {
  return Uint8Array.from(atob(address.slice(address.indexOf(",") + 1)), (letter) => letter.charCodeAt(0)).buffer;
}

const factor = (decibels) => 10 ** (decibels / 20);

class Player {
  constructor(el, data, fallback) {
    this.data = data;
    this.fallback = fallback;
    this.seconds = data.seconds;
    this.rest = 0; // where it stands while it does not play
    this.region = null; // [from, to] in seconds
    this.loop = this.match = this.together = false;
    this.state = "paused";
    this.sources = [];
    this.tracks = data.tracks.map((track, index) => {
      const sound = fallback.querySelector(`audio[data-track="${index}"]`);
      return { ...track, sound, chosen: index === 0, muted: false, gainDb: 0, buffer: null, node: null };
    });
    // tabindex: a click anywhere in it makes the keys its own
    this.root = make("div", { class: "bsrnn-player", role: "group", "aria-label": data.title, tabindex: "-1" });
    this.root.dataset.lmSuppressShortcuts = "true"; // Jupyter's: its keys would change the cell
    this.root.append(make("p", { class: "title" }, data.title), this.tools(), this.picture(), this.list(), this.help());
    this.root.addEventListener("keydown", (event) => this.key(event));
    this.root.player = this;
    el.append(this.root);
    this.update();
  }

  // ---- what is drawn ----

  button(action, text, press) {
    const button = make("button", { type: "button", "data-action": action }, text);
    button.addEventListener("click", press);
    this[`${action}Button`] = button;
    return button;
  }

  tools() {
    const bar = make("div", { class: "tools" });
    this.time = make("span", { "data-role": "time" });
    bar.append(
      this.button("play", "Play", () => this.toggle()),
      this.button("loop", "Loop", () => this.setLoop(!this.loop)),
      this.button("match", "Equal loudness", () => this.set({ match: !this.match })),
      this.button("together", "Several at once", () => this.setTogether(!this.together)),
      this.time,
    );
    return bar;
  }

  picture() {
    const picture = make("div", { class: "picture", "data-action": "seek", role: "slider", tabindex: "0",
      "aria-label": "Position", "aria-valuemin": "0", "aria-valuemax": this.seconds.toFixed(1) });
    this.image = make("img", { alt: "" });
    this.cursor = make("div", { class: "cursor" });
    this.marked = make("div", { class: "region", hidden: "" });
    const ticks = this.data.ticks.map(({ label, height }) =>
      make("span", { class: "tick", style: `bottom: ${100 * height}%`, "aria-hidden": "true" }, label));
    picture.append(this.image, ...ticks, this.marked, this.cursor);
    this.image.draggable = false;
    this.listenToPointer(picture);
    this.slider = picture;
    return picture;
  }

  listenToPointer(picture) {
    const seconds = (event) => {
      const { left, width } = picture.getBoundingClientRect();
      return this.seconds * Math.min(1, Math.max(0, (event.clientX - left) / width));
    };
    let from = null;
    picture.addEventListener("pointerdown", (event) => {
      from = { x: event.clientX, seconds: seconds(event) };
      picture.setPointerCapture(event.pointerId);
    });
    picture.addEventListener("pointermove", (event) => {
      if (from && Math.abs(event.clientX - from.x) > DRAG_PIXELS) this.mark([from.seconds, seconds(event)]);
    });
    picture.addEventListener("pointercancel", () => { from = null; });
    picture.addEventListener("pointerup", (event) => {
      if (!from) return;
      if (Math.abs(event.clientX - from.x) > DRAG_PIXELS) this.repeat([from.seconds, seconds(event)]);
      else this.seek(seconds(event));
      from = null;
    });
  }

  list() {
    const list = make("ol");
    for (const [index, track] of this.tracks.entries()) {
      const row = make("li", { "data-track": index, "data-label": track.label });
      const solo = make("button", { type: "button", "data-action": "solo" }, track.label);
      const mute = make("button", { type: "button", "data-action": "mute", "aria-label": `Mute ${track.label}` }, "Mute");
      const gain = make("input", { type: "range", "data-action": "gain", min: -24, max: 12, step: 1, value: 0,
        "aria-label": `Gain of ${track.label} in dB` });
      const shown = make("output", {}, "0 dB");
      solo.style.borderLeftColor = track.colour;
      solo.addEventListener("click", () => this.choose(index));
      mute.addEventListener("click", () => this.mute(index));
      gain.addEventListener("input", () => {
        track.gainDb = Number(gain.value);
        shown.textContent = `${track.gainDb} dB`;
        this.update();
      });
      row.append(solo, mute, gain, shown);
      Object.assign(track, { row, solo, muteButton: mute });
      list.append(row);
    }
    return list;
  }

  help() {
    const help = make("details");
    help.append(make("summary", {}, "Keys"), make("span", {}, KEYS));
    help.addEventListener("keyup", (event) => { // some browsers close it at the end of a press
      if (event.key === " " && help.open) event.preventDefault();
    });
    this.status = make("p", { role: "status" });
    const box = make("div");
    box.append(this.status, help);
    return box;
  }

  update() {
    const heard = this.tracks.filter((track) => this.audible(track));
    for (const track of this.tracks) {
      pressed(track.solo, track.chosen);
      pressed(track.muteButton, track.muted);
      track.row.dataset.audible = String(this.audible(track));
      if (track.node) track.node.gain.setTargetAtTime(this.factor(track), context.currentTime, FADE_SECONDS / 3);
    }
    const shown = heard[0] ?? this.tracks.find((track) => track.chosen) ?? this.tracks[0];
    if (this.image.src !== shown.image) this.image.src = shown.image;
    this.image.alt = `Spectrogram of ${shown.label}`;
    this.root.dataset.state = this.state;
    this.playButton.textContent = { paused: "▶ Play", loading: "… Loading", playing: "❚❚ Pause" }[this.state];
    pressed(this.loopButton, this.loop);
    pressed(this.matchButton, this.match);
    pressed(this.togetherButton, this.together);
    this.mark(this.region);
    this.draw();
  }

  mark(region) {
    this.marked.hidden = region === null;
    if (region === null) return;
    const [from, to] = [Math.min(...region), Math.max(...region)];
    this.marked.style.left = `${(100 * from) / this.seconds}%`;
    this.marked.style.width = `${(100 * (to - from)) / this.seconds}%`;
  }

  draw() {
    const position = this.position();
    this.cursor.style.left = `calc(${(100 * position) / this.seconds}% - 1px)`;
    this.time.textContent = `${position.toFixed(1)} / ${this.seconds.toFixed(1)} s`;
    if (this.state === "playing") return; // a screen reader would read every tenth of a second
    this.slider.setAttribute("aria-valuenow", position.toFixed(1));
    this.slider.setAttribute("aria-valuetext", `${position.toFixed(1)} of ${this.seconds.toFixed(1)} seconds`);
  }

  follow() {
    if (this.state !== "playing") return;
    if (!this.root.isConnected) return this.pause(); // a notebook has cleared the cell
    this.draw();
    requestAnimationFrame(() => this.follow());
  }

  // ---- what is heard ----

  audible(track) {
    return track.chosen && !track.muted;
  }

  factor(track) {
    return this.audible(track) ? factor(track.gainDb + (this.match ? track.matchDb : 0)) : 0;
  }

  level(index) {
    return this.factor(this.tracks[index]);
  }

  buffers() {
    return this.tracks.map((track) => track.buffer);
  }

  position() {
    if (this.state !== "playing") return this.rest;
    const position = this.from + Math.max(0, context.currentTime - this.startedAt);
    const [begin, end] = this.bounds();
    if (!this.loop || position < end) return Math.min(position, this.seconds);
    return begin + ((position - begin) % (end - begin));
  }

  bounds() {
    return this.region ?? [0, this.seconds];
  }

  set(changes) {
    Object.assign(this, changes);
    this.update();
  }

  choose(index) {
    for (const [other, track] of this.tracks.entries()) {
      if (other === index) track.chosen = this.together ? !track.chosen : true;
      else if (!this.together) track.chosen = false;
    }
    this.update();
  }

  mute(index) {
    this.tracks[index].muted = !this.tracks[index].muted;
    this.update();
  }

  setTogether(together) {
    this.together = together;
    const first = Math.max(0, this.tracks.findIndex((track) => track.chosen));
    if (together) this.update();
    else this.choose(first);
  }

  setLoop(loop, region = this.region) {
    const position = this.position();
    this.set({ loop, region });
    const outside = loop && (position < this.bounds()[0] || position >= this.bounds()[1]);
    this.seek(outside ? this.bounds()[0] : position);
  }

  repeat(region) {
    const [from, to] = [Math.min(...region), Math.max(...region)];
    if (to - from > 0.05) this.setLoop(true, [from, to]);
  }

  seek(seconds) {
    this.rest = Math.min(Math.max(0, seconds), this.seconds);
    if (this.rest < this.bounds()[0] || this.rest > this.bounds()[1]) this.region = null; // it was left
    if (this.state === "playing") {
      this.stop();
      this.start();
    }
    this.update();
  }

  // ---- playing ----

  async load() {
    const decode = async (track) => {
      track.buffer ??= await context.decodeAudioData(bytes(track.sound.src));
    };
    await Promise.all(this.tracks.map(decode));
    this.seconds = Math.min(this.data.seconds, ...this.tracks.map((track) => track.buffer.duration));
  }

  async play() {
    if (active && active !== this) active.pause();
    for (const sound of document.querySelectorAll("audio")) sound.pause();
    active = this;
    context ??= new AudioContext();
    this.set({ state: "loading" });
    try {
      await Promise.all([context.resume(), this.load()]);
    } catch (error) { // a browser without MP3
      this.fallback.style.display = "";
      this.status.textContent = `This browser cannot decode the tracks (${error.message}); single players stand below.`;
      this.set({ state: "paused" });
      return;
    }
    if (active !== this || this.state !== "loading") return; // another was started meanwhile
    if (!this.loop && this.rest >= this.seconds - 0.05) this.rest = 0;
    this.start();
    this.set({ state: "playing" });
    this.follow();
  }

  start() {
    this.startedAt = context.currentTime + LEAD_SECONDS;
    this.from = this.rest;
    const [begin, end] = this.bounds();
    this.sources = this.tracks.map((track) => {
      const source = new AudioBufferSourceNode(context, { buffer: track.buffer, loop: this.loop, loopStart: begin,
        loopEnd: end });
      track.node = new GainNode(context, { gain: this.factor(track) });
      source.connect(track.node).connect(context.destination);
      source.start(this.startedAt, this.from);
      return source;
    });
    this.sources[0].onended = () => { // a stopped one has another function here
      this.pause();
      this.seek(0);
    };
  }

  stop() {
    for (const source of this.sources) {
      source.onended = null;
      source.stop();
      source.disconnect();
    }
    for (const track of this.tracks) {
      track.node?.disconnect();
      track.node = null;
    }
    this.sources = [];
  }

  pause() {
    this.rest = this.position();
    this.stop();
    if (active === this) active = null;
    this.set({ state: "paused" });
  }

  toggle() {
    if (this.state === "paused") this.play();
    else this.pause();
  }

  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const on = event.target.dataset?.action;
    const row = event.target.closest("li");
    const index = row ? Number(row.dataset.track) : this.tracks.findIndex((track) => track.chosen);
    const actions = {
      p: () => this.toggle(),
      l: () => this.setLoop(!this.loop),
      e: () => this.set({ match: !this.match }),
      m: () => this.mute(Math.max(0, index)),
      "[": () => this.repeat([this.position(), this.bounds()[1]]),
      "]": () => this.repeat([this.bounds()[0], this.position()]),
      escape: () => this.setLoop(this.loop, null),
    };
    if (on !== "gain") { // whose own keys these are
      actions.arrowleft = () => this.seek(this.position() - STEP_SECONDS);
      actions.arrowright = () => this.seek(this.position() + STEP_SECONDS);
      actions.home = () => this.seek(0);
    }
    // a button has Space itself, and so has the closed list of keys; the open one is closed by Enter or a click
    const { tagName, parentElement } = event.target;
    if (tagName !== "BUTTON" && (tagName !== "SUMMARY" || parentElement.open)) actions[" "] = () => this.toggle();
    const number = Number(event.key);
    if (number >= 1 && number <= this.tracks.length) actions[event.key] = () => this.choose(number - 1);
    const action = actions[event.key.toLowerCase()];
    if (!action) return;
    action();
    event.preventDefault();
    event.stopPropagation(); // the page's own keys turn it
  }
}

function render({ el, data, fallback }) {
  if (!document.getElementById("bsrnn-player-style")) {
    document.head.append(make("style", { id: "bsrnn-player-style" }, STYLE));
  }
  new Player(el, data, fallback);
}

export default { render };
