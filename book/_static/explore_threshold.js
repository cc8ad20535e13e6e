// The energy rules of the finetuning at any threshold. Data: bsrnn/report/explorers/threshold.py.

const HEIGHT = 230, MARGIN = { left: 10, right: 10, top: 26, bottom: 40 }, FAR_DB = 60;
const BIN_DB = 2;
const STYLE = `
.explore-threshold .controls { display: flex; flex-wrap: wrap; gap: 0.5em 1em; align-items: center; }
.explore-threshold label { display: flex; gap: 0.5em; align-items: center; flex-wrap: wrap; }
.explore-threshold input { width: min(20em, 60vw); accent-color: var(--bsrnn-accent, #0a5c8a); }
.explore-threshold svg { display: block; width: 100%; margin: 0.5em 0; }
.explore-threshold svg text { font-size: 12px; fill: var(--bsrnn-text, #222); }
.explore-threshold .axis { stroke: var(--bsrnn-muted, #555); }
.explore-threshold .rule { stroke: var(--bsrnn-text, #222); stroke-width: 2; }
.explore-threshold .paper { stroke: var(--bsrnn-text, #222); stroke-dasharray: 4 4; }
.explore-threshold .right { fill: #0072b2; }
.explore-threshold .wrong { fill: none; stroke: #d55e00; stroke-width: 1.6; }
.explore-threshold .rest { fill: #888; }
.explore-threshold .zone { fill: var(--bsrnn-muted, #555); opacity: 0.12; }
.explore-threshold table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
.explore-threshold table th, .explore-threshold table td { padding: 0.2em 0.7em; text-align: right; color: inherit;
  background: none; }
.explore-threshold table th:first-child { text-align: left; }
.explore-threshold p { margin: 0.4em 0; overflow-wrap: anywhere; }
`;
const KINDS = {
  clean_residual: "clean residual",
  clean_target: "clean target",
};

// ---- numbers: tests/report/test_explorers.py holds these to the library's ----

/** The rules of bsrnn.finetune.kind_of. */
export function kindOf(targetDown, residualDown, threshold) {
  if (targetDown > threshold) return "clean_residual";
  return residualDown > threshold ? "clean_target" : "pseudo";
}

/** Whether a chunk is clean by the true stems, and so in the way that a rule calls it, where one does. */
export function isClean([targetDown, residualDown, trueTargetDown, trueResidualDown], threshold, trueDb) {
  const kind = kindOf(targetDown, residualDown, threshold), truth = kindOf(trueTargetDown, trueResidualDown, trueDb);
  return kind === "pseudo" ? truth !== "pseudo" : truth === kind;
}

/** For each rule how many chunks it calls clean, how many of them are, and how many there are by the true stems. */
export function counts(chunks, threshold, trueDb) {
  const table = {};
  for (const kind of Object.keys(KINDS)) {
    const called = chunks.filter(([target, residual]) => kindOf(target, residual, threshold) === kind);
    const truly = (chunk) => kindOf(chunk[2], chunk[3], trueDb) === kind;
    table[kind] = { called: called.length, right: called.filter(truly).length, truly: chunks.filter(truly).length };
  }
  return table;
}

// ---- the page ----

const escaped = (words) => String(words).replace(/[&<>"]/g, (sign) => `&#${sign.charCodeAt(0)};`);

/** Right of 0: how far the target is down; left of it: how far the residual is, whichever is further. */
function placeOf([target, residual]) {
  const place = target >= residual ? target : -residual;
  return Math.min(Math.max(place, -FAR_DB), FAR_DB - 0.01);
}

/** A disc for what is clean, a cross for what is called so and is not; below these a disc in grey. */
function mark(clean, kind, x, y, radius, words) {
  const title = `<title>${words}</title>`;
  const disc = (look) => `<circle class="dot ${kind} ${look}" cx="${x}" cy="${y}" r="${radius}">${title}</circle>`;
  if (clean || kind === "pseudo") return disc(clean ? "right" : "rest");
  const [left, right, top, bottom] = [x - radius, x + radius, y - radius, y + radius];
  const strokes = `M${left} ${top}L${right} ${bottom}M${left} ${bottom}L${right} ${top}`;
  return `<path class="dot ${kind} wrong" d="${strokes}">${title}</path>`;
}

class Explorer {
  constructor(el, data) {
    Object.assign(this, { el, data });
    const options = data.teachers.map(({ target }, index) => `<option value="${index}">${escaped(target)}</option>`);
    el.innerHTML = `<style>${STYLE}</style><div class="explore-threshold">
      <div class="controls">
        <label>Target <select>${options.join("")}</select></label>
        <label>Threshold <input type="range" min="0" max="${FAR_DB}" step="1" value="${data.paper_db}">
        <output>${data.paper_db} dB</output></label>
        <button type="button">the paper's ${data.paper_db} dB</button>
      </div>
      <svg height="${HEIGHT}" role="img"></svg>
      <p class="words" aria-live="polite"></p>
      <table><thead><tr><th scope="col">rule</th><th scope="col">called so</th><th scope="col">of them right</th>
      <th scope="col">there are</th></tr></thead><tbody></tbody></table>
      <p class="about"></p></div>`;
    this.part = (selector) => el.querySelector(selector);
    this.part("select").addEventListener("change", () => this.update());
    this.part("input").addEventListener("input", () => this.update());
    this.part("button").addEventListener("click", () => {
      this.part("input").value = data.paper_db;
      this.update();
    });
    this.update();
    new ResizeObserver(() => this.draw()).observe(el);
  }

  get teacher() {
    return this.data.teachers[Number(this.part("select").value)];
  }

  get threshold() {
    return Number(this.part("input").value);
  }

  update() {
    const { data, threshold, teacher } = this, table = counts(teacher.chunks, threshold, data.true_db);
    this.part("output").textContent = `${threshold} dB`;
    this.part("input").setAttribute("aria-valuetext", `${threshold} dB`);
    const { clean_residual: rests, clean_target: alone } = table, clean = rests.called + alone.called;
    this.part(".words").textContent =
      `At ${threshold} dB the rules call ${clean} of ${teacher.chunks.length} chunks clean, ` +
      `${rests.right + alone.right} of them rightly; ${teacher.chunks.length - clean} become pseudo labels.`;
    this.part("tbody").innerHTML = Object.entries(KINDS).map(([kind, words]) => {
      const row = table[kind];
      return `<tr data-kind="${kind}"><th scope="row">${words}</th><td>${row.called}</td><td>${row.right}</td>
        <td>${row.truly}</td></tr>`;
    }).join("");
    this.part(".about").textContent =
      `A dot is a chunk. Right of 0: how far the estimated target lies below the mixture; beyond the line it is ` +
      "taken to rest. Left: how far the residual does; beyond the line the target is taken to play alone. Blue disc: " +
      `clean by the true stems (${data.true_db} dB). Orange cross: called clean, and not so. Grey: neither. ` +
      "Dashed: the paper's threshold. " +
      `Source: ${data.banner}; ${teacher.file}.`;
    this.draw();
  }

  draw() {
    const { data, threshold, teacher } = this, width = Math.max(this.el.clientWidth - 12, 240);
    const span = width - MARGIN.left - MARGIN.right, bottom = HEIGHT - MARGIN.bottom;
    const x = (db) => MARGIN.left + (span * (db + FAR_DB)) / (2 * FAR_DB);
    const stacks = new Map();
    for (const chunk of teacher.chunks) {
      const bin = Math.floor(placeOf(chunk) / BIN_DB);
      stacks.set(bin, [...(stacks.get(bin) ?? []), chunk]);
    }
    const highest = Math.max(...[...stacks.values()].map((stack) => stack.length));
    const wide = (span * BIN_DB) / (2 * FAR_DB);
    const sizes = [1, 2, 3, 4, 5, 6].map((count) => // of a dot, with so many beside each other
      Math.min(wide / count, ((bottom - MARGIN.top) * count) / highest));
    const step = Math.max(...sizes), columns = sizes.indexOf(step) + 1;
    const clean = (chunk) => isClean(chunk, threshold, data.true_db);
    const inOrder = (stack) => [...stack.filter(clean), ...stack.filter((chunk) => !clean(chunk))];
    const dots = [...stacks].flatMap(([bin, stack]) => inOrder(stack).map((chunk, index) => {
      const kind = kindOf(chunk[0], chunk[1], threshold);
      const at = x((bin + 0.5) * BIN_DB) + ((index % columns) - (columns - 1) / 2) * step;
      const up = bottom - step * (Math.floor(index / columns) + 0.5);
      const words = `${teacher.songs[chunk[4]]}, ${chunk[5]} s: target ${chunk[0]} dB down, residual ${chunk[1]} dB; ` +
        `by the true stems ${chunk[2]} dB and ${chunk[3]} dB`;
      return mark(clean(chunk), kind, at, up, Math.max(0.42 * step, 0.8), escaped(words));
    }));
    const ticks = [-60, -30, 0, 30, 60].map((db) => {
      const anchor = { "-60": "start", 60: "end" }[db] ?? "middle";
      return `<text x="${x(db)}" y="${bottom + 15}" text-anchor="${anchor}">${Math.abs(db)}</text>`;
    });
    const upright = (db, kind) => `<line class="${kind}" x1="${x(db)}" x2="${x(db)}" y1="4" y2="${bottom}"></line>`;
    const inTwoLines = (words, at, anchor) => // on a phone a zone is no wider than a word
      `<text y="18" text-anchor="${anchor}">${words.split(" ").map((word, line) =>
        `<tspan x="${at}" dy="${line * 14}">${word} </tspan>`).join("")}</text>`;
    this.part("svg").setAttribute("viewBox", `0 0 ${width} ${HEIGHT}`);
    this.part("svg").setAttribute("aria-label", this.part(".words").textContent);
    this.part("svg").innerHTML = `
      <rect class="zone" x="${x(-FAR_DB)}" y="4" width="${x(-threshold) - x(-FAR_DB)}"
      height="${bottom - 4}"></rect>
      <rect class="zone" x="${x(threshold)}" y="4" width="${x(FAR_DB) - x(threshold)}"
      height="${bottom - 4}"></rect>
      <line class="axis" x1="${x(-FAR_DB)}" x2="${x(FAR_DB)}" y1="${bottom}" y2="${bottom}"></line>
      ${upright(-data.paper_db, "paper")}${upright(data.paper_db, "paper")}
      ${upright(-threshold, "rule")}${upright(threshold, "rule")}${dots.join("")}${ticks.join("")}
      <text x="${MARGIN.left}" y="${HEIGHT - 6}">← residual, dB down</text>
      <text x="${width - MARGIN.right}" y="${HEIGHT - 6}" text-anchor="end">target, dB down →</text>
      ${inTwoLines("clean target", x(-FAR_DB) + 4, "start")}${inTwoLines("clean residual", x(FAR_DB) - 4, "end")}`;
  }
}

function render({ el, data }) {
  if (!data.teachers.length) el.textContent = "This profile has no labels of a teacher.";
  else new Explorer(el, data);
}

export default { render };
