// SPDX-License-Identifier: MIT
// Places merged by function: the tree that flame graphs and tables show. Places of one function
// differ by line; here they are one node where they have the same callers.

import { SMALLER_PLACE, WRAPPER_PLACE } from "./lives.js";

export const UNKNOWN = "(unknown)", SMALLER = "(smaller ones)", ROOT = "all";

export function makeTree(lives) {
    const { places, texts } = lives;
    const count = places.count;
    const nodeOf = new Uint32Array(count); // of a place
    const parent = [0], functionOf = [0], wrapper = [0], functions = [{ name: ROOT, module: null, short: ROOT }];
    const functionIds = new Map();
    const hashSize = 2 ** Math.ceil(Math.log2(count * 2 + 2));
    const slots = new Uint32Array(hashSize); // nodes by parent and function; 0: free
    const idOf = (name, module, special) => {
        const key = special || name * texts.length + module;
        if (!functionIds.has(key)) {
            functionIds.set(key, functions.length);
            functions.push({ name: special || texts[name], module: module ? texts[module] : null,
                             special: Boolean(special) });
        }
        return functionIds.get(key);
    };
    for (let i = 1; i < count; i++) {
        const special = places.flags[i] & SMALLER_PLACE ? SMALLER : places.functions[i] ? null : UNKNOWN;
        const f = idOf(places.functions[i], places.modules[i], special);
        const up = nodeOf[places.parent[i]];
        let at = (Math.imul(up, 0x9e3779b1) ^ Math.imul(f, 0x85ebca6b)) >>> 0;
        let node;
        for (at ^= at >>> 15; (node = slots[at &= hashSize - 1]); at++)
            if (parent[node] === up && functionOf[node] === f)
                break;
        if (!node) {
            node = parent.length;
            slots[at] = node;
            parent.push(up);
            functionOf.push(f);
            wrapper.push(places.flags[i] & WRAPPER_PLACE);
        }
        nodeOf[i] = node;
    }
    const tree = { count: parent.length, nodeOf, parent: Uint32Array.from(parent),
                   functionOf: Uint32Array.from(functionOf), functions,
                   wrapper: Uint8Array.from(wrapper) };
    linkChildren(tree);
    findOutermost(tree);
    findSites(tree);
    return tree;
}

// childList[childStart[n] .. childStart[n + 1]] are the children of n.
function linkChildren(tree) {
    const start = new Uint32Array(tree.count + 1);
    for (let i = 1; i < tree.count; i++)
        start[tree.parent[i] + 1]++;
    for (let i = 0; i < tree.count; i++)
        start[i + 1] += start[i];
    const at = start.slice(), list = new Uint32Array(tree.count);
    for (let i = 1; i < tree.count; i++)
        list[at[tree.parent[i]]++] = i;
    tree.childStart = start;
    tree.childList = list;
    tree.depth = new Uint16Array(tree.count);
    for (let i = 1; i < tree.count; i++)
        tree.depth[i] = tree.depth[tree.parent[i]] + 1;
}

// Whether no caller of the node is the same function: recursion counts once in a function's total.
function findOutermost(tree) {
    const { childStart, childList, functionOf } = tree;
    const above = new Uint32Array(tree.functions.length); // how often it is on the way to the node
    const stack = [0], next = childStart.slice();
    tree.outermost = new Uint8Array(tree.count);
    while (stack.length) {
        const node = stack[stack.length - 1];
        if (next[node] < childStart[node + 1]) {
            const child = childList[next[node]++];
            tree.outermost[child] = above[functionOf[child]]++ === 0 ? 1 : 0;
            stack.push(child);
        } else {
            above[functionOf[node]]--;
            stack.pop();
        }
    }
}

// Who asked for what a node made: the innermost caller that does not only hand memory on.
function findSites(tree) {
    tree.siteOf = new Uint32Array(tree.count);
    for (let i = 1; i < tree.count; i++) {
        const up = tree.parent[i];
        tree.siteOf[i] = tree.wrapper[i] && up ? tree.siteOf[up] : i;
    }
}

// Of costs by place: what each node cost by itself, and with all below it. Where memory shrank,
// nothing grew.
export function nodeCosts(tree, byPlace) {
    const self = new Float64Array(tree.count);
    for (let i = 0; i < byPlace.length; i++)
        self[tree.nodeOf[i]] += byPlace[i];
    for (let i = 0; i < self.length; i++)
        if (self[i] < 0)
            self[i] = 0;
    const total = self.slice();
    for (let i = tree.count - 1; i > 0; i--)
        total[tree.parent[i]] += total[i];
    return { self, total };
}

// The same by function.
export function functionCosts(tree, costs) {
    const self = new Float64Array(tree.functions.length), total = self.slice();
    for (let i = 1; i < tree.count; i++) {
        self[tree.functionOf[i]] += costs.self[i];
        if (tree.outermost[i])
            total[tree.functionOf[i]] += costs.total[i];
    }
    return { self, total };
}

// What each function asked for, by itself or through wrappers.
export function siteCosts(tree, costs) {
    const sums = new Float64Array(tree.functions.length);
    for (let i = 1; i < tree.count; i++)
        sums[tree.functionOf[tree.siteOf[i]]] += costs.self[i];
    return sums;
}

export function childrenOf(tree, node) {
    return tree.childList.subarray(tree.childStart[node], tree.childStart[node + 1]);
}

// The nodes on the way to it, the outermost first, without the root.
export function pathTo(tree, node) {
    const path = [];
    for (let at = node; at; at = tree.parent[at])
        path.unshift(at);
    return path;
}
