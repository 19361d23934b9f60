// SPDX-License-Identifier: MIT
// Allocations that were freed before their thread made another: most could have been spared.
import { WRAPPER_PLACE } from "../data/lives.js";
import { bar, clear, h } from "../parts/dom.js";
import { count, percent } from "../parts/format.js";
import { functionName, place } from "../parts/names.js";
import { Table } from "../parts/table.js";
import { addView } from "./view.js";

const context = {};
let table, lead;

const columns = [
    { name: "Made in", text: true, value: (r) => context.page.tree.functions[r.f].name,
      show: (r) => functionName(context.page.tree.functions[r.f], whereOf(r)) },
    { name: "Called by", text: true, value: (r) => r.caller ? context.page.tree.functions[r.caller].name : "",
      show: (r) => r.caller ? functionName(context.page.tree.functions[r.caller]) : "" },
    { name: "Temporary", first: true, value: (r) => r.temporary,
      show: (r) => [bar(r.temporary / context.all), h("span", {}, count(r.temporary))] },
    { name: "Share", value: (r) => r.temporary, show: (r) => percent(r.temporary, context.all) },
    { name: "Of its allocations", value: (r) => r.temporary / Math.max(1, r.allocations),
      show: (r) => percent(r.temporary, r.allocations) },
    { name: "Allocations", value: (r) => r.allocations, show: (r) => count(r.allocations) },
];

function whereOf(row) {
    const { places, texts } = context.page.lives;
    return place(texts[places.files[row.place]], places.lines[row.place]);
}

const functionAt = (at, page) => page.tree.functionOf[page.tree.nodeOf[at]];

// The place that asked for the memory: the innermost that is in no wrapper.
function siteOf(at, page) {
    const { places } = page.lives;
    let site = at;
    while (places.parent[site] && places.flags[site] & WRAPPER_PLACE)
        site = places.parent[site];
    return site;
}

// By place and caller: the same line may be reached by many ways.
function rowsOf(selection, page) {
    const { temporary, allocations } = selection.places(), { places } = page.lives;
    const rows = new Map();
    for (let i = 1; i < temporary.length; i++) {
        if (!temporary[i])
            continue;
        const site = siteOf(i, page), caller = functionAt(places.parent[site], page);
        const f = functionAt(site, page);
        const key = (f * page.tree.functions.length + caller) * 65536 + places.lines[site] % 65536;
        let row = rows.get(key);
        if (!row) {
            row = { f, caller, temporary: 0, allocations: 0, node: page.tree.nodeOf[site], place: site };
            rows.set(key, row);
        }
        row.temporary += temporary[i];
        row.allocations += allocations[i];
    }
    return [...rows.values()];
}

function render(element, selection, page) {
    Object.assign(context, { page, all: selection.total("temporary") });
    lead ||= h("p.lead");
    table ||= new Table(columns, { label: "Temporary allocations",
                                   open: (r) => page.show({ view: "flame", cost: "temporary", node: r.node }) });
    const allocations = selection.total("allocations");
    lead.textContent = `${count(context.all)} of ${count(allocations)} allocations, ` +
        `${percent(context.all, allocations)}, were temporary: freed by the same thread with no other ` +
        "allocation between.";
    if (!table.element.isConnected)
        clear(element, lead, table.element);
    table.set(rowsOf(selection, page));
}

addView({ name: "temporary", title: "Temporary", needs: ["lives"], render });
