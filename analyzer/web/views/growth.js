// SPDX-License-Identifier: MIT
// Where the heap rose, what its peaks were made of, and how each call site behaves.
import { bar, clear, h } from "../parts/dom.js";
import { bytes, count, ns, percent } from "../parts/format.js";
import { functionName, place, stack } from "../parts/names.js";
import { Table } from "../parts/table.js";
import { addView } from "./view.js";

const WIDTH = 120, HEIGHT = 22;
let table;

function spark(series, high) {
    const values = series.max_bytes, step = WIDTH / Math.max(1, values.length);
    const y = (v) => (HEIGHT - 1 - (HEIGHT - 3) * v / Math.max(1, high)).toFixed(1);
    const points = values.map((v, i) => `${(i * step).toFixed(1)},${y(v)} ${((i + 1) * step).toFixed(1)},${y(v)}`);
    const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    svg.setAttribute("viewBox", `0 0 ${WIDTH} ${HEIGHT}`);
    svg.setAttribute("class", "spark");
    svg.setAttribute("aria-hidden", "true");
    const line = document.createElementNS("http://www.w3.org/2000/svg", "polygon");
    line.setAttribute("points", `0,${HEIGHT} ${points.join(" ")} ${WIDTH},${HEIGHT}`);
    svg.append(line);
    return svg;
}

function evidence(site) {
    const slope = site.slope;
    return h("div.detail", {}, h("p", {},
        `${count(site.allocations)} allocations and ${count(site.frees)} frees from ${ns(site.from_ns)} to ${
            ns(site.to_ns)}. `,
        slope ? `Slope ${bytes(slope.bytes_per_s)}/s, 95 % between ${bytes(slope.low)}/s and ${
            bytes(slope.high)}/s, R² ${slope.r2.toFixed(2)}. ` : "",
        site.falls ? `It fell to a quarter of a high ${count(site.falls)} times. ` : "",
        site.freed_at_end ? "The shutdown freed nearly all of it. " : ""),
    stack(site.frames, site.hidden_frames));
}

function columns(all, rank) {
    return [
        { name: "Call site", text: true, value: (s) => s.name,
          show: (s) => functionName({ name: s.name, module: s.frames[0] && s.frames[0].module },
              s.frames[0] ? place(s.frames[0].file, s.frames[0].line) : "") },
        { name: "Behaviour", text: true, first: true, least: true, title: "growing ones first",
          value: (s) => rank.get(s.class),
          show: (s) => h(`span.kind.kind-${s.class.split(" ")[0]}`, {}, s.class) },
        { name: "Over time", value: (s) => s.high_bytes, show: (s) => spark(s.series, s.high_bytes) },
        { name: "In the end", value: (s) => s.level_bytes, title: "or where the shutdown began",
          show: (s) => [bar(s.level_bytes / Math.max(1, all)), h("span", {}, bytes(s.level_bytes))] },
        { name: "Share", value: (s) => s.level_bytes, show: (s) => percent(s.level_bytes, all) },
        { name: "Rose", value: (s) => s.risen_bytes, show: (s) => s.risen_bytes ? bytes(s.risen_bytes) : "" },
        { name: "High", value: (s) => s.high_bytes, show: (s) => bytes(s.high_bytes) },
    ];
}

function parts(list) {
    return h("ul.parts", {}, list.slice(0, 4).map((s) => h("li", {}, functionName({ name: s.name,
        module: s.frames[0] && s.frames[0].module }), h("span", {}, bytes(s.bytes)))));
}

function rise(growth, r, page) {
    return h("div.card", {},
        h("h3", {}, `${r.change_bytes < 0 ? "" : "+"}${bytes(r.change_bytes)}`,
            h("span.dim", {}, ` ${ns(r.from_ns)} – ${ns(r.to_ns)}`)),
        parts(r.sites),
        h("button", { click: () => page.selectNs(r.from_ns, r.to_ns) }, "Look at it"),
        h("button", { click: () => page.selectNs(r.from_ns, r.to_ns, { view: "flame", cost: "live" }) },
            "Flame graph"));
}

function peak(p) {
    return h("div.card", {}, h("h3", {}, bytes(p.bytes), h("span.dim", {}, ` peak at ${ns(p.time_ns)}`)),
        parts(p.sites));
}

function render(element, selection, page) {
    const growth = page.section("growth").result;
    if (table)
        return; // it is of the whole run, whatever the window is
    const rank = new Map([...new Set(growth.sites.map((s) => s.class))].map((name, i) => [name, i]));
    table = new Table(columns(growth.total.level_bytes, rank), {
        below: evidence, id: (s) => growth.sites.indexOf(s), label: "Behaviour of call sites" });
    clear(element,
        h("p.lead", {}, "How call sites behave over the whole run, and where the heap rose."),
        h("div.cards", {}, growth.rises.map((r) => rise(growth, r, page)), growth.peaks.slice(0, 3).map(peak)),
        table.set(growth.sites),
        growth.hidden.sites || growth.unclassed.sites ? h("p.dim", {},
            `${count(growth.hidden.sites)} smaller call sites are not listed; ${
                count(growth.unclassed.sites)} never had 4 KiB and were not judged.`) : null);
}

addView({ name: "growth", title: "Growth", needs: ["growth"], render });
