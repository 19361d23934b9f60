// SPDX-License-Identifier: MIT
// The verdict first, in words; then the figures, and the way to where they come from.
import { bar, clear, h } from "../parts/dom.js";
import { baseName, bytes, count, moment, ns, percent, shortName } from "../parts/format.js";
import { functionName } from "../parts/names.js";
import { addView } from "./view.js";

const TOP = 6;

function leakVerdict(leaks) {
    const sum = (of) => `${bytes(of.bytes)} in ${count(of.blocks)} blocks`;
    if (!leaks.graph)
        return { bad: false, open: leaks.total.blocks > 0, text: leaks.total.blocks
            ? `${sum(leaks.total)} ${leaks.word}: ${percent(leaks.total.bytes, leaks.total.peak_live_bytes)} of the peak.`
            : "Everything was freed." };
    const lost = { bytes: leaks.definite.bytes + leaks.indirect.bytes,
                   blocks: leaks.definite.blocks + leaks.indirect.blocks };
    return lost.blocks ? { bad: true, text: `It leaks: ${sum(lost)} is definitely lost.` }
        : { bad: false, text: "Nothing is lost: whatever is left, something leads to it." };
}

function growthVerdict(growth) {
    const growing = growth.sites.filter((s) => s.class === "growing");
    const all = (growth.classes.find((c) => c.class === "growing") || {}).sites || growing.length;
    if (!all)
        return { bad: false, text: "No call site keeps growing." };
    const held = growth.classes.find((c) => c.class === "growing").level_bytes;
    const names = [...new Set(growing.map((s) => shortName(s.name)))], shown = names.slice(0, 3);
    const rest = names.length - shown.length;
    const list = rest ? `${shown.join(", ")} and ${count(rest)} more` : shown.length > 1
        ? `${shown.slice(0, -1).join(", ")} and ${shown.at(-1)}` : shown[0];
    return { bad: true, text: `${count(all)} call site${all > 1 ? "s keep" : " keeps"} growing, and had ${
        percent(held, growth.total.level_bytes)} of the heap in the end: ${list}.` };
}

function temporaryVerdict(selection) {
    const all = selection.total("allocations"), temporary = selection.total("temporary");
    return temporary > all / 10 ? { bad: false, text: `${percent(temporary, all)} of the allocations ` +
        "are temporary: freed before their thread made another." } : null;
}

function verdict(selection, page) {
    const { section, info } = page, texts = [];
    if (!info.events)
        return h("div.verdict", {}, h("h2", {}, "Nothing was allocated while it was recorded."));
    if (section("leaks"))
        texts.push([leakVerdict(section("leaks").result), "leaks"]);
    if (section("growth"))
        texts.push([growthVerdict(section("growth").result), "growth"]);
    texts.push([temporaryVerdict(selection), "temporary"]);
    const list = texts.filter(([v]) => v).sort(([a], [b]) => b.bad - a.bad);
    return h("div.verdict", { class: list.some(([v]) => v.bad) ? "bad"
        : list.some(([v]) => v.open) ? null : "good" }, // open: nobody knows
        h("h2", {}, h("a", { href: page.linkTo({ view: list[0][1] }) }, list[0][0].text)),
        list.slice(1).map(([v, view]) => h("p", {}, h("a", { href: page.linkTo({ view }) }, v.text))));
}

function figures(selection, page) {
    const { borders } = page.lives, peak = selection.peakBorder();
    const step = (borders.times[page.lives.intervals] - borders.times[0]) / page.lives.intervals;
    const allocations = selection.total("allocations");
    const list = [
        ["Peak", bytes(borders.bytes[peak]), `at ${moment(borders.times[peak], step)}, ${
            count(borders.blocks[peak])} blocks`, "flame", "peak"],
        ["Live at the end", bytes(borders.bytes[selection.to]), `${count(borders.blocks[selection.to])} blocks`,
         selection.whole ? "leaks" : "flame", "live"],
        ["Never freed", bytes(selection.total("left")), "made in the window", "leaks", null],
        ["Allocations", count(allocations), `${bytes(selection.total("allocated"))} in all`, "flame",
         "allocations"],
        ["Temporary", count(selection.total("temporary")),
         `${percent(selection.total("temporary"), allocations)} of allocations`, "temporary", null],
    ];
    if (page.info.peak_rss_bytes && selection.whole)
        list.push(["Peak RSS", bytes(page.info.peak_rss_bytes), `${bytes(page.info.recorder_bytes)} of it ` +
            "the recorder's", "summary", null]);
    return h("div.figures", {}, list.map(([name, value, more, view, cost]) =>
        h("a.figure", { href: page.linkTo({ view, ...(cost ? { cost } : {}) }) },
            h("span.label", {}, name), h("strong", {}, value), h("span.dim", {}, more))));
}

function topOf(selection, page, cost, title, view) {
    const sites = selection.sites(cost), { tree } = page;
    const all = selection.total(cost), show = cost === "temporary" ? count : bytes;
    const top = [...sites.keys()].filter((f) => f && sites[f] > 0).sort((a, b) => sites[b] - sites[a]);
    return h("div.card", {}, h("h3", {}, h("a", { href: page.linkTo({ view, cost }) }, title)),
        top.length ? h("ol.top", {}, top.slice(0, TOP).map((f) => h("li", {},
            h("a", { href: page.linkTo({ view: "functions", cost, fn: f }) }, functionName(tree.functions[f])),
            h("span.figure", {}, bar(sites[f] / all), h("span", {}, show(sites[f])),
                h("span.dim", {}, percent(sites[f], all))))))
            : h("p.dim", {}, "Nothing in this window."));
}

function process(page) {
    const { process: p, exit, allocator, allocator_version: version, threads } = page.info;
    const rows = [["Command", p.command], ["Ended", exit.word], ["Malloc by", [allocator, version].filter(Boolean).join(" ")],
                  ["Threads", count(threads)], ["Host", [p.host, p.kernel].filter(Boolean).join(", ")],
                  ["Trace", page.info.trace]];
    return h("div.card", {}, h("h3", {}, "The run"), h("dl", {}, rows.filter(([, v]) => v)
        .map(([name, value]) => [h("dt", {}, name), h("dd", {}, value)])));
}

function moments(page) {
    const growth = page.section("growth")?.result;
    const list = growth ? growth.rises.filter((r) => r.change_bytes > 0).slice(0, 3) : [];
    const marks = growth ? growth.marks.slice(0, 6) : [];
    if (!list.length && !marks.length)
        return null;
    return h("div.card", {}, h("h3", {}, "Moments"),
        h("ul.moments", {}, list.map((r) => h("li", {},
            h("button", { click: () => page.selectNs(r.from_ns, r.to_ns) }, `+${bytes(r.change_bytes)}`),
            h("span", {}, `${ns(r.from_ns)} – ${ns(r.to_ns)}${r.sites[0]
                ? `, most of it by ${shortName(r.sites[0].name)}` : ""}`)))),
        marks.length ? h("p", {}, "Marks: ", marks.map((m) => h("button", {
            click: () => page.selectNs(m.time_ns, growth.end_ns), title: "From this mark to the end" },
        m.name))) : null);
}

function render(element, selection, page) {
    clear(element, selection.whole ? verdict(selection, page) : h("div.verdict", {}, h("h2", {},
        `In this window ${bytes(selection.total("allocated"))} were allocated, and ${
            bytes(selection.total("live"))} of it is live at its end.`)),
    figures(selection, page),
    h("div.cards", {}, topOf(selection, page, "peak", "Makes up the peak", "flame"),
        selection.whole ? topOf(selection, page, "left", "Never freed", "leaks")
            : topOf(selection, page, "growth", "Grew", "flame"),
        topOf(selection, page, "allocated", "Allocates most", "flame"),
        topOf(selection, page, "temporary", "Temporary allocations", "temporary"),
        selection.whole ? moments(page) : null, process(page)),
    h("p.command", {}, "The same in a terminal: ", h("code", {},
        `seep flame${selection.options()} ${baseName(page.info.trace)}`)));
}

addView({ name: "summary", title: "Summary", needs: ["lives", "info"], render });
