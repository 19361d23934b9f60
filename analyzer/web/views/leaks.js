// SPDX-License-Identifier: MIT
// What was never freed: of the whole run by call site, with what leads to it where there is a heap
// graph; of a window by where it was made.
import { pathTo } from "../data/tree.js";
import { bar, clear, h } from "../parts/dom.js";
import { bytes, count, ns, percent } from "../parts/format.js";
import { functionName, place, stack } from "../parts/names.js";
import { Table } from "../parts/table.js";
import { addView } from "./view.js";

const KINDS = { definite: "lost", possible: "possibly lost", reachable: "still reachable" };
let parts;
const context = {};

function kindLabel(site) {
    return site.kind ? h(`span.kind.kind-${site.kind}`, {}, KINDS[site.kind]) : "";
}

function siteColumns(leaks) {
    const all = leaks.matched.bytes + (leaks.matched.indirect_bytes || 0);
    const held = (s) => s.bytes + (s.indirect ? s.indirect.bytes : 0);
    const where = (s) => s.frames.find((f) => f.function === s.name) || s.frames[0];
    return [
        { name: "Call site", text: true, value: (s) => s.name,
          show: (s) => functionName({ name: s.name, module: where(s) && where(s).module },
              where(s) ? place(where(s).file, where(s).line) : "") },
        leaks.graph ? { name: "Verdict", text: true, value: (s) => s.kind, show: kindLabel } : null,
        { name: "Bytes", first: true, value: held,
          title: leaks.graph ? "with what only these blocks lead to" : null,
          show: (s) => [bar(held(s) / all), h("span", {}, bytes(held(s)))] },
        { name: "Share", value: held, show: (s) => percent(held(s), all) },
        { name: "Blocks", value: (s) => s.blocks, show: (s) => count(s.blocks) },
        { name: "Each", title: "typical size", value: (s) => s.sizes.typical,
          show: (s) => bytes(s.sizes.typical) },
        { name: "Of allocated", title: "blocks, of all that were made here",
          value: (s) => s.blocks / Math.max(1, s.allocated_blocks),
          show: (s) => percent(s.blocks, s.allocated_blocks) },
        { name: "From", value: (s) => s.first_ns, least: true, show: (s) => ns(s.first_ns) },
        { name: "To", value: (s) => s.last_ns, show: (s) => ns(s.last_ns) },
    ].filter(Boolean);
}

function whereOf(at) {
    const { places, texts } = context.page.lives;
    return place(texts[places.files[at]], places.lines[at]);
}

const windowColumns = [
    { name: "Made in", text: true, value: (r) => context.page.tree.functions[r.f].name,
      show: (r) => functionName(context.page.tree.functions[r.f], whereOf(r.id)) },
    { name: "Bytes", first: true, value: (r) => r.bytes,
      show: (r) => [bar(r.bytes / context.all), h("span", {}, bytes(r.bytes))] },
    { name: "Share", value: (r) => r.bytes, show: (r) => percent(r.bytes, context.all) },
    { name: "Blocks", value: (r) => r.blocks, show: (r) => count(r.blocks) },
];

// One row for each place that made any.
function windowRows(selection, page) {
    const { left, leftBlocks } = selection.places(), rows = [];
    for (let i = 1; i < left.length; i++)
        if (leftBlocks[i])
            rows.push({ id: i, f: page.tree.functionOf[page.tree.nodeOf[i]], bytes: left[i],
                        blocks: leftBlocks[i] });
    return rows;
}

function callersOf(row, page) {
    const { places, texts } = page.lives, frames = [];
    for (let at = row.id; at; at = places.parent[at])
        frames.push({ function: page.tree.functions[page.tree.functionOf[page.tree.nodeOf[at]]].name,
                      file: texts[places.files[at]], line: places.lines[at],
                      module: texts[places.modules[at]], named: true });
    return h("div.detail", {}, stack(frames), h("a", {
        href: page.linkTo({ view: "flame", cost: "left", node: pathTo(page.tree,
            page.tree.nodeOf[row.id]).at(-1) }) }, "Show in the flame graph"));
}

function siteDetail(site) {
    const indirect = site.indirect && site.indirect.blocks
        ? `; with them ${bytes(site.indirect.bytes)} in ${count(site.indirect.blocks)} blocks that ` +
          "only these lead to" : "";
    return h("div.detail", {},
        h("p", {}, `${count(site.blocks)} blocks by ${site.calls.join(", ")}, ${
            bytes(site.sizes.min)} to ${bytes(site.sizes.max)} each, by ${site.thread_count} thread${
            site.thread_count > 1 ? "s" : ""}${indirect}.`),
        stack(site.frames, site.hidden_frames));
}

function words(leaks) {
    const sum = (of) => `${bytes(of.bytes)} in ${count(of.blocks)} blocks`;
    if (!leaks.graph)
        return `${sum(leaks.total)} ${leaks.word}. Which of these are leaks only a heap graph tells ` +
            `(${leaks.no_graph}): seep run --snapshot=exit records one.`;
    return `${sum(leaks.definite)} definitely lost` +
        (leaks.indirect.blocks ? `, and with them ${sum(leaks.indirect)}` : "") +
        (leaks.possible.blocks ? `; ${sum(leaks.possible)} possibly lost` : "") +
        `; ${sum(leaks.reachable)} still reachable.`;
}

function build(page) {
    const leaks = page.section("leaks").result;
    parts = {
        lead: h("p.lead"),
        sites: new Table(siteColumns(leaks), { below: siteDetail, label: "Leaks by call site",
                                               id: (s) => leaks.sites.indexOf(s),
                                               none: "Nothing was left." }),
        made: new Table(windowColumns, { below: (r) => callersOf(r, page), id: (r) => r.id,
                                         label: "Made in the window and never freed",
                                         none: "All that was made in this window was freed." }),
        rest: h("p.dim"),
    };
}

function render(element, selection, page) {
    const leaks = page.section("leaks").result;
    if (!parts)
        build(page);
    Object.assign(context, { page, all: selection.total("left") });
    const table = selection.whole ? parts.sites : parts.made;
    if (selection.whole) {
        parts.lead.textContent = words(leaks);
        parts.sites.set(leaks.sites);
        const hidden = leaks.hidden.sites, builtin = leaks.builtin.sites;
        parts.rest.textContent = [
            hidden ? `${count(hidden)} smaller call sites are not listed: ${bytes(leaks.hidden.bytes)}.` : "",
            builtin ? `${count(builtin)} call sites of known library start-up are left out: ${
                bytes(leaks.builtin.bytes)}.` : ""].join(" ");
    } else {
        const blocks = selection.places().leftBlocks.reduce((a, b) => a + b, 0);
        parts.lead.textContent = `${bytes(context.all)} in ${count(blocks)} blocks were made in this ` +
            "window and never freed.";
        parts.made.set(windowRows(selection, page));
        parts.rest.textContent = "";
    }
    if (!table.element.isConnected)
        clear(element, parts.lead, table.element, parts.rest);
}

addView({ name: "leaks", title: "Leaks", needs: ["lives", "leaks"], render });
