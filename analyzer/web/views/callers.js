// SPDX-License-Identifier: MIT
// The tree as tables: from main() down, and from what allocates up.
import { childrenOf } from "../data/tree.js";
import { bar, clear, h } from "../parts/dom.js";
import { COSTS, percent } from "../parts/format.js";
import { functionName } from "../parts/names.js";
import { Table } from "../parts/table.js";
import { addView } from "./view.js";

const BESIDE = ["peak", "live", "allocated", "allocations", "temporary"];

// Rows are { nodes: nodes of the tree that are one here, f: function id, values by cost }.
function columns(context) {
    const total = () => context.selection.total(context.cost);
    const show = (value) => COSTS[context.cost].show(value);
    const own = [
        { name: "Function", text: true, value: (r) => context.tree.functions[r.f].name,
          show: (r) => functionName(context.tree.functions[r.f]) },
        { name: "Total", title: "with everything it calls", first: true, value: (r) => r.total,
          show: (r) => [bar(r.total / total()), h("span", {}, show(r.total))] },
        { name: "Share", value: (r) => r.total, show: (r) => percent(r.total, total()) },
        { name: "Self", title: "by itself", value: (r) => r.self, show: (r) => r.self ? show(r.self) : "" },
    ];
    const others = BESIDE.map((cost) => ({
        name: COSTS[cost].name, title: COSTS[cost].words, value: (r) => context.value(r, cost),
        show: (r) => COSTS[cost].show(context.value(r, cost)) }));
    return [...own, ...others];
}

// From main() down.
function topDown() {
    const context = {};
    const row = (node) => ({ node, f: context.tree.functionOf[node], total: context.costs.total[node],
                             self: context.costs.self[node] });
    const rowsBelow = (node) => [...childrenOf(context.tree, node)]
        .filter((child) => context.costs.total[child] > 0).map(row);
    context.value = (r, cost) => context.selection.nodes(cost).total[r.node];
    const table = new Table(columns(context), { below: (r) => rowsBelow(r.node), id: (r) => r.node,
                                                leaf: (r) => !rowsBelow(r.node).length,
                                                label: "Callees, from the outermost function" });
    // where there is but one way, it is open
    const openSingle = () => {
        let rows = rowsBelow(0), id = "";
        while (rows.length === 1) {
            id += `/${rows[0].node}`;
            table.opened.add(id);
            rows = rowsBelow(rows[0].node);
        }
    };
    return { context, table, roots: () => rowsBelow(0), openSingle };
}

// From what allocates up: a row's nodes are those of its function on the ways so far, with the cost
// that each way brings: `ways` is [node, node whose own cost it is].
function bottomUp() {
    const context = {};
    function group(ways) {
        const rows = new Map();
        for (const [node, from] of ways) {
            const f = context.tree.functionOf[node];
            if (!rows.has(f))
                rows.set(f, { f, total: 0, self: 0, ways: [] });
            const r = rows.get(f);
            r.total += context.costs.self[from];
            r.ways.push([node, from]);
        }
        return [...rows.values()];
    }
    const up = (r) => group(r.ways.filter(([node]) => context.tree.parent[node])
        .map(([node, from]) => [context.tree.parent[node], from]));
    context.value = (r, cost) => {
        const self = context.selection.nodes(cost).self;
        return r.ways.reduce((sum, [, from]) => sum + self[from], 0);
    };
    const table = new Table(columns(context).filter((c) => c.name !== "Self"), {
        below: up, id: (r) => r.f,
        leaf: (r) => r.ways.every(([node]) => !context.tree.parent[node]),
        label: "Callers, from the functions that allocate" });
    const roots = () => {
        const ways = [];
        for (let i = 1; i < context.tree.count; i++)
            if (context.costs.self[i] > 0)
                ways.push([context.tree.siteOf[i], i]);
        return group(ways);
    };
    return { context, table, roots };
}

function viewOf(make, words) {
    let made;
    return (element, selection, page) => {
        made ||= make();
        Object.assign(made.context, { selection, tree: page.tree, cost: page.state.cost,
                                      costs: selection.nodes(page.state.cost) });
        if (!made.table.element.isConnected) {
            clear(element, h("p.lead", {}, words), made.table.element);
            made.openSingle?.();
        }
        made.table.set(made.roots());
    };
}

addView({ name: "down", title: "Top-down", needs: ["lives"], cost: true,
          render: viewOf(topDown, "What each function costs with everything it calls, from the " +
              "outermost down.") });
addView({ name: "up", title: "Bottom-up", needs: ["lives"], cost: true,
          render: viewOf(bottomUp, "The functions that ask for memory, by themselves or " +
              "through wrappers such as operator new, and who called them.") });
