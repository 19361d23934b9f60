// SPDX-License-Identifier: MIT

// An element: h("a.link", { href }, "text", child, ...). Functions among the attributes are
// listeners; null children are left out.
export function h(what, attributes, ...children) {
    const [tag, ...classes] = what.split(".");
    const element = document.createElement(tag || "div");
    if (attributes && attributes.class)
        classes.push(attributes.class);
    if (classes.length)
        element.className = classes.join(" ");
    for (const [name, value] of Object.entries(attributes || {})) {
        if (name === "class")
            continue;
        if (typeof value === "function")
            element.addEventListener(name, value);
        else if (value !== null && value !== undefined && value !== false)
            element.setAttribute(name, value === true ? "" : value);
    }
    element.append(...children.flat(Infinity).filter((c) => c !== null && c !== undefined));
    return element;
}

export function clear(element, ...children) {
    element.replaceChildren(...children.flat(Infinity).filter((c) => c !== null && c !== undefined));
    return element;
}

// A hue for a module, as seep flame gives it.
export function hueOf(name) {
    let hash = 2166136261;
    for (let i = 0; i < name.length; i++)
        hash = Math.imul(hash ^ name.charCodeAt(i), 16777619) >>> 0;
    return ((hash ^ hash >>> 15) >>> 0) % 360;
}

// A bar that shows a share, behind a figure.
export function bar(share, hue) {
    const width = Math.max(0, Math.min(1, share)) * 100;
    return h("span.bar", { style: `width:${width.toFixed(2)}%` +
        (hue === undefined ? "" : `;--hue:${hue}`), "aria-hidden": "true" });
}
