/* What a reader of the page that is open would stumble over. Each check of `pageChecks` gives [{selector, value}, ...]:
   where it is, and in a few words what is wrong there. site_browser.py puts this file into every page. */
window.pageChecks = (() => {
  // ---- naming and seeing ----

  /** The element as a short selector: up to three steps, from the next one upwards that has an id. */
  function selectorOf(element) {
    const steps = [];
    for (let step = element; step && step.localName !== "body" && steps.length < 3; step = step.parentElement) {
      const classes = [...step.classList].slice(0, 2).map((name) => `.${name}`).join("");
      steps.unshift(step.id ? `${step.localName}#${step.id}` : step.localName + classes);
      if (step.id) break;
    }
    return steps.join(" > ") || element.localName;
  }

  const shorten = (text, most = 40) => {
    const words = text.trim().replace(/\s+/g, " ");
    return words.length > most ? `${words.slice(0, most)}...` : words;
  };

  const isShown = (element) => element.checkVisibility({ opacityProperty: true, visibilityProperty: true });

  /** Cut down to nothing, as the theme hides what only screen readers are to find. */
  function isClippedAway(element, style) {
    const box = element.getBoundingClientRect();
    const cuts = style.overflow !== "visible" || style.clip !== "auto" || style.clipPath !== "none";
    return cuts && box.width <= 1 && box.height <= 1;
  }

  const OUTSIDE_OF_TEXT = "script, style, noscript, template, title, option, defs, metadata, mjx-assistive-mml";

  /** Text nodes below the body with a letter or more, outside of what `without` selects. */
  function* textNodes(without) {
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) {
      const { currentNode } = walker;
      if (/\S/.test(currentNode.data) && !currentNode.parentElement.closest(without)) yield currentNode;
    }
  }

  // ---- contrast ----

  const pixel = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const readColours = new Map();

  /** A CSS colour of any notation as [red, green, blue, alpha], alpha from 0 to 1. */
  function rgba(text) {
    if (!readColours.has(text)) {
      pixel.clearRect(0, 0, 1, 1);
      pixel.fillStyle = text;
      pixel.fillRect(0, 0, 1, 1);
      const [red, green, blue, alpha] = pixel.getImageData(0, 0, 1, 1).data;
      readColours.set(text, [red, green, blue, alpha / 255]);
    }
    return readColours.get(text);
  }

  /** `top`, fainter by `opacity`, laid over the opaque colour `below`. */
  function over(top, opacity, below) {
    const alpha = top[3] * opacity;
    return [0, 1, 2].map((channel) => alpha * top[channel] + (1 - alpha) * below[channel]);
  }

  function luminance(colour) {
    const [red, green, blue] = colour.map((value) => {
      const share = value / 255;
      return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  }

  /** Contrast of two opaque colours as the WCAG define it: 1 to 21. */
  function ratio(first, second) {
    const [darker, lighter] = [luminance(first), luminance(second)].sort((left, right) => left - right);
    return (lighter + 0.05) / (darker + 0.05);
  }

  /** element -> {colours, opacity, hidden}: the colours that may lie behind it (several under a gradient). */
  function backgrounds() {
    const known = new Map();
    const isDark = getComputedStyle(document.documentElement).colorScheme === "dark";
    const canvas = { colours: [isDark ? [18, 18, 18] : [255, 255, 255]], opacity: 1, hidden: false };
    return function behind(element) {
      if (!element) return canvas;
      if (!known.has(element)) {
        const style = getComputedStyle(element);
        const parent = behind(element.parentElement);
        const opacity = parent.opacity * Number(style.opacity);
        let colours = parent.colours.map((colour) => over(rgba(style.backgroundColor), opacity, colour));
        const isWhole = !style.backgroundSize.includes("px"); // others are shadows at an edge
        const stops = isWhole && style.backgroundImage.includes("gradient(")
          ? style.backgroundImage.match(/\w+\([\d., %/-]+\)/g) : [];
        if (stops?.length) {
          colours = colours.flatMap((colour) => stops.map((stop) => over(rgba(stop), opacity, colour)));
          colours = [...new Map(colours.map((colour) => [String(colour), colour])).values()];
        }
        known.set(element, { colours, opacity, hidden: parent.hidden || isClippedAway(element, style) });
      }
      return known.get(element);
    };
  }

  /** `colours` with the filled shapes laid over them that a drawing has below its text. */
  function drawnBehind(text, colours) {
    const box = text.getBoundingClientRect();
    const centre = new DOMPoint(box.x + box.width / 2, box.y + box.height / 2);
    const drawing = text.ownerSVGElement;
    for (const shape of drawing.querySelectorAll("rect, circle, ellipse, path, polygon")) {
      if (shape.compareDocumentPosition(text) & Node.DOCUMENT_POSITION_PRECEDING) break; // painted after the text
      const style = getComputedStyle(shape);
      const isPaint = style.fill !== "none" && isShown(shape) && !shape.closest("defs, clipPath, mask, pattern, marker");
      if (!isPaint || style.fill.startsWith("url(")) continue;
      if (shape.isPointInFill(centre.matrixTransform(shape.getScreenCTM().inverse()))) {
        const opacity = Number(style.fillOpacity) * Number(style.opacity);
        colours = colours.map((colour) => over(rgba(style.fill), opacity, colour));
      }
    }
    return colours;
  }

  /** What is read, as [element, its words, its style]: texts, formulas, and what stands in fields. */
  function* readThings() {
    for (const node of textNodes(OUTSIDE_OF_TEXT)) {
      yield [node.parentElement, node.data, getComputedStyle(node.parentElement)];
    }
    for (const formula of document.querySelectorAll("mjx-container")) yield [formula, "formula", getComputedStyle(formula)];
    for (const field of document.querySelectorAll("select, textarea, input:not([type]), input[type=text], input[type=search], input[type=number]")) {
      const isEmpty = field.localName !== "select" && !field.value;
      if (!isEmpty || field.placeholder) {
        yield [field, field.value || field.placeholder, getComputedStyle(field, isEmpty ? "::placeholder" : null)];
      }
    }
  }

  /** Text with less contrast than 4.5 to what lies behind it, or 3 where it is large. */
  function contrast() {
    const behind = backgrounds();
    const faults = new Map();
    for (const [element, words, style] of readThings()) {
      if (element.closest(":disabled, [aria-disabled=true]") || !isShown(element)) continue;
      const { colours, opacity, hidden } = behind(element);
      const box = element.getBoundingClientRect();
      if (hidden || box.width === 0 || box.height === 0 || box.right + scrollX <= 0 || box.bottom + scrollY <= 0) continue;
      const isDrawn = element instanceof SVGElement;
      const paint = isDrawn ? style.fill : style.color;
      if (isDrawn && (paint === "none" || paint.startsWith("url("))) continue;
      const size = parseFloat(style.fontSize);
      const wanted = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700) ? 3 : 4.5;
      const grounds = isDrawn ? drawnBehind(element, colours) : colours;
      for (const ground of grounds) {
        const colour = over(rgba(paint), opacity, ground);
        const reached = ratio(colour, ground);
        if (reached >= wanted) continue;
        const where = selectorOf(element);
        const print = (values) => `rgb(${values.map(Math.round).join(" ")})`;
        const key = `${where} ${print(colour)} ${print(ground)}`;
        const text = `contrast ${reached.toFixed(2)}, wanted ${wanted}: ${print(colour)} on ${print(ground)}`;
        if (!faults.has(key)) faults.set(key, { selector: where, text, words: shorten(words), count: 0 });
        faults.get(key).count += 1;
        break;
      }
    }
    return [...faults.values()].map(({ selector, text, words, count }) => ({
      selector,
      value: `${text}, "${words}"${count > 1 ? ` and ${count - 1} more` : ""}`,
    }));
  }

  // ---- what was not rendered ----

  const RAW = [
    [/^\s*\|.*\|/, "a table of Markdown"],
    [/^\s*#{1,6} /, "a heading of Markdown"],
    [/\*\*/, "** of Markdown"],
    [/\$\$|\\\(|\\begin\{/, "a formula of TeX"],
    [/\]\((?:https?:|\.|#|\w+\.)/, "a link of Markdown"],
    [/\{[a-z]+(?::[a-z]+)?\}`/, "a role of MyST"],
  ];

  /** Text that was to be rendered and was not. */
  function markup() {
    const faults = [];
    for (const node of textNodes(`pre, code, kbd, samp, textarea, math, mjx-container, ${OUTSIDE_OF_TEXT}`)) {
      for (const [pattern, meaning] of RAW) {
        if (pattern.test(node.data)) {
          faults.push({ selector: selectorOf(node.parentElement), value: `${meaning}: "${shorten(node.data)}"` });
        }
      }
    }
    for (const formula of document.querySelectorAll(".math:not(:has(mjx-container))")) {
      faults.push({ selector: selectorOf(formula), value: `a formula that is not set: "${shorten(formula.textContent)}"` });
    }
    for (const error of document.querySelectorAll("mjx-merror, merror")) {
      faults.push({ selector: selectorOf(error), value: `a formula that MathJax refuses: "${shorten(error.textContent)}"` });
    }
    return faults;
  }

  /** Tables whose neighbouring cells run together, so that 22 and 46 read as 2246. */
  function tables() {
    const faults = [];
    const boxOf = (cell) => {
      const range = document.createRange();
      range.selectNodeContents(cell);
      return range.getBoundingClientRect();
    };
    for (const table of document.querySelectorAll("table")) {
      if (!isShown(table)) continue;
      const uneven = [...table.querySelectorAll("tr")].find((row) => Math.abs(row.offsetHeight - row.getBoundingClientRect().height) > 0.02);
      if (table.matches(".results") && uneven) {
        faults.push({ selector: selectorOf(table), value: "rows of broken pixels: the column that stays lies beside its rows" });
      }
      for (const heading of table.querySelectorAll("thead th")) {
        if (heading.scrollWidth > heading.clientWidth + 1) {
          faults.push({ selector: selectorOf(table), value: `a heading wider than its column: "${shorten(heading.textContent)}"` });
        }
      }
      for (const row of table.rows) {
        const cells = [...row.cells].filter((cell) => /\S/.test(cell.textContent) && isShown(cell));
        const jammed = cells.findIndex((cell, place) => place > 0 && boxOf(cell).left - boxOf(cells[place - 1]).right < 4);
        if (jammed > 0) {
          const [left, right] = [cells[jammed - 1], cells[jammed]].map((cell) => shorten(cell.textContent, 20));
          faults.push({ selector: selectorOf(table), value: `cells run together: "${left}" and "${right}"` });
          break;
        }
      }
    }
    return faults;
  }

  // ---- reach ----

  const TAKES_FOCUS = "a[href], button:not(:disabled), input:not(:disabled), select, textarea, summary, [tabindex='0'], audio[controls]";

  /** Regions that scroll and that no key reaches. (Chromium reaches them by itself; other browsers do not.) */
  function keyboard() {
    const faults = [];
    for (const element of document.body.querySelectorAll("*")) {
      const right = element.scrollWidth - element.clientWidth;
      const down = element.scrollHeight - element.clientHeight;
      if ((right <= 1 && down <= 1) || element.clientWidth === 0 || !isShown(element)) continue;
      const style = getComputedStyle(element);
      const scrolls = (style.overflowX.match(/auto|scroll/) && right > 1) || (style.overflowY.match(/auto|scroll/) && down > 1);
      if (!scrolls || isClippedAway(element, style)) continue;
      if (element.tabIndex < 0 && !element.querySelector(TAKES_FOCUS)) {
        faults.push({ selector: selectorOf(element), value: `scrolls (${right} px to the side, ${down} px down), takes no focus` });
      }
    }
    return faults;
  }

  /** Whether something around it scrolls or cuts it, so that it makes no page wider. */
  function isHeld(element) {
    for (let holder = element.parentElement; holder && holder !== document.body; holder = holder.parentElement) {
      if (getComputedStyle(holder).overflowX !== "visible") return true;
    }
    return false;
  }

  /** A page wider than its window, and what sticks out. */
  function width() {
    const { scrollWidth, clientWidth } = document.scrollingElement;
    if (scrollWidth <= clientWidth) return [];
    let widest = document.scrollingElement;
    let furthest = 0;
    for (const element of document.body.querySelectorAll("*")) {
      const { right } = element.getBoundingClientRect();
      if (right + scrollX > Math.max(furthest, clientWidth + 0.5) && isShown(element) && !isHeld(element)) {
        [widest, furthest] = [element, right + scrollX];
      }
    }
    return [{ selector: selectorOf(widest), value: `the page is ${scrollWidth} px wide in a window of ${clientWidth} px` }];
  }

  /** Lines that are cut off: of code and commands in a wide window, of what a cell prints in any. */
  function cut() {
    const boxes = innerWidth > 1000 ? ".bd-article pre" : ".bd-article div.cell_output pre";
    return [...document.querySelectorAll(boxes)]
      .filter((box) => isShown(box) && box.scrollWidth > box.clientWidth + 1)
      .map((box) => ({ selector: selectorOf(box), value: `${box.scrollWidth - box.clientWidth} px cut off: "${shorten(box.textContent)}"` }));
  }

  /** Boxes that hide something at a side and do not say so by fading out there. */
  function fades() {
    return [...document.querySelectorAll(".bd-article :is(.scrolls:has(> img, > svg), pre, div.math)")]
      .filter((box) => isShown(box) && box.scrollWidth > box.clientWidth + 1 && getComputedStyle(box).maskImage === "none")
      .map((box) => ({ selector: selectorOf(box), value: "is cut off at the right and does not fade out" }));
  }

  // ---- pictures and sound ----

  /** Pictures without words, and players that do not say what they play. */
  function names() {
    const faults = [];
    for (const image of document.querySelectorAll("img")) {
      const words = image.getAttribute("alt");
      const isDecoration = image.matches("[role=presentation], [role=none], [aria-hidden=true]") || image.closest("a, button");
      if (words === null || (!words.trim() && !isDecoration)) {
        faults.push({ selector: selectorOf(image), value: `no alt text: ${shorten(image.getAttribute("src") ?? "", 60)}` });
      } else if (/\.(png|svg|jpe?g|webp|gif)$/i.test(words.trim())) {
        faults.push({ selector: selectorOf(image), value: `a file's name for an alt text: "${shorten(words, 60)}"` });
      }
      if (image.complete && image.naturalWidth === 0 && image.loading !== "lazy") {
        faults.push({ selector: selectorOf(image), value: `shows nothing: ${shorten(image.getAttribute("src") ?? "", 60)}` });
      }
    }
    for (const player of document.querySelectorAll("audio, video")) {
      const named = player.matches("[aria-label], [aria-labelledby], [title]") || player.closest("figure, [role=group]");
      if (player.controls && !named) faults.push({ selector: selectorOf(player), value: "plays something without a name" });
    }
    return faults;
  }

  // ---- not faults: what the tests go on with ----

  const unfold = () => {
    for (const fold of document.querySelectorAll("details:not([open])")) fold.open = true;
  };
  const links = () => [...document.querySelectorAll("a[href]")].map((link) => ({ selector: selectorOf(link), href: link.href }));
  const files = () => [...document.querySelectorAll("img, audio, video, source, object, embed")]
    .map((element) => element.currentSrc || element.src || element.data).filter((address) => address?.startsWith("file:"));

  return { contrast, markup, tables, keyboard, width, cut, fades, names, unfold, links, files };
})();
