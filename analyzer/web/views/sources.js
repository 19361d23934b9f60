// SPDX-License-Identifier: MIT
// Source lines, with what was allocated through each.
import { bar, clear, h } from "../parts/dom.js";
import { COSTS, baseName, percent } from "../parts/format.js";
import { Table } from "../parts/table.js";
import { addView } from "./view.js";

const context = {};
let files, code, chosen;

// By file: { file, lines: line -> { self, total }, self, total }.
function sums(selection, page) {
    return selection.sum(`sources ${page.state.cost}`, () => {
        const { places, texts } = page.lives, byPlace = selection.places()[page.state.cost];
        const total = byPlace.map((v) => Math.max(0, v)), self = total.slice(), out = new Map();
        for (let i = places.count - 1; i > 0; i--)
            total[places.parent[i]] += total[i];
        for (let i = 1; i < places.count; i++) {
            if (!places.files[i] || !places.lines[i] || !(total[i] > 0))
                continue;
            const file = texts[places.files[i]];
            if (!out.has(file))
                out.set(file, { file, lines: new Map(), self: 0 });
            const entry = out.get(file), line = entry.lines.get(places.lines[i]) || { self: 0, total: 0 };
            entry.self += self[i];
            line.self += self[i];
            if (!isWithinSame(places, i))
                line.total += total[i];
            entry.lines.set(places.lines[i], line);
        }
        return [...out.values()].map((f) => ({ ...f, total: Math.max(
            ...[...f.lines.values()].map((l) => l.total)) }));
    });
}

// Whether a caller of it is at the same line: recursion counts once.
function isWithinSame(places, place) {
    for (let at = places.parent[place]; at; at = places.parent[at])
        if (places.lines[at] === places.lines[place] && places.files[at] === places.files[place])
            return true;
    return false;
}

const show = (value) => COSTS[context.page.state.cost].show(value);
const whole = () => context.selection.total(context.page.state.cost);

const columns = [
    { name: "File", text: true, value: (f) => f.file,
      show: (f) => h("span", { title: f.file }, baseName(f.file),
          context.sources[f.file] ? null : h("span.dim", {}, "  not found")) },
    { name: "Self", title: "allocated in its lines", first: true, value: (f) => f.self,
      show: (f) => [bar(f.self / whole()), h("span", {}, show(f.self))] },
    { name: "Most through a line", value: (f) => f.total, show: (f) => show(f.total) },
];

function line(number, text, sum, before) {
    return [before !== null && number > before + 1 ? h("tr.gap", {}, h("td", { colspan: 4 }, "⋯")) : null,
            h("tr", { class: sum ? "hot" : null, style: sum ? `--heat:${(sum.total / whole()).toFixed(3)}` : null },
                h("td.number", {}, String(number)),
                h("td.figure", {}, sum ? show(sum.total) : ""),
                h("td.figure", {}, sum ? percent(sum.total, whole()) : ""),
                h("td.text", {}, h("code", {}, text)))];
}

function lines(file) {
    const text = context.sources[file.file];
    const rows = text || [...file.lines.keys()].sort((a, b) => a - b).map((n) => [n, ""]);
    let before = null;
    return h("table.source", { "aria-label": file.file },
        h("tbody", {}, rows.map(([number, content]) => {
            const made = line(number, content, file.lines.get(number), before);
            before = number;
            return made;
        }).flat()));
}

function render(element, selection, page) {
    Object.assign(context, { selection, page, sources: page.section("sources") || {} });
    const list = sums(selection, page);
    files ||= new Table(columns, { label: "Source files", none: "No source lines are known: build with -g.",
                                   open: (f) => {
                                       chosen = f.file;
                                       render(element, context.selection, page);
                                   } });
    code ||= h("div.code");
    files.set(list);
    const found = list.filter((f) => context.sources[f.file]);
    const file = list.find((f) => f.file === chosen) ||
        (found.length ? found : list).reduce((a, b) => !a || b.self > a.self ? b : a, null);
    clear(code, file ? [h("h2", { title: file.file }, file.file), lines(file)] : null);
    if (!code.isConnected)
        clear(element, h("div.columns", {}, h("div", {}, files.element), code));
}

addView({ name: "sources", title: "Source", needs: ["lives"], cost: true, render });
