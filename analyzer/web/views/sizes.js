// SPDX-License-Identifier: MIT
import { bar, clear, h } from "../parts/dom.js";
import { bytes, count, ns, percent } from "../parts/format.js";
import { Table } from "../parts/table.js";
import { addView } from "./view.js";

let sizes, lifetimes;
const context = {};

// The range of a class: by the number of bits.
function range(kind, show) {
    const low = kind ? 2 ** (kind - 1) : 0, high = 2 ** kind - 1;
    return kind < 2 ? show(low) : `${show(low)} – ${show(high)}`;
}

const exact = (value) => value < 1024 ? `${value} B` : value % 1024 ? bytes(value + 1) : bytes(value);

function columns() {
    const of = (field, total, show) => (r) => [bar(r[field] / Math.max(1, context[total])),
                                               h("span", {}, r[field] ? show(r[field]) : "")];
    return [
        { name: "Size", text: true, first: true, least: true, value: (r) => r.kind,
          show: (r) => range(r.kind, exact) },
        { name: "Allocations", value: (r) => r.made, show: of("made", "made", count) },
        { name: "Share", value: (r) => r.made, show: (r) => r.made ? percent(r.made, context.made) : "" },
        { name: "Allocated", value: (r) => r.madeBytes, show: of("madeBytes", "madeBytes", bytes) },
        { name: "Each", title: "on average", value: (r) => r.made ? r.madeBytes / r.made : 0,
          show: (r) => r.made ? bytes(r.madeBytes / r.made) : "" },
        { name: "Live blocks", title: "at the window's end", value: (r) => r.live,
          show: of("live", "live", count) },
        { name: "Live bytes", title: "at the window's end", value: (r) => r.liveBytes,
          show: of("liveBytes", "liveBytes", bytes) },
    ];
}

function lifetimeColumns() {
    return [
        { name: "Lived", text: true, first: true, least: true, value: (r) => r.kind,
          show: (r) => range(r.kind, ns) },
        { name: "Blocks", value: (r) => r.freed,
          show: (r) => [bar(r.freed / Math.max(1, context.freed)), h("span", {}, count(r.freed))] },
        { name: "Share", value: (r) => r.freed, show: (r) => percent(r.freed, context.freed) },
        { name: "Bytes", value: (r) => r.freedBytes, show: (r) => bytes(r.freedBytes) },
    ];
}

function render(element, selection) {
    sizes ||= new Table(columns(), { label: "Blocks by size" });
    lifetimes ||= new Table(lifetimeColumns(), { label: "Blocks by how long they lived" });
    const rows = (classes) => [...classes].map(([kind, sum]) => ({ kind, ...sum }));
    const bySize = rows(selection.sizes()).filter((r) => r.made || r.live);
    const byLife = rows(selection.lifetimes()).filter((r) => r.freed);
    for (const field of ["made", "madeBytes", "live", "liveBytes"])
        context[field] = bySize.reduce((sum, r) => sum + r[field], 0);
    context.freed = byLife.reduce((sum, r) => sum + r.freed, 0);
    if (!sizes.element.isConnected)
        clear(element, h("div.columns", {},
            h("div", {}, h("h2", {}, "By size"), h("p.dim", {}, "Requested bytes; reallocations " +
                "count with their new size."), sizes.element),
            h("div", {}, h("h2", {}, "By lifetime"), h("p.dim", {}, "Of blocks that ended in the " +
                "window, by a free or a reallocation."), lifetimes.element)));
    sizes.set(bySize);
    lifetimes.set(byLife);
}

addView({ name: "sizes", title: "Sizes", needs: ["lives"], render });
