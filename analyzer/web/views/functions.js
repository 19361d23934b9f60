// SPDX-License-Identifier: MIT
// All functions, and of one its callers and callees.
import { bar, clear, h } from "../parts/dom.js";
import { COSTS, percent } from "../parts/format.js";
import { functionName } from "../parts/names.js";
import { Table } from "../parts/table.js";
import { addView } from "./view.js";

const BESIDE = 20; // callers and callees shown at first
const context = {};
let parts;

const show = (value) => COSTS[context.page.state.cost].show(value);
const whole = () => context.selection.total(context.page.state.cost);

function columns(first) {
    return [
        { name: first, text: true, value: (r) => context.page.tree.functions[r.f].name,
          show: (r) => functionName(context.page.tree.functions[r.f]) },
        { name: "Total", title: "with everything it calls", first: true, value: (r) => r.total,
          show: (r) => [bar(r.total / whole()), h("span", {}, show(r.total))] },
        { name: "Share", value: (r) => r.total, show: (r) => percent(r.total, whole()) },
    ];
}

function build(element, page) {
    const open = (r) => page.show({ fn: r.f });
    const self = { name: "Self", title: "by itself", value: (r) => r.self, show: (r) => show(r.self) };
    const search = h("input", { type: "search", name: "functions", "aria-label": "Search functions",
                                placeholder: "Search functions  ( / )",
                                input: () => page.show({ q: search.value }, true) });
    parts = { search, all: new Table([...columns("Function"), self], { open, label: "Functions" }),
              callers: new Table(columns("Called by"), { open, label: "Callers",
                                                         limit: BESIDE, none: "Nobody: it is the outermost." }),
              callees: new Table(columns("Calls"), { open, label: "Callees",
                                                     limit: BESIDE,
                                                     none: "Nothing: it allocates by itself." }),
              one: h("div.one") };
    clear(element, h("div.columns", {},
        h("div", {}, h("div.tools", {}, search), parts.all.element),
        h("div.of-one", {}, parts.one, parts.callers.element, parts.callees.element)));
}

// By the function on the other side of each edge into it, or out of it.
function edges(f, costs) {
    const { tree } = context.page, callers = new Map(), callees = new Map();
    const add = (to, key, cost) => to.set(key, (to.get(key) || 0) + cost);
    for (let i = 1; i < tree.count; i++) {
        const up = tree.parent[i], above = tree.functionOf[up];
        if (!(costs.total[i] > 0))
            continue;
        if (tree.functionOf[i] === f && tree.outermost[i] && up)
            add(callers, above, costs.total[i]);
        // what lies below a deeper call of the function is in an outer one's callees already
        if (up && above === f && tree.functionOf[i] !== f && isFirstEdge(tree, i, f))
            add(callees, tree.functionOf[i], costs.total[i]);
    }
    const rows = (map) => [...map].map(([key, total]) => ({ f: key, total }));
    return { callers: rows(callers), callees: rows(callees) };
}

// Whether the same call does not stand above it.
function isFirstEdge(tree, node, f) {
    if (tree.outermost[tree.parent[node]])
        return true;
    const callee = tree.functionOf[node];
    for (let at = tree.parent[node]; at; at = tree.parent[at])
        if (tree.functionOf[at] === callee && tree.functionOf[tree.parent[at]] === f)
            return false;
    return true;
}

function render(element, selection, page) {
    Object.assign(context, { selection, page });
    if (!parts)
        build(element, page);
    const { state, tree } = page, functions = selection.functions(state.cost);
    const query = state.q.toLowerCase();
    if (parts.search.value !== state.q)
        parts.search.value = state.q;
    const rows = [];
    tree.functions.forEach((f, i) => {
        if (i && functions.total[i] > 0 && (!query || f.name.toLowerCase().includes(query)))
            rows.push({ f: i, total: functions.total[i], self: functions.self[i] });
    });
    parts.all.set(rows);
    const heaviest = rows.reduce((a, b) => b.self > (a ? a.self : -1) ? b : a, null);
    const one = state.fn && state.fn < tree.functions.length ? state.fn : heaviest ? heaviest.f : 0;
    const { callers, callees } = one ? edges(one, selection.nodes(state.cost))
        : { callers: [], callees: [] };
    clear(parts.one, one ? [h("h2", {}, functionName(tree.functions[one])),
        h("p", {}, `${show(functions.total[one])}, ${percent(functions.total[one], whole())} of all, `,
            `${show(functions.self[one])} by itself. `,
            h("a", { href: page.linkTo({ view: "flame", q: tree.functions[one].name }) },
                "Find in the flame graph"))] : null);
    parts.callers.set(callers);
    parts.callees.set(callees);
}

addView({ name: "functions", title: "Functions", needs: ["lives"], cost: true, render });
