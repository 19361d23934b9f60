// SPDX-License-Identifier: MIT
// Functions and stacks as elements.
import { h, hueOf } from "./dom.js";
import { baseName, shortName } from "./format.js";

// A function's name, short, with the whole of it under the pointer, and its module.
export function functionName(f, extra) {
    if (!f.short)
        f.short = shortName(f.name);
    return h("span.function", { title: f.module ? `${f.name}\n${f.module}` : f.name },
        h("span.dot", { style: f.module ? `--hue:${hueOf(baseName(f.module))}` : "--hue:0",
                        class: f.module ? null : "grey", "aria-hidden": "true" }),
        h(f.special ? "span.name.special" : "span.name", {}, f.short),
        extra ? h("span.where", {}, extra) : null,
        f.module ? h("span.module", {}, baseName(f.module)) : null);
}

export function place(file, line) {
    return file ? `${baseName(file)}${line ? `:${line}` : ""}` : "";
}

// Frames of an analysis's tree, innermost first.
export function stack(frames, hidden) {
    return h("ol.stack", {}, frames.map((f) => h("li", { class: f.named ? null : "unnamed" },
        h("span.name", { title: f.function }, shortName(f.function)),
        h("span.where", { title: f.file || f.module || "" },
            f.file ? place(f.file, f.line) : baseName(f.module)))),
    hidden ? h("li.dim", {}, `… ${hidden} more`) : null);
}
