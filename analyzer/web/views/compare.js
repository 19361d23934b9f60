// SPDX-License-Identifier: MIT
// What other allocators would change: resident memory over time with each, and what it would cost.
import uPlot from "uplot";
import { clear, h } from "../parts/dom.js";
import { bytes, count, ns } from "../parts/format.js";
import { Table } from "../parts/table.js";
import { colour, onTheme } from "../parts/theme.js";
import { addView } from "./view.js";

const HEIGHT = 260;
const HUES = [210, 20, 150, 280, 45, 330, 180, 0, 95, 250]; // of candidates, in their order
let table, plot;

const name = (c) => c.settings ? `${c.name} ${c.settings}` : c.name;
const hue = (i) => `hsl(${HUES[i % HUES.length]} 65% 50%)`;

// What it is more or less than what was recorded.
function change(value, recorded) {
    if (!recorded || value === null)
        return "";
    const p = Math.round(100 * (value - recorded) / recorded);
    return p > 0 ? `+${p} %` : p < 0 ? `−${-p} %` : "±0 %";
}

// The curve of the recording allocator is what was recorded, by the way in which predictions are made.
function curves(result) {
    return result.candidates.map((c, i) => ({ label: name(c), rss: c.rss, stroke: hue(i), recorded: c.recorded }))
        .filter((c) => !c.recorded);
}

function options(element, list) {
    const axis = { stroke: colour("--dim"), grid: { stroke: colour("--grid"), width: 1 },
                   ticks: { stroke: colour("--grid"), width: 1 }, font: "11px system-ui" };
    const value = (u, v) => v === null ? "" : bytes(v);
    const line = { spanGaps: true, points: { show: false }, value };
    return {
        width: element.clientWidth || 800,
        height: HEIGHT,
        padding: [8, 8, 0, 0],
        cursor: { drag: { x: true, y: false } },
        scales: { x: { time: false }, y: { range: (u, low, high) => [0, high * 1.08 || 1] } },
        axes: [{ ...axis, values: (u, values) => values.map((s) => ns(Math.round(s * 1e9))), size: 28 },
               { ...axis, values: (u, values) => values.map(bytes), size: 72,
                 incrs: Array.from({ length: 50 }, (_, i) => 2 ** i) }],
        series: [{ label: "at", value: (u, v) => v === null ? "" : ns(Math.round(v * 1e9)) },
                 { ...line, label: "recorded", stroke: colour("--text"), width: 2.5 },
                 ...list.map((c) => ({ ...line, label: c.label, stroke: c.stroke, width: 1.5 }))],
    };
}

function draw(element, result) {
    const list = curves(result), known = (v) => v || null; // 0: not looked at yet
    const data = [result.times.map((t) => t / 1e9), result.rss.map(known),
                  ...list.map((c) => c.rss.map(known))];
    plot?.destroy();
    plot = new uPlot(options(element, list), data, element);
}

function doubt(result) {
    const check = result.self_check;
    if (check && check.sound)
        return null;
    const text = !check ? `The recording allocator cannot be replayed: ${result.self_missing}. What a replay gets ` +
        "wrong is not taken off the predictions."
        : check.peak_miss_percent === null ? "The replay could not be checked against the recording, which tells " +
            "no mappings."
            : `The replay misses its own recording by ${check.peak_miss_percent.toFixed(1)} % at the peak and ${
                check.final_miss_percent.toFixed(1)} % in the end: predictions may be off by as much.`;
    return h("div.warning", { role: "note" }, text);
}

function verdict({ sentences, lines }) {
    return h("div.verdict", {}, sentences.map((s, i) => i ? h("p", {}, s) : h("h2", {}, s)),
        lines.map((line) => h("p.command", {}, h("code", {}, line))));
}

const calls = (c) => c.memory_calls ? Object.entries(c.memory_calls).filter(([, n]) => n)
    .map(([what, n]) => `${count(n)} ${what}`).join(", ") || "none" : "not known";

function evidence(c) {
    const facts = [
        ["Library", c.library || "the C library's"],
        ["Least after the peak", c.trough_rss_bytes === null ? "" : bytes(c.trough_rss_bytes)],
        ["Slack inside blocks, in the end", bytes(c.slack_bytes)],
        ["System calls on memory", calls(c)],
        ["Page faults", `${count(c.minor_faults)} minor, ${count(c.major_faults)} major`],
        ["Switches of context", `${count(c.voluntary_switches)} voluntary, ${count(c.involuntary_switches)} not`],
        ["Replays for memory", `${count(c.runs)}, at most ${ns(c.late_ns)} behind the recorded times`],
        ["Calls that failed", c.failed_calls ? count(c.failed_calls) : ""],
        ["Note", c.note],
    ];
    return h("div.detail.card", {}, h("dl", {}, facts.filter(([, text]) => text).map(([what, text]) =>
        [h("dt", {}, what), h("dd", {}, text)])));
}

function columns(result) {
    const { recorded } = result;
    const memory = (title, field) => ({ name: title, value: (c) => c[field] ?? Infinity, least: true,
        show: (c) => c[field] === null ? "" : [h("span", {}, bytes(c[field])),
            h("span.dim", {}, ` ${change(c[field], recorded[field])}`)] });
    const quantile = (title, call, part) => ({ name: title, least: true,
        value: (c) => c[call] ? c[call][part] : Infinity, show: (c) => c[call] ? ns(c[call][part]) : "" });
    return [
        { name: "Allocator", text: true, value: name,
          show: (c) => h("span.function", {}, h("b", { style: `color:${c.recorded ? "var(--text)"
              : hue(result.candidates.indexOf(c))}`, "aria-hidden": "true" }, "■"),
          h("span.name", { title: name(c) }, `${c.name} ${c.version}`, c.settings ? ` ${c.settings}` : ""),
          c.recorded ? h("span.where", {}, "recorded with it") : null) },
        { ...memory("Peak", "peak_rss_bytes"), first: true },
        { name: "±", value: (c) => c.error_percent, show: (c) => c.runs > 1 ? `${c.error_percent.toFixed(1)} %` : "–",
          title: "half of what lies between the replays that are farthest apart" },
        memory("End", "final_rss_bytes"), memory("Mean", "mean_rss_bytes"),
        { name: "Free", value: (c) => c.resident_free_bytes, show: (c) => bytes(c.resident_free_bytes),
          title: "resident in the end and in no block" },
        { name: "CPU", value: (c) => c.cpu_ns, least: true, show: (c) => ns(c.cpu_ns),
          title: "of a replay without gaps, which writes to the blocks, too" },
        { name: "Calls/s", value: (c) => c.calls_per_second,
          show: (c) => `${(c.calls_per_second / 1e6).toFixed(1)} M` },
        quantile("malloc", "malloc_ns", "p50"), quantile("P99", "malloc_ns", "p99"),
        quantile("free P99", "free_ns", "p99"),
    ];
}

function render(element, selection, page) {
    if (table)
        return; // it is of the whole run, whatever the window is
    const { result } = page.section("compare"), chart = h("div.curves", { role: "img",
        "aria-label": "resident memory over time with each allocator" });
    table = new Table(columns(result), { below: evidence, id: name, label: "Allocators" });
    clear(element, doubt(result), verdict(result.verdict),
        result.times.length ? chart : null, table.set(result.candidates),
        h("p.dim", {}, "Predictions for the program, without seep's own memory; replays of the recording with " +
            "each allocator tell the difference. Drag over the curves to look closer, double-click for all; a click " +
            "on a name below them hides a curve."));
    if (!result.times.length)
        return;
    draw(chart, result);
    onTheme(() => draw(chart, result));
    new ResizeObserver(() => {
        if (chart.clientWidth && chart.clientWidth !== plot.width)
            plot.setSize({ width: chart.clientWidth, height: HEIGHT });
    }).observe(chart);
}

addView({ name: "compare", title: "Other allocators", needs: ["compare"], render });
