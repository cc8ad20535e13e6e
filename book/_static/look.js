// What the look needs a script for; everything is readable without it.
// The keyboard stops at a box only where there is something to scroll, and print opens what is folded.
"use strict";

function reach() {
  for (const box of document.querySelectorAll(".bd-article :is(.scrolls, div.math, pre)")) {
    const scrolls = box.scrollWidth > box.clientWidth + 1 || box.scrollHeight > box.clientHeight + 1;
    if (scrolls) {
      box.tabIndex = 0;
    } else {
      box.removeAttribute("tabindex");
    }
  }
}

addEventListener("load", reach);
addEventListener("resize", reach);
document.addEventListener("toggle", reach, true);
addEventListener("beforeprint", () => {
  for (const folded of document.querySelectorAll(".bd-article details:not([open])")) {
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
