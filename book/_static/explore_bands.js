// Band splits to choose and to drag: cost and oracle follow. Data: bsrnn/report/explorers/band_splits.py.

const DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const HEIGHT = 190, MARGIN = { left: 6, right: 6, top: 8, bottom: 34 };
const STEPS = { ArrowLeft: -1, ArrowRight: 1, PageDown: -10, PageUp: 10 };
const STYLE = `
.explore-bands .controls { display: flex; flex-wrap: wrap; gap: 0.5em 1em; align-items: center; }
.explore-bands :is(select, button) { max-width: 100%; }
.explore-bands svg { display: block; width: 100%; touch-action: pan-y; cursor: ew-resize; margin: 0.5em 0; }
.explore-bands svg text { font-size: 12px; fill: var(--bsrnn-text, #222); }
.explore-bands .edge line { stroke: #fff; stroke-width: 1; }
.explore-bands .edge.active line { stroke: #4fc3f7; stroke-width: 3; }
.explore-bands .edge:focus { outline: none; }
.explore-bands .edge:focus line { stroke: #fff; stroke-width: 4; stroke-dasharray: 6 3; }
.explore-bands .strip { fill: var(--bsrnn-muted, #555); opacity: 0.75; }
.explore-bands .strip:nth-of-type(even) { opacity: 0.35; }
.explore-bands .gains { display: grid; grid-template-columns: max-content 1fr max-content; gap: 0.2em 0.8em;
  align-items: center; font-variant-numeric: tabular-nums; }
.explore-bands .bar { height: 0.8em; background: var(--bsrnn-accent, #0a5c8a); min-width: 1px; position: relative; }
.explore-bands .track { background: var(--bsrnn-raised, #eee); position: relative; }
.explore-bands .track i { position: absolute; top: -2px; bottom: -2px; width: 2px;
  background: var(--bsrnn-text, #222); }
.explore-bands p { margin: 0.4em 0; }
`;

// ---- numbers: tests/report/test_explorers.py holds these to the library's ----

/** The numbers that band_splits.pack wrote, two characters each. */
export function unpack(text, levels, loudest) {
  const value = new Map([...DIGITS].map((digit, index) => [digit, index]));
  const numbers = new Float64Array(text.length / 2);
  for (let index = 0; index < numbers.length; index++) {
    const root = (64 * value.get(text[2 * index]) + value.get(text[2 * index + 1]) - levels) / levels;
    numbers[index] = Math.sign(root) * root ** 4 * loudest;
  }
  return numbers;
}

/** Sums up to each bin, so that any band's sum is a difference: a stem -> Float64Array of blocks rows of F + 1. */
export function runningSums(data) {
  const bins = data.n_fft / 2 + 1;
  const sums = {}, power = new Float64Array(data.blocks * (bins + 1));
  for (const [stem, { cross }] of Object.entries(data.stems)) {
    const values = unpack(cross, data.levels, data.loudest), running = new Float64Array(power.length);
    for (let block = 0; block < data.blocks; block++) {
      for (let bin = 0; bin < bins; bin++) {
        const at = block * (bins + 1) + bin;
        running[at + 1] = running[at] + values[block * bins + bin];
      }
    }
    sums[stem] = running;
    running.forEach((sum, at) => { power[at] += sum; });
  }
  return { sums, power };
}

/** Stem -> signal to error in dB of the best gain a band and block; null where the stem rests. */
export function oracle(data, { sums, power }, widths) {
  const bins = data.n_fft / 2 + 1, scores = {};
  for (const [stem, { energy }] of Object.entries(data.stems)) {
    let explained = 0;
    for (let block = 0; block < data.blocks; block++) {
      let low = block * (bins + 1);
      for (const width of widths) {
        const cross = sums[stem][low + width] - sums[stem][low];
        explained += cross ** 2 / Math.max(power[low + width] - power[low], 1e-30);
        low += width;
      }
    }
    scores[stem] = energy > 0 ? 10 * Math.log10(energy / Math.max(energy - explained, 1e-9 * energy)) : null;
  }
  return scores;
}

/** Parameters, and multiply-adds for a second of stereo music, of a model with so many bands. */
export function costOf(data, bands) {
  const line = data.cost;
  return {
    parameters: line.parameters_base + line.parameters_band * bands,
    macs: line.macs_base + line.macs_band * bands,
  };
}

// ---- the page ----

const clamp = (value, low, high) => Math.min(Math.max(value, low), high);

function axisOf(data) {
  const { linear_hz: knee, linear_share: share } = data.axis, top = data.sample_rate / 2;
  const ratio = Math.log(top / knee);
  return {
    place: (hz) => (hz <= knee ? (share * hz) / knee : share + ((1 - share) * Math.log(hz / knee)) / ratio),
    hz: (place) => (place <= share ? (knee * place) / share : knee * Math.exp((ratio * (place - share)) / (1 - share))),
  };
}

class Explorer {
  constructor(el, data) {
    Object.assign(this, { el, data, axis: axisOf(data), running: runningSums(data), active: 0 });
    this.bins = data.n_fft / 2 + 1;
    this.reference = data.splits.find((split) => split.name === data.first);
    this.referenceGains = oracle(data, this.running, this.reference.widths);
    this.build();
    this.choose(data.first);
    new ResizeObserver(() => this.draw()).observe(el);
  }

  build() {
    const { data } = this;
    const options = data.splits.map(({ name, label }) => `<option value="${name}">${label}</option>`).join("");
    this.el.innerHTML = `<style>${STYLE}</style><div class="explore-bands">
      <div class="controls">
        <label>Split <select>${options}<option value="" disabled>your own</option></select></label>
        <span><button type="button" data-do="add">add an edge</button>
        <button type="button" data-do="remove">remove this edge</button></span>
      </div>
      <svg height="${HEIGHT}" role="group" aria-label="Spectrogram of the mixture, with the edges of the bands"></svg>
      <p class="edge-words" aria-live="polite"></p>
      <p class="numbers" aria-live="polite"></p>
      <div class="gains"></div>
      <p class="about"></p></div>`;
    this.part = (selector) => this.el.querySelector(selector);
    this.svg = this.part("svg");
    this.part(".about").textContent =
      `Above: ${data.seconds.toFixed(1)} s of ${data.song} from ${data.start_seconds} s, time downwards; linear to ` +
      `${data.axis.linear_hz / 1000} kHz, logarithmic above. Bars: signal to error of the best gain a band and block ` +
      `of ${data.block_seconds.toFixed(2)} s, the line across it is V7's. Cost at the paper's size. Drag an edge, or ` +
      "choose one with the Tab key: arrows move it by a bin, page keys by ten; up and down go to the next edge, " +
      "Delete takes it away.";
    this.part("select").addEventListener("change", (event) => this.choose(event.target.value));
    this.part("[data-do=add]").addEventListener("click", () => this.add());
    this.part("[data-do=remove]").addEventListener("click", () => this.remove());
    this.svg.addEventListener("pointerdown", (event) => this.grab(event));
    this.svg.addEventListener("pointermove", (event) => this.drag(event));
    this.svg.addEventListener("keydown", (event) => this.key(event));
  }

  // edges: bins at which a band ends and the next begins, without 0 and F

  choose(name) {
    const { widths } = this.data.splits.find((split) => split.name === name);
    let bin = 0;
    this.edges = widths.slice(0, -1).map((width) => (bin += width));
    this.active = Math.min(this.active, this.edges.length - 1);
    this.part("select").value = name;
    this.draw();
    this.tell();
  }

  widths() {
    return [...this.edges, this.bins].map((edge, index) => edge - (index ? this.edges[index - 1] : 0));
  }

  changed() {
    this.part("select").value = "";
    this.draw();
    this.tell();
  }

  move(index, bin) {
    const low = (this.edges[index - 1] ?? 0) + 1, high = (this.edges[index + 1] ?? this.bins) - 1;
    this.edges[index] = clamp(bin, low, high);
    this.changed();
  }

  add() {
    // in the middle of the band above the active edge, or of the widest where that is one bin
    const widths = this.widths(), widest = widths.indexOf(Math.max(...widths));
    const band = (widths[this.active + 1] ?? 1) > 1 ? this.active + 1 : widest;
    if (widths[band] < 2) return;
    const low = band ? this.edges[band - 1] : 0;
    this.edges.splice(band, 0, low + Math.floor(widths[band] / 2));
    this.active = band;
    this.changed();
  }

  remove() {
    if (this.edges.length < 2) return;
    this.edges.splice(this.active, 1);
    this.active = Math.min(this.active, this.edges.length - 1);
    this.changed();
  }

  hzOf(bin) {
    return (bin * this.data.sample_rate) / this.data.n_fft;
  }

  x(bin) {
    return MARGIN.left + this.axis.place(this.hzOf(Math.min(bin, this.bins - 1))) * this.span;
  }

  binAt(event) {
    const place = (event.clientX - this.svg.getBoundingClientRect().left - MARGIN.left) / this.span;
    return Math.round((this.axis.hz(clamp(place, 0, 1)) * this.data.n_fft) / this.data.sample_rate);
  }

  grab(event) {
    const x = event.clientX - this.svg.getBoundingClientRect().left;
    const distances = this.edges.map((edge) => Math.abs(this.x(edge) - x));
    const nearest = distances.indexOf(Math.min(...distances));
    if (distances[nearest] > 20) return;
    event.preventDefault();
    this.active = nearest;
    this.dragged = true;
    this.svg.setPointerCapture(event.pointerId);
    this.svg.addEventListener("lostpointercapture", () => { this.dragged = false; }, { once: true });
    this.draw();
    this.focusActive();
    this.tell();
  }

  drag(event) {
    if (this.dragged) this.move(this.active, this.binAt(event));
  }

  key(event) {
    const next = { ArrowUp: 1, ArrowDown: -1 }[event.key];
    if (STEPS[event.key]) this.move(this.active, this.edges[this.active] + STEPS[event.key]);
    else if (next) this.active = clamp(this.active + next, 0, this.edges.length - 1);
    else if (event.key === "Home") this.active = 0;
    else if (event.key === "End") this.active = this.edges.length - 1;
    else if (event.key === "Delete" || event.key === "Backspace") this.remove();
    else return;
    event.preventDefault();
    this.draw();
    this.focusActive();
    this.tell();
  }

  focusActive() {
    this.part(".edge.active")?.focus({ preventScroll: true });
  }

  draw() {
    const width = Math.max(this.el.clientWidth - 12, 240), below = HEIGHT - MARGIN.bottom;
    this.span = width - MARGIN.left - MARGIN.right;
    const focused = this.svg.contains(document.activeElement), all = [0, ...this.edges, this.bins];
    const strips = all.slice(1).map((edge, band) => {
      const left = this.x(all[band]);
      const size = `x="${left}" y="${below + 2}" width="${Math.max(this.x(edge) - left, 0.5)}" height="8"`;
      return `<rect class="strip" ${size}></rect>`;
    });
    const ticks = [0, 250, 500, 1000, 2000, 4000, 8000, 16000].map((hz) => {
      const words = hz < 1000 ? hz : `${hz / 1000}k`, at = MARGIN.left + this.axis.place(hz) * this.span;
      return `<text x="${at}" y="${HEIGHT - 6}" text-anchor="${hz ? "middle" : "start"}">${words}</text>`;
    });
    const edges = this.edges.map((edge, index) => {
      const at = this.x(edge), active = index === this.active;
      const low = Math.round(this.hzOf((this.edges[index - 1] ?? 0) + 1));
      const high = Math.round(this.hzOf((this.edges[index + 1] ?? this.bins) - 1));
      const hz = Math.round(this.hzOf(edge));
      return `<g class="edge${active ? " active" : ""}" role="slider" tabindex="${active ? 0 : -1}"
        aria-label="edge ${index + 1} of ${this.edges.length}" aria-orientation="horizontal"
        aria-valuemin="${low}" aria-valuemax="${high}" aria-valuenow="${hz}" aria-valuetext="${hz} Hz">
        <line x1="${at}" x2="${at}" y1="${MARGIN.top}" y2="${below}"></line></g>`;
    });
    this.svg.setAttribute("viewBox", `0 0 ${width} ${HEIGHT}`);
    this.svg.innerHTML = `<image href="${this.data.picture}" x="${MARGIN.left}" y="${MARGIN.top}"
      width="${this.span}" height="${below - MARGIN.top}" preserveAspectRatio="none"></image>
      <g>${strips.join("")}</g>${ticks.join("")}${edges.join("")}`;
    if (focused) this.focusActive();
  }

  tell() {
    const { data } = this, widths = this.widths(), gains = oracle(data, this.running, widths);
    const cost = costOf(data, widths.length), hz = this.hzOf(this.edges[this.active]);
    this.part(".edge-words").textContent =
      `Edge ${this.active + 1} of ${this.edges.length}: ${Math.round(hz)} Hz, bin ${this.edges[this.active]}.`;
    this.part(".numbers").textContent =
      `${widths.length} bands; ${(cost.parameters / 1e6).toFixed(2)} million parameters; ` +
      `${(cost.macs / 1e9).toFixed(1)} billion multiply-adds for a second of stereo music.`;
    const top = Math.max(10, ...Object.values(gains), ...Object.values(this.referenceGains));
    const rows = Object.entries(gains).map(([stem, gain]) => {
      if (gain === null) return `<span>${stem}</span><span>rests here</span><span></span>`;
      const change = gain - this.referenceGains[stem], sign = change < 0 ? "−" : "+";
      const mark = (100 * this.referenceGains[stem]) / top;
      return `<span>${stem}</span><span class="track"><div class="bar" style="width:${(100 * gain) / top}%"></div>
        <i style="left:${mark}%"></i></span>
        <span data-stem="${stem}">${gain.toFixed(2)} dB (${sign}${Math.abs(change).toFixed(2)})</span>`;
    });
    this.part(".gains").innerHTML = rows.join("");
  }
}

function render({ el, data }) {
  new Explorer(el, data);
}

export default { render };
