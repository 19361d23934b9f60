// SPDX-License-Identifier: MIT
// The sections of data that the page carries (analyzer/page/page.c).

const unpacked = new Map(), parsed = new Map();

async function unpack(element) {
    const text = atob(element.textContent);
    const packed = new Uint8Array(text.length);
    for (let i = 0; i < text.length; i++)
        packed[i] = text.charCodeAt(i);
    element.textContent = ""; // megabytes that nobody needs any more
    const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate"));
    return new Uint8Array(await new Response(stream).arrayBuffer());
}

// Unpacks all of them, for the functions below.
export async function unpackSections() {
    const elements = [...document.querySelectorAll("script[data-section]")];
    const all = await Promise.all(elements.map(unpack));
    elements.forEach((element, i) => unpacked.set(element.dataset.section, all[i]));
}

export function hasSection(name) {
    return unpacked.has(name);
}

// The section's bytes; undefined where the page has no such section.
export function sectionBytes(name) {
    return unpacked.get(name);
}

// The section as JSON, parsed once; null where the page has no such section.
export function sectionJson(name) {
    if (!parsed.has(name))
        parsed.set(name, hasSection(name)
            ? JSON.parse(new TextDecoder().decode(unpacked.get(name))) : null);
    return parsed.get(name);
}
