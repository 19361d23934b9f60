// SPDX-License-Identifier: MIT
// Zoom, search and the line under the pointer. Without it the picture is whole, but still.
"use strict";
(() => {
  const root = document.documentElement;
  const frames = [...root.querySelectorAll(".f")];
  const line = root.getElementById("line");
  const found = root.getElementById("found");
  const reset = root.getElementById("reset");
  const at = frame => ({ x: +frame.dataset.x, w: +frame.dataset.w, depth: +frame.dataset.d });
  const places = new Map(frames.map(f => [f, at(f)]));
  const NAME_PIXELS = 24; // narrower frames show no name
  const slack = 1e-7; // shares are rounded to as many places
  let zoomed = frames[0];

  // Every frame's place, with `frame` as wide as the picture.
  function zoom(frame) {
    const to = places.get(frame);
    zoomed = frame;
    for (const f of frames) {
      const p = places.get(f);
      const around = p.depth < to.depth && p.x <= to.x + slack && p.x + p.w >= to.x + to.w - slack;
      const within = p.depth >= to.depth && p.x >= to.x - slack && p.x + p.w <= to.x + to.w + slack;
      f.style.display = around || within ? "" : "none";
      f.classList.toggle("over", around);
      f.classList.toggle("narrow", !around && p.w / to.w * root.clientWidth < NAME_PIXELS);
      f.setAttribute("x", (around ? 0 : (p.x - to.x) / to.w * 100) + "%");
      f.setAttribute("width", (around ? 100 : p.w / to.w * 100) + "%");
    }
    reset.style.display = frame === frames[0] ? "none" : "";
  }

  // The share of all that runs through a frame that matches; frames within such count once.
  function search(text) {
    let pattern = null;
    try {
      pattern = text ? new RegExp(text, "i") : null;
    } catch {
      pattern = new RegExp(text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"), "i");
    }
    let share = 0, count = 0, end = -1;
    const hits = frames.filter(f => pattern && pattern.test(f.dataset.n));
    for (const f of frames) {
      const hit = hits.includes(f);
      f.classList.toggle("hit", hit);
      f.classList.toggle("miss", !!pattern && !hit);
    }
    const order = hits.map(f => places.get(f)).sort((a, b) => a.x - b.x || b.w - a.w);
    for (const p of order) {
      count++;
      const from = Math.max(p.x, end);
      if (p.x + p.w > from) {
        share += p.x + p.w - from;
        end = p.x + p.w;
      }
    }
    found.textContent = pattern
      ? `${count} frames match, ${(share * 100).toFixed(share < .01 ? 2 : 1)} %` : "";
  }

  function ask() {
    const text = prompt("Search for functions (a regular expression); nothing ends the search.",
                        "");
    if (text !== null)
      search(text);
  }

  for (const f of frames) {
    f.addEventListener("click", () => zoom(f === zoomed ? frames[0] : f));
    f.addEventListener("mouseenter", () => {
      line.textContent = f.querySelector("title").textContent;
    });
  }
  for (const entry of root.querySelectorAll(".legend"))
    entry.addEventListener("click", () => {
      const on = entry.classList.toggle("on");
      for (const f of frames)
        f.classList.toggle("miss", on && f.dataset.m !== entry.dataset.m);
    });
  reset.addEventListener("click", () => zoom(frames[0]));
  root.getElementById("search").addEventListener("click", ask);
  root.addEventListener("keydown", event => {
    if (event.key === "/" || (event.key === "f" && (event.ctrlKey || event.metaKey))) {
      event.preventDefault();
      ask();
    } else if (event.key === "Escape") {
      search("");
      zoom(frames[0]);
    }
  });
  window.seepFlame = { zoom, search, frames }; // for scripts, and tests
  zoom(frames[0]);
})();
