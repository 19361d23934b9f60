// SPDX-License-Identifier: MIT
// The sections of data that the page carries (analyzer/page/page.c), unpacked when asked for.
import { decompress } from "fzstd";

const packed = new Map([...document.querySelectorAll("script[data-section]")]
    .map((element) => [element.dataset.section, element]));
const kept = new Map();

export function hasSection(name) {
    return packed.has(name);
}

// The section's bytes; null where the page has no such section.
export function sectionBytes(name) {
    const found = packed.get(name);
    if (!found)
        return null;
    const text = atob(found.textContent);
    const raw = new Uint8Array(text.length);
    for (let i = 0; i < text.length; i++)
        raw[i] = text.charCodeAt(i);
    const bytes = decompress(raw, new Uint8Array(Number(found.dataset.bytes)));
    found.textContent = ""; // megabytes that nobody needs any more
    return bytes;
}

// The section as JSON, parsed once.
export function sectionJson(name) {
    if (!kept.has(name)) {
        const bytes = sectionBytes(name);
        kept.set(name, bytes ? JSON.parse(new TextDecoder().decode(bytes)) : null);
    }
    return kept.get(name);
}
