// SPDX-License-Identifier: MIT
import { pathTo } from "../data/tree.js";
import { clear, h, hueOf } from "../parts/dom.js";
import { FlameChart } from "../parts/flame_chart.js";
import { COSTS, baseName, percent } from "../parts/format.js";
import { addView } from "./view.js";

const LEGEND = 8;

let chart, parts, shown;

function build(element, page) {
    const search = h("input", { type: "search", placeholder: "Search functions and modules  ( / )",
                                "aria-label": "Search functions and modules", name: "q",
                                input: () => page.show({ q: search.value }, true) });
    parts = { search, found: h("span.found", { "aria-live": "polite" }),
              path: h("div.path"), line: h("div.line"), legend: h("div.legend"),
              scroller: h("div.flame") };
    chart = new FlameChart(parts.scroller, {
        over: (node) => clear(parts.line, node === null ? hint() : describe(node)),
        open: (node) => page.show({ node: node === page.state.node ? page.tree.parent[node] : node }),
    });
    clear(element, h("div.tools", {}, search, parts.found, parts.legend), parts.path, parts.scroller,
        parts.line);
}

function hint() {
    return h("span.dim", {}, `${COSTS[shown.cost].name}: ${COSTS[shown.cost].words}. Click a frame ` +
        "to zoom; / searches.");
}

function describe(node) {
    const { tree, costs, cost } = shown, f = tree.functions[tree.functionOf[node]];
    const show = COSTS[cost].show, total = costs.total[node], self = costs.self[node];
    return [h("strong", {}, f.name),
            h("span", {}, `${show(total)}, ${percent(total, costs.total[0])}`),
            self > 0 && self < total ? h("span", {}, `${show(self)} by itself`) : null,
            f.module ? h("span.dim", {}, f.module) : null];
}

// Functions that match, and what share of the whole runs through any of them.
function find(tree, costs, query) {
    const hits = new Set(), text = query.toLowerCase();
    if (!text)
        return { hits, cost: 0 };
    tree.functions.forEach((f, i) => {
        if (f.name.toLowerCase().includes(text) ||
            baseName(f.module).toLowerCase().includes(text))
            hits.add(i);
    });
    let cost = 0;
    const within = new Uint8Array(tree.count);
    for (let i = 1; i < tree.count; i++) {
        const hit = hits.has(tree.functionOf[i]);
        within[i] = hit || within[tree.parent[i]] ? 1 : 0;
        if (hit && !within[tree.parent[i]])
            cost += costs.total[i];
    }
    return { hits, cost };
}

function legend(tree, costs, page) {
    const sums = new Map();
    for (let i = 0; i < tree.count; i++) {
        const module = tree.functions[tree.functionOf[i]].module;
        if (module && costs.self[i] > 0)
            sums.set(module, (sums.get(module) || 0) + costs.self[i]);
    }
    return [...sums].sort((a, b) => b[1] - a[1]).slice(0, LEGEND).map(([module, sum]) =>
        h("button.chip", { title: `Search ${module}`, style: `--hue:${hueOf(baseName(module))}`,
                           click: () => page.show({ q: baseName(module) }) },
        h("span.dot", { style: `--hue:${hueOf(baseName(module))}` }), baseName(module), " ",
        h("span.dim", {}, percent(sum, costs.total[0]))));
}

function render(element, selection, page) {
    const { state, tree } = page, costs = selection.nodes(state.cost);
    if (!chart)
        build(element, page);
    shown = { tree, costs, cost: state.cost };
    const zoom = state.node < tree.count && costs.total[state.node] > 0 ? state.node : 0;
    if (parts.search.value !== state.q)
        parts.search.value = state.q;
    const { hits, cost } = find(tree, costs, state.q);
    parts.found.textContent = !state.q ? "" : hits.size
        ? `${percent(cost, costs.total[0])} through ${hits.size} function${hits.size > 1 ? "s" : ""}`
        : "nothing found";
    clear(parts.path, zoom ? h("button", { click: () => page.show({ node: 0 }) }, "Whole graph") : null,
        zoom ? pathTo(tree, zoom).slice(-6).map((node) =>
            h("a", { href: page.linkTo({ node }) }, tree.functions[tree.functionOf[node]].name)) : null);
    clear(parts.legend, legend(tree, costs, page));
    clear(parts.line, costs.total[0] > 0 ? hint() : h("span.dim", {},
        `Nothing here: ${COSTS[state.cost].words}, in this window.`));
    chart.set(tree, costs, zoom, hits);
    chart.canvas.setAttribute("aria-label", `Flame graph, ${COSTS[state.cost].words}: ` +
        COSTS[state.cost].show(costs.total[zoom]));
}

addView({ name: "flame", title: "Flame graph", needs: ["lives"], cost: true, render,
          chart: () => chart });
