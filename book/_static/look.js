// What the look needs a script for; everything is readable without it.
// The keyboard stops at a box only where there is something to scroll, a box fades out where it is cut off, a command is
// never broken inside of an option, and print opens what is folded, but for code that sets up and for lists of files.
"use strict";

const BOXES = ".scrolls, div.math, pre, details.trace ul";

function fade(box) {
  const rest = box.scrollWidth - box.clientWidth - box.scrollLeft;
  const below = box.scrollHeight - box.clientHeight - box.scrollTop;
  box.dataset.cut = `${box.scrollLeft > 1 ? "left" : ""} ${rest > 1 ? "right" : ""}`.trim();
  box.toggleAttribute("data-below", below > 1);
}

function reach() {
  document.querySelectorAll(".bd-article div.math > mjx-container").forEach(fade); // MathJax has its own tabindex
  for (const box of document.querySelectorAll(`.bd-article :is(${BOXES})`)) {
    const scrolls = box.scrollWidth > box.clientWidth + 1 || box.scrollHeight > box.clientHeight + 1;
    if (scrolls) {
      box.tabIndex = 0;
    } else {
      box.removeAttribute("tabindex");
    }
    fade(box);
  }
}

function keepOptionsWhole() {
  for (const command of document.querySelectorAll(".bd-article div:is(.highlight-none, .highlight-bash) pre")) {
    command.innerHTML = command.innerHTML.replace(/(^|[\s>])(--?[a-z][\w-]*)/gi, '$1<span class="option">$2</span>');
  }
}

addEventListener("load", () => {
  keepOptionsWhole();
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
