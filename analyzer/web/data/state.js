// SPDX-License-Identifier: MIT
// What is shown: it stands in the address, so that a link leads to the same place, and the
// browser's back button goes back.

const DEFAULTS = { view: "summary", from: null, to: null, cost: "peak", q: "", node: 0, fn: 0 };
const NUMBERS = new Set(["from", "to", "node", "fn"]);

const listeners = [];
let shown = null; // the address that was read last
export const state = { ...DEFAULTS };

function read() {
    const [view, query] = location.hash.slice(1).split("?");
    shown = location.hash;
    const given = new URLSearchParams(query || "");
    Object.assign(state, DEFAULTS, view ? { view } : {});
    for (const [name, value] of given)
        if (name in DEFAULTS)
            state[name] = NUMBERS.has(name) ? Math.trunc(value) || 0 : value;
}

// The address of what is shown, with some changes.
export function linkTo(changes) {
    const all = { ...state, ...changes }, query = new URLSearchParams();
    for (const [name, value] of Object.entries(all))
        if (name !== "view" && value !== DEFAULTS[name] && value !== null)
            query.set(name, value);
    const text = query.toString();
    return `#${all.view}${text ? `?${text}` : ""}`;
}

// Shows something else. `replace`: it is no step of its own to go back to.
export function show(changes, replace = false) {
    const link = linkTo(changes);
    if (link === location.hash)
        return;
    history[replace ? "replaceState" : "pushState"](null, "", link);
    shown = location.hash;
    Object.assign(state, changes);
    listeners.forEach((listener) => listener(changes));
}

export function onShow(listener) {
    listeners.push(listener);
}

// A link followed is told by two events, of which one is enough.
function reread() {
    if (location.hash === shown)
        return;
    read();
    listeners.forEach((listener) => listener(state));
}

read();
addEventListener("popstate", reread);
addEventListener("hashchange", reread);
