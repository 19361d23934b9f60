// SPDX-License-Identifier: MIT
// Figures and names as people read them: the same rules as analyzer/util/human.c.

function digits(value) {
    return value >= 99.95 ? Math.round(value).toString()
        : (Math.round(value * 10) / 10).toString();
}

export function bytes(value) {
    const sign = value < 0 ? "−" : "", units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
    let v = Math.abs(value), unit = 0;
    while (v >= 1023.5 && unit < units.length - 1) {
        v /= 1024;
        unit++;
    }
    return `${sign}${digits(v)} ${units[unit]}`;
}

export function count(value) {
    return Math.round(value).toString().replace(/\B(?=(\d{3})+$)/g, ",");
}

export function ns(value) {
    const units = [[1e9, "s"], [1e6, "ms"], [1e3, "µs"], [1, "ns"]];
    if (value === 0)
        return "0 s";
    if (value >= 3600e9)
        return `${Math.floor(value / 3600e9)} h ${Math.floor(value % 3600e9 / 60e9)} min`;
    if (value >= 60e9)
        return `${Math.floor(value / 60e9)} min ${Math.floor(value % 60e9 / 1e9)} s`;
    const [scale, unit] = units.find(([s]) => value >= s) || units[3];
    const v = value / scale;
    if (scale === 1)
        return `${Math.round(v)} ns`;
    return `${v >= 99.95 ? Math.round(v) : v >= 9.995 ? v.toFixed(1) : v.toFixed(2)} ${unit}`;
}

// A moment, so fine that moments `step_ns` apart differ.
export function moment(value, step_ns) {
    if (value >= 60e9)
        return ns(value);
    const unit = value >= 1e9 ? [1e9, "s"] : value >= 1e6 ? [1e6, "ms"] : [1e3, "µs"];
    const places = Math.max(0, Math.min(6, Math.ceil(Math.log10(unit[0] / Math.max(step_ns, 1)))));
    return value === 0 ? "0 s" : `${(value / unit[0]).toFixed(places)} ${unit[1]}`;
}

export function percent(part, whole) {
    const p = whole > 0 ? 100 * part / whole : 0;
    if (p > 0 && p < 0.1)
        return "<0.1 %";
    return p >= 9.95 ? `${p < 100 ? Math.min(99, Math.round(p)) : 100} %`
        : `${Math.round(p * 10) / 10} %`;
}

export function baseName(path) {
    return path ? path.slice(path.lastIndexOf("/") + 1) || path : "";
}

// Operators whose brackets are none; while a name is shortened each is a character of its own.
const OPERATORS = ["->*", "->", "<<", ">>", "<=>", "<=", ">=", "<", ">", "()"];
const OPERATOR = 0xe000;

// A function's name without parameters and template arguments. Of an address in a module, and where
// a type comes first (Rust), all of it.
export function shortName(name) {
    let out = "", depth = 0;
    if (!/[<(]/.test(name) || name.startsWith("<") || /\+0x[0-9a-f]+$/.test(name))
        return name;
    const text = name.replace(/\(anonymous namespace\)/g, "{anonymous}")
        .replace(/operator(->\*|->|<=>|<<|>>|<=|>=|<|>|\(\))/g, (_, sign) =>
            "operator" + String.fromCharCode(OPERATOR + OPERATORS.indexOf(sign)))
        .replace(/^decltype ?\(.*?\) /, "");
    for (const c of text) {
        if (c === "<" || c === "(")
            depth++;
        else if (c === ">" || c === ")")
            depth = Math.max(0, depth - 1);
        else if (depth === 0)
            out += c;
    }
    out = out.replace(/[\ue000-\ue009]/g, (c) => OPERATORS[c.charCodeAt(0) - OPERATOR]);
    out = out.replace(/ (const|volatile|&|&&|\[clone [^\]]*\])+$/g, "").trim();
    return out && !/^(const|\W*)$/.test(out) ? out.slice(out.startsWith("{") ? 0 : wordStart(out))
        : name;
}

// Behind the return type, which template functions have in their names.
function wordStart(text) {
    const space = text.lastIndexOf(" ");
    return /operator/.test(text) || space < 0 ? 0 : space + 1;
}

// The costs, in the order in which they are offered. `left` is known here alone: of what was made
// in the window, what was never freed.
export const COSTS = {
    peak: { name: "Peak", words: "live when the most was live", show: bytes },
    live: { name: "Live", words: "made in the window and live at its end", show: bytes },
    growth: { name: "Growth", words: "live at the end beyond the start", show: bytes },
    left: { name: "Never freed", words: "made in the window and never freed", show: bytes },
    allocated: { name: "Allocated", words: "bytes allocated", show: bytes },
    allocations: { name: "Allocations", words: "allocations and reallocations", show: count },
    temporary: { name: "Temporary", words: "freed with no other allocation between", show: count },
};
