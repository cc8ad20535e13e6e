// Below each hit of the search page: where the words stand in that page. `pageTexts` comes from search_snippets.py.
(() => {
  const BEFORE = 80, LENGTH = 240; // letters: shown before the first word that was searched for, and of all

  /** The text around the first word in it that begins as one of `words` does; "" where there is none. */
  function around(text, words) {
    const lower = text.toLowerCase();
    const escaped = words.map((word) => word.replace(/[.*+?^${}()|[\]\\/]/g, "\\$&"));
    const places = escaped.map((word) => lower.search(new RegExp(`(?<![\\p{L}\\d])${word}`, "u")));
    const place = Math.min(...places.filter((found) => found >= 0));
    if (!Number.isFinite(place)) return "";
    const begin = place > BEFORE ? text.indexOf(" ", place - BEFORE) + 1 : 0;
    const end = text.lastIndexOf(" ", begin + LENGTH);
    const isCut = begin + LENGTH < text.length;
    return (begin ? "… " : "") + (isCut ? `${text.slice(begin, end)} …` : text.slice(begin));
  }

  function tell(hit, words) {
    const page = new URL(hit.querySelector("a").href).pathname.split("/").pop();
    const snippet = around(pageTexts[page] ?? "", words);
    if (!snippet) return;
    const line = document.createElement("p");
    line.className = "context";
    line.textContent = snippet;
    hit.append(line);
  }

  addEventListener("DOMContentLoaded", () => {
    const query = new URLSearchParams(location.search).get("q") ?? "";
    const words = query.toLowerCase().split(/[\s"]+/).filter(Boolean);
    const told = new WeakSet();
    const results = document.getElementById("search-results");
    if (!results || !words.length) return;
    new MutationObserver(() => {
      for (const hit of results.querySelectorAll("ul.search > li")) {
        if (!told.has(hit)) {
          told.add(hit);
          tell(hit, words);
        }
      }
    }).observe(results, { childList: true, subtree: true });
  });
})();
