// Swaps in the parts that the server sends, and copies commands. The page is whole without it.
"use strict";

const live = document.getElementById("live");
document.documentElement.classList.add("scripted");

function say(state, words) {
  live.className = state;
  live.textContent = words;
}

// Keeps what a reader has done to the part: what is open, where it is scrolled to, what has the focus.
function swap(part, html) {
  const open = [...part.querySelectorAll("details[open]")].map((one) => one.id);
  const scrolled = [...part.querySelectorAll(".scroller")].map((one) => one.scrollLeft);
  const focusable = "a, button, summary, [tabindex]";
  const focused = [...part.querySelectorAll(focusable)].indexOf(document.activeElement);
  part.innerHTML = html;
  open.forEach((id) => document.getElementById(id)?.setAttribute("open", ""));
  part.querySelectorAll(".scroller").forEach((one, place) => { one.scrollLeft = scrolled[place] ?? 0; });
  if (focused >= 0) part.querySelectorAll(focusable)[focused]?.focus({ preventScroll: true });
}

function follow() {
  const events = new EventSource("/operations/events");
  for (const part of document.querySelectorAll("[data-part]")) {
    events.addEventListener(part.dataset.part, (event) => {
      // A reader who selects text keeps it until they are done.
      if (part.contains(document.getSelection().focusNode) && !document.getSelection().isCollapsed) return;
      swap(part, event.data);
    });
  }
  events.addEventListener("open", () => say("on", "live"));
  events.addEventListener("error", () => {
    const ended = events.readyState === EventSource.CLOSED;
    say("off", ended ? "no longer live: reload the page" : "the server is away: trying again");
  });
}

document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  try {
    await navigator.clipboard.writeText(button.dataset.copy);
    button.textContent = "Copied";
  } catch {
    document.getSelection().selectAllChildren(button.previousElementSibling);
    button.textContent = "Selected";
  }
  setTimeout(() => { button.textContent = "Copy"; }, 2000);
});

// A mark of the picture leads to its row, which may be in a table that is closed.
document.addEventListener("click", (event) => {
  if (event.target.closest(".timeline a")) document.getElementById("steps").open = true;
});

follow();
