// SPDX-License-Identifier: MIT
// The page as a whole: heading, time line, tabs, and the view that is open.
import "uplot/dist/uPlot.min.css";
import "./page.css";

import { readLives } from "./data/lives.js";
import { hasSection, sectionBytes, sectionJson, unpackSections } from "./data/sections.js";
import { Selections } from "./data/selection.js";
import { linkTo, onShow, show, state } from "./data/state.js";
import { makeTree } from "./data/tree.js";
import { clear, h } from "./parts/dom.js";
import { COSTS, baseName, bytes, count, moment, ns } from "./parts/format.js";
import { openHelp } from "./parts/help.js";
import { toggleTheme, useTheme } from "./parts/theme.js";
import { Timeline } from "./parts/timeline.js";
import { views } from "./views/view.js";
import "./views/list.js";

const app = document.getElementById("app");
const page = { section: sectionJson, state, show, linkTo, views };
const elements = new Map(); // of views that were open

function heading() {
    const info = page.info, process = info.process;
    const facts = [`${ns(info.duration_ns)} long`, `${count(info.events)} events`,
                   `peak ${bytes(info.peak_live_bytes)}`,
                   (process.start || "").slice(0, 16).replace("T", " ")].filter(Boolean);
    return h("header", {},
        h("h1", {}, h("span.brand", {}, "seep"),
            h("span.program", { title: process.command }, baseName(process.exe) || "program")),
        h("p.facts", {}, facts.map((fact) => h("span", {}, fact))),
        h("div.tools", {},
            h("button", { click: openHelp, title: "Keys and words (?)" }, "Help"),
            h("button", { id: "theme", click: toggleTheme, title: "Dark or light (t)" }, "◐",
                h("span.unseen", {}, " dark or light"))));
}

function warnings() {
    const info = page.info, texts = [...info.completeness.reasons, ...info.completeness.unseen];
    if (!texts.length)
        return null;
    return h("div.warning", { role: "note" },
        h("strong", {}, info.completeness.complete ? "Not seen: " : "Incomplete recording: "),
        texts.join("; "));
}

function usable() {
    return views.filter((view) => (view.needs || []).every(hasSection));
}

function tabs() {
    return h("nav.tabs", { role: "tablist", "aria-label": "Views" }, usable().map((view, i) =>
        h("a", { role: "tab", href: linkTo({ view: view.name }), id: `tab-${view.name}`,
                 "aria-selected": String(view.name === state.view),
                 title: i < 9 ? `Key ${i + 1}` : null,
                 click: (event) => {
                     event.preventDefault();
                     show({ view: view.name });
                 } }, view.title)));
}

function costSwitch() {
    return h("div.costs", { role: "radiogroup", "aria-label": "Cost" },
        Object.entries(COSTS).map(([name, cost]) =>
            h("button", { role: "radio", "aria-checked": String(name === state.cost),
                          title: cost.words, "data-cost": name,
                          click: () => show({ cost: name }) }, cost.name)));
}

function windowLine(selection) {
    const { borders } = page.lives, { from, to } = selection;
    const step = (borders.times[page.lives.intervals] - borders.times[0]) / page.lives.intervals;
    const change = borders.bytes[to] - borders.bytes[from];
    if (selection.whole)
        return [h("strong", {}, "The whole run"),
                h("span.dim", {}, "Drag over the time line to look at a part of it")];
    return [
        h("strong", {}, `${moment(selection.fromNs, step)} – ${moment(selection.toNs, step)}`),
        h("span", {}, `${count(borders.numbers[to] - borders.numbers[from])} events`),
        h("span", {}, `live ${bytes(borders.bytes[from])} → ${bytes(borders.bytes[to])} (${
            change >= 0 ? "+" : ""}${bytes(change)})`),
        h("button", { click: () => show({ from: null, to: null }), title: "Escape" },
            "Whole run"),
        h("button", { click: () => page.timeline.zoomTo(selection), title: "z" }, "Zoom here"),
    ];
}

function bound(selection) {
    return Math.max(0, Math.min(page.lives.intervals, selection));
}

function selected() {
    let from = state.from === null ? 0 : bound(state.from);
    let to = state.to === null ? page.lives.intervals : bound(state.to);
    if (from >= to)
        [from, to] = [0, page.lives.intervals];
    return page.selections.get(from, to);
}

function render() {
    const begin = performance.now();
    if (!Object.hasOwn(COSTS, state.cost)) // the address may say anything
        state.cost = "peak";
    const list = usable(), view = list.find((v) => v.name === state.view) || list[0];
    const selection = selected();
    if (!elements.has(view))
        elements.set(view, h(`section.view.view-${view.name}`,
            { role: "tabpanel", "aria-labelledby": `tab-${view.name}`, tabindex: "-1" }));
    const element = elements.get(view);
    if (!element.isConnected)
        clear(page.panel, element);
    for (const tab of page.tabs.children)
        tab.setAttribute("aria-selected", String(tab.id === `tab-${view.name}`));
    for (const button of page.costs.children)
        button.setAttribute("aria-checked", String(button.dataset.cost === state.cost));
    page.costs.hidden = !view.cost;
    clear(page.windowLine, windowLine(selection));
    page.timeline.select(selection);
    view.render(element, selection, page);
    page.renderMs = performance.now() - begin;
}

function key(event) {
    const typing = /INPUT|TEXTAREA|SELECT/.test(event.target.tagName);
    if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog"))
        return;
    if (event.key === "Escape" && typing)
        event.target.blur();
    if (typing)
        return;
    const search = () => page.panel.querySelector("input[type=search]");
    const list = usable();
    if (event.key >= "1" && event.key <= "9" && list[event.key - 1])
        show({ view: list[event.key - 1].name });
    else if (event.key === "/" && search())
        search().focus();
    else if (event.key === "t")
        toggleTheme();
    else if (event.key === "?")
        openHelp();
    else if (event.key === "z")
        page.timeline.zoomTo(selected());
    else if (event.key === "Escape" && !event.defaultPrevented)
        show({ from: null, to: null });
    else
        return;
    event.preventDefault();
}

function selectNs(from_ns, to_ns, changes = {}) {
    let from = page.selections.nearest(from_ns), to = page.selections.nearest(to_ns);
    if (from === to)
        to < page.lives.intervals ? to++ : from--;
    const whole = from <= 0 && to >= page.lives.intervals;
    show({ from: whole ? null : from, to: whole ? null : to, ...changes });
}

async function start() {
    useTheme();
    await unpackSections();
    page.lives = readLives(sectionBytes("lives"));
    page.tree = makeTree(page.lives);
    page.selections = new Selections(page.lives, page.tree);
    page.info = sectionJson("info").result;
    page.selectNs = selectNs;
    document.title = `${baseName(page.info.process.exe) || "program"} · seep`;
    page.windowLine = h("div.window", { "aria-live": "polite" });
    page.tabs = tabs();
    page.costs = costSwitch();
    page.panel = h("main", {});
    const chart = h("div.timeline", { tabindex: "0", role: "group",
                                      "aria-label": "Heap over time" });
    clear(app, heading(), warnings(), chart, page.windowLine,
        h("div.bar-of-tabs", {}, page.tabs, page.costs), page.panel);
    page.timeline = new Timeline(chart, page);
    onShow(render);
    addEventListener("keydown", key);
    render();
    document.documentElement.dataset.ready = String(Math.round(performance.now()));
}

start().catch((trouble) => {
    clear(app, h("div.warning", { role: "alert" },
        `The report could not be shown, which takes a browser of 2023 or later: ${trouble.message}`));
    throw trouble;
});
// for tests and for the curious
window.seepReport = page;
