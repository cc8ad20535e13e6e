// What the look needs a script for; everything is readable without it.
// The keyboard stops at a box only where there is something to scroll, a box fades out at the side where it is cut off,
// and print opens what is folded, but for code that sets up and for lists of files.
"use strict";

function fade(box) {
  const rest = box.scrollWidth - box.clientWidth - box.scrollLeft;
  box.dataset.cut = `${box.scrollLeft > 1 ? "left" : ""} ${rest > 1 ? "right" : ""}`.trim();
}

function reach() {
  for (const box of document.querySelectorAll(".bd-article :is(.scrolls, div.math, pre)")) {
    const scrolls = box.scrollWidth > box.clientWidth + 1 || box.scrollHeight > box.clientHeight + 1;
    if (scrolls) {
      box.tabIndex = 0;
    } else {
      box.removeAttribute("tabindex");
    }
    fade(box);
  }
}

addEventListener("load", () => {
  reach();
  window.MathJax?.startup?.promise?.then(reach); // formulas have their width later
});
addEventListener("resize", reach);
document.addEventListener("toggle", reach, true);
document.addEventListener("scroll", (event) => event.target.dataset?.cut !== undefined && fade(event.target), true);
addEventListener("beforeprint", () => {
  for (const folded of document.querySelectorAll(".bd-article details:not([open], .hide, .trace)")) {
    folded.open = true;
    folded.dataset.print = "";
  }
});
addEventListener("afterprint", () => {
  for (const opened of document.querySelectorAll("details[data-print]")) {
    opened.open = false;
    delete opened.dataset.print;
  }
});
