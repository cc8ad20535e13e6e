// Any hop of the overlap-add: windows, their sum, cost, and scores. Data: bsrnn/report/explorers/overlap.py.

const HEIGHT = 200, MARGIN = { left: 34, right: 10, top: 10, bottom: 34 }, SHOWN_SECONDS = 8;
const STYLE = `
.explore-overlap .controls { display: flex; flex-wrap: wrap; gap: 0.5em 1em; align-items: center; }
.explore-overlap select { font: inherit; max-width: 100%; }
.explore-overlap label { display: flex; gap: 0.5em; align-items: center; flex-wrap: wrap; }
.explore-overlap input { width: min(16em, 60vw); accent-color: var(--bsrnn-accent, #0a5c8a); }
.explore-overlap svg { display: block; width: 100%; margin: 0.5em 0; }
.explore-overlap svg text { font-size: 12px; fill: var(--bsrnn-text, #222); }
.explore-overlap polyline { fill: none; }
.explore-overlap .window { stroke: var(--bsrnn-muted, #555); opacity: 0.7; }
.explore-overlap .window.even { stroke-dasharray: 5 2; }
.explore-overlap .sum { stroke: var(--bsrnn-accent, #0a5c8a); stroke-width: 2.5; }
.explore-overlap .axis { stroke: var(--bsrnn-border, #bbb); }
.explore-overlap table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
.explore-overlap table th, .explore-overlap table td { padding: 0.2em 0.6em; text-align: right; color: inherit;
  background: none;
  white-space: nowrap; }
.explore-overlap table tr.current > * { background: var(--bsrnn-raised, #eee); font-weight: bold; }
.explore-overlap caption { text-align: left; color: inherit; caption-side: top; }
.explore-overlap p { margin: 0.4em 0; }
.explore-overlap .files { overflow-wrap: anywhere; font-size: 0.85em; }
`;

// ---- numbers: tests/report/test_explorers.py holds these to the library's ----

/** Summed weights of segments that start every ``hop`` points, over one hop in the middle of a long song. */
export function sumOfWindows(weights, hop) {
  return Array.from({ length: hop }, (_, point) => {
    let sum = 0;
    for (let at = point; at < weights.length; at += hop) sum += weights[at];
    return sum;
  });
}

/** By how much the sum swings: (highest - lowest) / highest; 0 is flat. */
export function ripple(sums) {
  return 1 - Math.min(...sums) / Math.max(...sums);
}

// ---- the page ----

const inSeconds = (seconds) => `${Number(seconds.toFixed(2))} s`;

class Explorer {
  constructor(el, data) {
    Object.assign(this, { el, data });
    const options = data.windows.map(({ name, label }) =>
      `<option value="${name}"${name === data.window ? " selected" : ""}>${label}</option>`);
    el.innerHTML = `<style>${STYLE}</style><div class="explore-overlap">
      <div class="controls">
        <label>Hop <input type="range" min="${data.step_seconds}" max="${data.segment_seconds}"
          step="${data.step_seconds}" value="${data.hop_seconds}"><output></output></label>
        <label>Fade <select>${options.join("")}</select></label>
      </div>
      <svg height="${HEIGHT}" role="img"></svg>
      <p class="words" aria-live="polite"></p>
      <table><caption>Mean uSDR of ${data.target}</caption>
      <thead><tr><th scope="col">hop</th><th scope="col">cost</th><th scope="col">ours</th>
      <th scope="col">paper</th></tr></thead><tbody></tbody></table>
      <p class="files"></p></div>`;
    this.part = (selector) => el.querySelector(selector);
    this.part("input").addEventListener("input", () => this.update());
    this.part("select").addEventListener("change", () => this.update());
    this.update();
    new ResizeObserver(() => this.draw()).observe(el);
  }

  get hop() {
    return Number(this.part("input").value);
  }

  get window() {
    return this.data.windows.find(({ name }) => name === this.part("select").value);
  }

  update() {
    const { data, hop, window } = this, sums = sumOfWindows(window.weights, Math.round(hop * data.points_a_second));
    const swing = ripple(sums), cost = data.segment_seconds / hop;
    this.part("output").textContent = inSeconds(hop);
    this.part("input").setAttribute("aria-valuetext", inSeconds(hop));
    // the windows never touch 0: at a fortieth of a second a point the largest rounding is a few per cent
    const flat = swing < 0.02 ? "The sum is flat"
      : `The sum swings by ${Math.round(100 * swing)} % of its highest value`;
    const run = data.measured.find((row) => row.hop_seconds === hop && row.window === window.name);
    const measured = run
      ? `measured here: ${run.usdr.toFixed(2)} dB uSDR of ${data.target} over ${run.songs} songs`
      : "no committed run has this hop and fade";
    this.part(".words").textContent =
      `Hop ${inSeconds(hop)}: a moment of the song lies in ${Number(cost.toFixed(2))} segments on average, and so ` +
      `often the model computes it. ${flat}; dividing by it undoes that. ` +
      `${measured[0].toUpperCase()}${measured.slice(1)}.`;
    const hops = [...new Set([...Object.keys(data.paper).map(Number), ...data.measured.map((row) => row.hop_seconds)])];
    this.part("tbody").innerHTML = hops.sort((a, b) => a - b).map((seconds) => {
      const ours = data.measured.find((row) => row.hop_seconds === seconds), paper = this.paperAt(seconds);
      const scores = [ours?.usdr, paper].map((usdr) => `<td>${usdr ? `${usdr.toFixed(2)} dB` : "–"}</td>`);
      const current = seconds === hop ? ' class="current" aria-current="true"' : "";
      return `<tr${current}><th scope="row">${inSeconds(seconds)}</th>
        <td>${Number((data.segment_seconds / seconds).toFixed(2))}</td>${scores.join("")}</tr>`;
    }).join("");
    const files = (run ?? { files: [] }).files.join(", ");
    this.part(".files").textContent =
      `Source: ${data.banner}. The paper's column is of its data and size: compare differences within a column.` +
      `${files ? ` This hop's run: ${files}` : ""}`;
    this.draw();
  }

  paperAt(seconds) {
    const key = Object.keys(this.data.paper).find((text) => Number(text) === seconds);
    return key === undefined ? null : this.data.paper[key];
  }

  draw() {
    const { data, hop, window } = this, width = Math.max(this.el.clientWidth - 12, 240);
    const bottom = HEIGHT - MARGIN.bottom, rate = data.points_a_second, step = Math.round(hop * rate);
    const { weights } = window, highest = Math.max(1, ...sumOfWindows(weights, step));
    const x = (seconds) => MARGIN.left + ((width - MARGIN.left - MARGIN.right) * seconds) / SHOWN_SECONDS;
    const y = (weight) => bottom - ((bottom - MARGIN.top) * weight) / highest;
    const total = new Float64Array(SHOWN_SECONDS * rate), curves = [];
    // as the library: the first segment begins a hop less a segment before the song
    for (let start = step - weights.length, index = 0; start < total.length; start += step, index++) {
      const points = [];
      weights.forEach((weight, at) => {
        if (start + at < 0 || start + at >= total.length) return;
        total[start + at] += weight;
        points.push(`${x((start + at + 0.5) / rate).toFixed(1)},${y(weight).toFixed(1)}`);
      });
      curves.push(`<polyline class="window${index % 2 ? " even" : ""}" points="${points.join(" ")}"></polyline>`);
    }
    const sum = [...total].map((weight, at) => `${x((at + 0.5) / rate).toFixed(1)},${y(weight).toFixed(1)}`).join(" ");
    const labels = [0, 2, 4, 6, 8].map((seconds) =>
      `<text x="${x(seconds)}" y="${bottom + 15}" text-anchor="${seconds === 8 ? "end" : "middle"}">${seconds}</text>`);
    const heights = [0, highest / 2, highest].map((weight) =>
      `<text x="${MARGIN.left - 4}" y="${y(weight) + 4}" text-anchor="end">${Number(weight.toFixed(1))}</text>
      <line class="axis" x1="${x(0)}" x2="${x(SHOWN_SECONDS)}" y1="${y(weight)}" y2="${y(weight)}"></line>`);
    this.part("svg").setAttribute("viewBox", `0 0 ${width} ${HEIGHT}`);
    const told = this.part(".words").textContent;
    this.part("svg").setAttribute("aria-label", `Weights of overlapping segments and their sum. ${told}`);
    this.part("svg").innerHTML = `${heights.join("")}${curves.join("")}<polyline class="sum" points="${sum}"></polyline>
      ${labels.join("")}
      <text x="${width - MARGIN.right}" y="${HEIGHT - 4}" text-anchor="end">seconds of the song</text>`;
  }
}

function render({ el, data }) {
  new Explorer(el, data);
}

export default { render };
