// SPDX-License-Identifier: MIT
// What resident memory was made of over time, who fragments it, and the heap as a map.
import { bar, clear, h } from "../parts/dom.js";
import { bytes, count, ns, percent } from "../parts/format.js";
import { functionName, place, stack } from "../parts/names.js";
import { Table } from "../parts/table.js";
import { addView } from "./view.js";

const WIDTH = 1000, HEIGHT = 220, CELL = 9;
// Name in the tree, words, hue and lightness: what is of use, then what is not, then what is no heap.
const ROWS = [
    ["requested_bytes", "asked for", 210, 55],
    ["slack_bytes", "slack inside blocks", 45, 60],
    ["hole_bytes", "holes between blocks", 20, 55],
    ["free_resident_bytes", "free pages", 0, 70],
    ["metadata_bytes", "the allocator's own", 280, 60],
    ["non_heap_bytes", "not heap", 150, 40],
    ["recorder_bytes", "seep itself", 150, 65],
];
const VERDICTS = {
    "not-heap": "Most of this is not the heap", "fragmentation": "Fragmentation",
    "retention": "The allocator keeps free memory", "growth": "The program asks for more and more",
    "in-use": "The memory is in use",
};
let table;

const colour = (row) => `hsl(${row[2]} 60% ${row[3]}%)`;

function svg(tag, attributes, ...children) {
    const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
    for (const [name, value] of Object.entries(attributes))
        element.setAttribute(name, value);
    element.append(...children);
    return element;
}

function title(text) {
    const element = svg("title", {});
    element.textContent = text;
    return element;
}

function words(instant) {
    return [`${ns(instant.time_ns)}: ${bytes(instant.rss_bytes)} resident`,
        ...ROWS.map(([name, what]) => `${bytes(instant[name])} ${what}`)].join("\n");
}

// The rows above each other, a step for each picture.
function waterfall(result) {
    const all = result.instants, end = Math.max(result.end_ns, all[all.length - 1].time_ns + 1);
    const most = Math.max(1, ...all.map((i) => i.rss_bytes));
    const x = (time) => WIDTH * time / end, y = (value) => HEIGHT * (1 - value / most);
    const chart = svg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", style: "width:100%",
        "aria-label": "what resident memory was made of, over time" });
    all.forEach((instant, i) => {
        const from = x(instant.time_ns), to = i + 1 < all.length ? x(all[i + 1].time_ns) : WIDTH;
        const step = svg("g", { class: i === result.shown ? "shown" : "" }, title(words(instant)));
        let sum = 0;
        for (const row of ROWS) {
            const value = instant[row[0]];
            step.append(svg("rect", { x: from.toFixed(2), y: y(sum + value).toFixed(2),
                width: Math.max(0.5, to - from).toFixed(2),
                height: (HEIGHT * value / most).toFixed(2), fill: colour(row) }));
            sum += value;
        }
        chart.append(step);
    });
    const shown = x(all[result.shown].time_ns).toFixed(2);
    chart.append(svg("line", { x1: shown, x2: shown, y1: 0, y2: HEIGHT, stroke: "currentColor",
        "stroke-dasharray": "4 3" }));
    return chart;
}

function legend(instant) {
    return h("ul.parts", {}, ROWS.map((row) => h("li", {},
        h("b", {}, h("b", { style: `color:${colour(row)}`, "aria-hidden": "true" }, "■ "), row[1]),
        h("span", {}, `${bytes(instant[row[0]])}, ${percent(instant[row[0]], instant.rss_bytes)}`))),
    h("li", {}, h("b", {}, "unexplained"), h("span", {}, `${instant.unexplained_bytes < 0 ? "-" : ""}${
        bytes(Math.abs(instant.unexplained_bytes))}`)));
}

// A cell for each stretch of the heap, the darker the fuller its resident pages; gaps begin a line.
function heapMap(cells) {
    const perLine = Math.floor(WIDTH / CELL);
    let line = -1, column = 0, end = null;
    const drawn = cells.map((c) => {
        if (end !== c.start || column === perLine) {
            line++;
            column = 0;
        }
        end = c.end;
        const full = c.resident_bytes ? c.used_bytes / c.resident_bytes : 0;
        return svg("rect", { x: column++ * CELL, y: line * (CELL + 2), width: CELL - 1, height: CELL,
            fill: `hsl(${20 + 190 * full} 60% 55%)` }, title(`${c.start} – ${c.end}\n${
            bytes(c.resident_bytes)} resident, ${percent(c.used_bytes, c.resident_bytes)} of it in blocks\n${
            bytes(c.free_bytes)} of free pages`));
    });
    return svg("svg", { viewBox: `0 0 ${WIDTH} ${(line + 1) * (CELL + 2)}`, role: "img",
        style: "width:100%", "aria-label": "the heap by address" }, ...drawn);
}

function evidence(site) {
    return h("div.detail", {}, h("p", {},
        `${count(site.live_blocks)} live blocks, ${bytes(site.live_bytes)} asked for; ${
            count(site.blocks)} of them lie in pages that are ${site.page_fill_percent.toFixed(1)} % full. `,
        site.outlives >= 10 ? `They are ${ns(site.age_ns)} old; what lay beside them lived ${
            ns(site.neighbour_ns)}.` : ""), stack(site.frames, site.hidden_frames));
}

function columns(all) {
    return [
        { name: "Call site", text: true, value: (s) => s.name,
          show: (s) => functionName({ name: s.name, module: s.frames[0] && s.frames[0].module },
              s.frames[0] ? place(s.frames[0].file, s.frames[0].line) : "") },
        { name: "Waste", first: true, value: (s) => s.waste_bytes,
          show: (s) => [bar(s.waste_bytes / Math.max(1, all)), h("span", {}, bytes(s.waste_bytes))] },
        { name: "Holes", value: (s) => s.hole_bytes, show: (s) => bytes(s.hole_bytes) },
        { name: "Alone", value: (s) => s.sole_pinner_bytes, show: (s) => bytes(s.sole_pinner_bytes),
          title: "holes of pages that one of its blocks keeps alone" },
        { name: "Slack", value: (s) => s.slack_bytes, show: (s) => bytes(s.slack_bytes) },
        { name: "Pinned", value: (s) => s.pinned_bytes, show: (s) => bytes(s.pinned_bytes),
          title: "free pages below the top of a heap, which its blocks keep up" },
    ];
}

function left(list) {
    return list.length ? [h("h3", {}, "Free pages, by who left them"), h("ul.parts", {},
        list.slice(0, 8).map((s) => h("li", {}, functionName({ name: s.name,
            module: s.frames[0] && s.frames[0].module }), h("span", {}, bytes(s.left_bytes)))))] : null;
}

// The program's own mappings, which are no part of the heap, by who made them.
function mappings(list) {
    return list.length ? [h("h3", {}, "Not heap: the program's own mappings, by who made them"), h("ul.parts", {},
        list.slice(0, 8).map((s) => h("li", {}, functionName({ name: s.name,
            module: s.frames[0] && s.frames[0].module }, s.frames[0] ? place(s.frames[0].file, s.frames[0].line) : ""),
        h("span", {}, `${bytes(s.resident_bytes)} of ${bytes(s.mapped_bytes)}`))))] : null;
}

function render(element, selection, page) {
    const result = page.section("frag").result;
    if (table)
        return; // it is of the whole run, whatever the window is
    if (result.shown === null) {
        clear(element, h("p.lead", {}, "No picture of the pages was recorded."));
        return;
    }
    const now = result.instants[result.shown];
    const waste = now.slack_bytes + now.hole_bytes + now.free_resident_bytes;
    table = new Table(columns(result.blame.reduce((most, s) => Math.max(most, s.waste_bytes), 0)), {
        below: evidence, id: (s) => result.blame.indexOf(s), label: "Who fragments memory" });
    clear(element,
        h("p.lead", {}, h("strong", {}, VERDICTS[result.verdict.kind]), `: of ${bytes(now.rss_bytes)} resident at ${
            ns(now.time_ns)}, ${bytes(now.requested_bytes)} were asked for; ${bytes(waste)} (${
            percent(waste, now.rss_bytes)}) are slack, holes and free pages of ${result.allocator}'s heap.`),
        h("ul", {}, result.verdict.advice.map((text) => h("li", {}, text))),
        waterfall(result), legend(now),
        table.set(result.blame), left(result.left), mappings(result.mappings),
        h("h3", {}, "The heap by address"), heapMap(result.map));
}

addView({ name: "frag", title: "Fragmentation", needs: ["frag"], render });
