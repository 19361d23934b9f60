// SPDX-License-Identifier: MIT
import { h } from "./dom.js";
import { COSTS } from "./format.js";

const KEYS = [
    ["1 … 9", "the views"],
    ["/", "search in the view"],
    ["Escape", "leave the search, the zoom, the window"],
    ["z", "zoom the time line to the window"],
    ["← →, Shift", "with the time line focused: move the window, or make it larger or smaller"],
    ["+ −", "with the time line focused: zoom"],
    ["← → ↑ ↓, Enter", "in the flame graph: go from frame to frame, zoom to one"],
    ["t", "dark or light"],
];

export function openHelp() {
    const dialog = h("dialog.help", { "aria-label": "Help" },
        h("h2", {}, "Keys"),
        h("dl", {}, KEYS.map(([key, words]) => [h("dt", {}, h("kbd", {}, key)),
                                                h("dd", {}, words)])),
        h("h2", {}, "Costs"),
        h("dl", {}, Object.values(COSTS).map((cost) => [h("dt", {}, cost.name),
                                                        h("dd", {}, cost.words)])),
        h("p.dim", {}, "A window begins and ends at one of the borders between which blocks were " +
            "summed up; marks and the peaks between are borders. Blocks count where they were " +
            "made, or last reallocated. Places too small for the page stand together as smaller ",
            "ones: no sum lacks them."),
        h("form", { method: "dialog" }, h("button", {}, "Close")));
    dialog.addEventListener("close", () => dialog.remove());
    document.body.append(dialog);
    dialog.showModal();
}
