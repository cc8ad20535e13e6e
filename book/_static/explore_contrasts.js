// Every contrast of the committed runs, a dot for each song and seed. Data: bsrnn/report/explorers/contrasts.py.

const ROW = 34, MARGIN = { left: 58, right: 12, top: 34, bottom: 38 };
const STYLE = `
.explore-contrasts label { display: flex; gap: 0.5em; align-items: center; flex-wrap: wrap; }
.explore-contrasts select { font: inherit; max-width: 100%; }
.explore-contrasts svg { display: block; width: 100%; margin: 0.5em 0; }
.explore-contrasts svg text { font-size: 12px; fill: var(--bsrnn-text, #222); }
.explore-contrasts .zero { stroke: var(--bsrnn-text, #222); }
.explore-contrasts .least { stroke: var(--bsrnn-muted, #555); stroke-dasharray: 4 3; }
.explore-contrasts .band { fill: var(--bsrnn-raised, #eee); }
.explore-contrasts .interval { stroke: var(--bsrnn-text, #222); stroke-width: 3; }
.explore-contrasts .mean { fill: var(--bsrnn-text, #222); }
.explore-contrasts .seed-mean { stroke: var(--bsrnn-text, #222); stroke-width: 2; }
.explore-contrasts .dot { fill: var(--bsrnn-accent, #0a5c8a); fill-opacity: 0.55; cursor: pointer; }
.explore-contrasts .dot.active { fill-opacity: 1; stroke: var(--bsrnn-text, #222); stroke-width: 2; }
.explore-contrasts .dot:focus { outline: 2px solid var(--bsrnn-text, #222); outline-offset: 2px; }
.explore-contrasts p { margin: 0.4em 0; }
.explore-contrasts code { overflow-wrap: anywhere; font-size: 0.85em; }
`;

const escaped = (words) => String(words).replace(/[&<>"]/g, (sign) => `&#${sign.charCodeAt(0)};`);
const clamp = (value, low, high) => Math.min(Math.max(value, low), high);

/** "+0.53 dB". */
export function inWords(db, digits = 2) {
  return `${db < 0 ? "−" : "+"}${Math.abs(db).toFixed(digits)} dB`;
}

/** Places of an axis from low to high: multiples of 1, 2 or 5 times a power of ten, about six of them. */
export function ticks(low, high) {
  const rough = (high - low) / 6, power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].find((factor) => factor * power >= rough) * power;
  const first = Math.ceil(low / step), count = Math.floor(high / step) - first + 1;
  return Array.from({ length: count }, (_, index) => Number(((first + index) * step).toPrecision(6)));
}

const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;

class Explorer {
  constructor(el, data) {
    Object.assign(this, { el, data });
    const groups = [...new Set(data.contrasts.map(({ group }) => group))].map((group) => {
      const options = data.contrasts.map((contrast, index) =>
        contrast.group === group ? `<option value="${index}">${escaped(contrast.label)}</option>` : "");
      return `<optgroup label="${escaped(group)}">${options.join("")}</optgroup>`;
    });
    el.innerHTML = `<style>${STYLE}</style><div class="explore-contrasts">
      <label>Contrast <select>${groups.join("")}</select></label>
      <p class="effect" aria-live="polite"></p>
      <svg role="group" aria-label="Differences, a dot for each song and seed"></svg>
      <p class="dot-words" aria-live="polite"></p>
      <p class="about"></p></div>`;
    this.part = (selector) => el.querySelector(selector);
    this.part("select").addEventListener("change", () => this.choose());
    const svg = this.part("svg");
    for (const kind of ["pointerover", "focusin", "click"]) {
      svg.addEventListener(kind, (event) => {
        const dot = event.target.closest(".dot");
        if (dot) this.select(Number(dot.dataset.seed), Number(dot.dataset.song));
      });
    }
    svg.addEventListener("keydown", (event) => this.key(event));
    this.choose();
    new ResizeObserver(() => this.draw()).observe(el);
  }

  choose() {
    this.contrast = this.data.contrasts[Number(this.part("select").value)];
    this.songs = this.data.songs[this.contrast.songs];
    // places of each seed's songs from the lowest difference to the highest: what the arrow keys walk along
    this.orders = this.contrast.seeds.map(({ differences }) =>
      differences.map((_, song) => song).sort((a, b) => differences[a] - differences[b]));
    this.active = { seed: 0, song: this.orders[0].at(-1) };
    const { effect, interval, interval_over: over, seeds, banner, margin, silent } = this.contrast;
    const ends = interval.map((end) => inWords(end).replace(" dB", "")).join(", ");
    const range = interval.length ? ` [${ends}] (${over})` : over === "-" ? "" : ` (${over})`;
    const counted = seeds.length === 1 ? "one seed" : `${seeds.length} seeds`;
    const band = this.contrast.seed_band;
    const spread = band === null ? "" : ` Within ±${band.toFixed(2)} dB (grey) it may be the luck of that seed.`;
    const learnt = this.contrast.where_both_learnt;
    const without = learnt === null ? "" : `; the mean of the other seeds is ${inWords(learnt)}`;
    const silence = silent.length ? ` With seed ${silent.join(" and ")} a training stayed silent${without}.` : "";
    this.part(".effect").textContent =
      `Mean difference ${inWords(effect)}${range}; ${this.songs.length} songs, ${counted}.${spread}${silence}`;
    this.part(".about").textContent =
      "A dot is a song; a row is a seed, its tick that seed's mean; above them the mean of all" +
      `${interval.length ? " with its interval" : ""}` +
      `${silent.length ? ", a star a seed with a silent training" : ""}` +
      `${margin === null ? "" : `, dashed the margin of ${margin} dB set beforehand`}. Point at a dot, or go there ` +
      `with the Tab key and along with the arrows. Source: ${banner}.`;
    this.draw();
    this.tell();
  }

  select(seed, song) {
    if (this.active.seed === seed && this.active.song === song) return;
    this.active = { seed, song };
    for (const dot of this.part("svg").querySelectorAll(".dot")) {
      const active = Number(dot.dataset.seed) === seed && Number(dot.dataset.song) === song;
      dot.classList.toggle("active", active);
      dot.setAttribute("tabindex", active ? 0 : -1);
    }
    this.tell();
  }

  key(event) {
    const along = { ArrowLeft: -1, ArrowRight: 1, Home: -Infinity, End: Infinity }[event.key];
    const across = { ArrowUp: -1, ArrowDown: 1 }[event.key];
    if (along === undefined && across === undefined) return;
    event.preventDefault();
    const { seed, song } = this.active, order = this.orders[seed];
    if (along) this.select(seed, order[clamp(order.indexOf(song) + along, 0, order.length - 1)]);
    else this.select(clamp(seed + across, 0, this.orders.length - 1), song);
    this.part(".dot.active").focus({ preventScroll: true });
  }

  words(seed, song) {
    const row = this.contrast.seeds[seed];
    return `seed ${row.seed}, ${this.songs[song]}: ${inWords(row.differences[song])}`;
  }

  tell() {
    const { seed, song } = this.active, [changed, against] = this.contrast.seeds[seed].files;
    const listed = (files) => files.map((file) => `<code>${escaped(file)}</code>`).join(", ");
    const words = escaped(this.words(seed, song));
    this.part(".dot-words").innerHTML =
      `${words[0].toUpperCase()}${words.slice(1)}: ${listed(changed)} minus ${listed(against)}`;
  }

  draw() {
    const { seeds, effect, interval, margin, seed_band: band, silent } = this.contrast;
    const width = Math.max(this.el.clientWidth - 12, 240);
    const height = MARGIN.top + ROW * seeds.length + MARGIN.bottom, bottom = height - MARGIN.bottom;
    const all = [-(band ?? 0), band ?? 0, margin ?? 0, ...interval, ...seeds.flatMap(({ differences }) => differences)];
    const low = Math.min(...all), high = Math.max(...all), room = 0.04 * (high - low || 1);
    const span = width - MARGIN.left - MARGIN.right;
    const x = (db) => MARGIN.left + (span * (db - low + room)) / (high - low + 2 * room);
    const upright = (db, kind, from, to) =>
      `<line class="${kind}" x1="${x(db)}" x2="${x(db)}" y1="${from}" y2="${to}"></line>`;
    const rows = seeds.map(({ seed, differences }, place) => {
      const middle = MARGIN.top + ROW * (place + 0.5);
      const dots = differences.map((db, song) => {
        const active = this.active.seed === place && this.active.song === song, words = this.words(place, song);
        return `<circle class="dot${active ? " active" : ""}" role="img" tabindex="${active ? 0 : -1}" r="5"
          data-seed="${place}" data-song="${song}" cx="${x(db)}" cy="${middle + 3.5 * (((song * 7) % 5) - 2)}"
          aria-label="${escaped(words)}"><title>${escaped(words)}</title></circle>`;
      });
      return `<text x="2" y="${middle + 4}">seed ${seed}${silent.includes(seed) ? "*" : ""}</text>${dots.join("")}
        ${upright(mean(differences), "seed-mean", middle - 12, middle + 12)}`;
    });
    const bar = interval.length
      ? `<line class="interval" x1="${x(interval[0])}" x2="${x(interval[1])}" y1="18" y2="18"></line>` : "";
    const labels = ticks(low - room, high + room).map((db) =>
      `<text x="${x(db)}" y="${bottom + 14}" text-anchor="middle">${String(db).replace("-", "−")}</text>`);
    const svg = this.part("svg"), focused = svg.contains(document.activeElement);
    svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
    svg.setAttribute("height", height);
    const grey = band === null ? "" : `<rect class="band" x="${x(-band)}" y="4" width="${x(band) - x(-band)}"
      height="${bottom - 4}"></rect>`;
    svg.innerHTML = `${grey}${upright(0, "zero", 4, bottom)}
      ${margin === null ? "" : upright(margin, "least", 4, bottom)}
      <text x="2" y="22">mean</text>${bar}<circle class="mean" cx="${x(effect)}" cy="18" r="6"></circle>
      ${rows.join("")}${labels.join("")}
      <text x="${width - MARGIN.right}" y="${height - 6}" text-anchor="end">difference of uSDR (dB)</text>`;
    if (focused) this.part(".dot.active").focus({ preventScroll: true });
  }
}

function render({ el, data }) {
  if (!data.contrasts.length) el.textContent = "This profile has no two runs to hold against each other.";
  else new Explorer(el, data);
}

export default { render };
