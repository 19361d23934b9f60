// SPDX-License-Identifier: MIT
// The heap over time, in which a window is selected by dragging. Zooming is apart from selecting:
// by the wheel, and to what is selected.
import uPlot from "uplot";
import { bytes, count, ns } from "./format.js";
import { colour, onTheme } from "./theme.js";

const HEIGHT = 168, WHEEL = 1.25;
// round figures of bytes: powers of two
const BYTE_STEPS = Array.from({ length: 50 }, (_, i) => 2 ** i);

function columns(growth) {
    const { series } = growth, width_s = series.width_ns / 1e9;
    const at = (i) => (growth.start_ns + i * series.width_ns) / 1e9;
    const x = [], live = [], rss = [], rate = [];
    const end_s = growth.end_ns / 1e9;
    series.max_bytes.forEach((value, i) => {
        const span = Math.min(width_s, Math.max(end_s - at(i), 1e-9));
        x.push(at(i));
        live.push(value);
        rss.push(series.rss_max && series.rss_max[i] ? series.rss_max[i] : null);
        rate.push(series.allocations[i] / Math.max(span, width_s / 4));
    });
    x.push(Math.max(end_s, x[x.length - 1] + 1e-6));
    live.push(series.last_bytes[series.last_bytes.length - 1] || 0);
    rss.push(rss[rss.length - 1]);
    rate.push(0);
    return [x, live, rss, rate];
}

export class Timeline {
    constructor(element, page) {
        this.element = element;
        this.page = page;
        this.growth = page.section("growth").result;
        this.data = columns(this.growth);
        this.draw();
        onTheme(() => this.draw());
        new ResizeObserver(() => {
            if (element.clientWidth !== this.plot.width)
                this.plot.setSize({ width: element.clientWidth, height: HEIGHT });
            this.showSelection();
        }).observe(element);
        element.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
        element.addEventListener("keydown", (event) => this.key(event));
    }

    options() {
        const axis = { stroke: colour("--dim"), grid: { stroke: colour("--grid"), width: 1 },
                       ticks: { stroke: colour("--grid"), width: 1 }, font: "11px system-ui" };
        const time = (u, values) => values.map((s) => ns(Math.round(s * 1e9)));
        const most = (column) => this.data[column].reduce((a, b) => Math.max(a, b), 0);
        const hasRss = most(2) > 0;
        // one axis where both can be read on it
        const rss = hasRss && most(2) > 4 * most(1) ? "rss" : "y";
        return {
            width: this.element.clientWidth || 800,
            height: HEIGHT,
            padding: [8, 4, 0, 0],
            cursor: { drag: { x: true, y: false, setScale: false, dist: 4 },
                      points: { size: 6 } },
            legend: { live: true, markers: { width: 2 } },
            scales: { x: { time: false }, y: { range: (u, low, high) => [0, high * 1.08 || 1] },
                      rss: { range: (u, low, high) => [0, high * 1.08 || 1] },
                      rate: { range: (u, low, high) => [0, high * 3 || 1] } },
            axes: [{ ...axis, values: time, size: 28 },
                   { ...axis, values: (u, values) => values.map(bytes), size: 72, incrs: BYTE_STEPS },
                   { ...axis, scale: "rss", side: 1, show: rss === "rss", grid: { show: false }, size: 72,
                     incrs: BYTE_STEPS,
                     values: (u, values) => values.map(bytes), stroke: colour("--rss") }],
            series: [
                { label: "at", value: (u, v) => v === null ? "" : ns(Math.round(v * 1e9)) },
                { label: "live", scale: "y", stroke: colour("--live"), fill: colour("--live-fill"),
                  width: 1.5, paths: uPlot.paths.stepped({ align: 1 }), points: { show: false },
                  value: (u, v) => v === null ? "" : bytes(v) },
                { label: "RSS", scale: rss, stroke: colour("--rss"), width: 1.2, dash: [4, 3],
                  show: hasRss, spanGaps: true, points: { show: false },
                  value: (u, v) => v === null ? "" : bytes(v) },
                { label: "allocations a second", scale: "rate", stroke: colour("--rate"),
                  width: 1, fill: colour("--rate-fill"), points: { show: false },
                  paths: uPlot.paths.stepped({ align: 1 }),
                  value: (u, v) => v === null ? "" : count(v) },
            ],
            hooks: { setSelect: [(u) => this.dragged(u)], draw: [(u) => this.drawMarks(u)],
                     setScale: [() => this.showSelection()] },
        };
    }

    draw() {
        const scale = this.plot && { min: this.plot.scales.x.min, max: this.plot.scales.x.max };
        this.plot?.destroy();
        this.plot = new uPlot(this.options(), this.data, this.element);
        this.plot.over.addEventListener("dblclick", () => {
            this.zoom(this.data[0][0], this.data[0].at(-1));
            this.page.show({ from: null, to: null });
        });
        if (scale)
            this.plot.setScale("x", scale);
        this.showSelection();
    }

    // A window was drawn; a mere click is none.
    dragged(u) {
        if (this.showing || u.select.width < 4)
            return;
        const at = (px) => u.posToVal(px, "x") * 1e9;
        this.page.selectNs(at(u.select.left), at(u.select.left + u.select.width));
        this.showSelection();
    }

    select(selection) {
        this.selection = selection;
        this.showSelection();
    }

    showSelection() {
        const u = this.plot, s = this.selection;
        if (!u || !s || u.status === 0)
            return;
        this.showing = true;
        if (s.whole) {
            u.setSelect({ left: 0, width: 0, top: 0, height: 0 }, false);
        } else {
            const px = (time_ns) => Math.max(0, Math.min(u.over.clientWidth,
                u.valToPos(time_ns / 1e9, "x")));
            const left = px(s.fromNs);
            u.setSelect({ left, width: Math.max(1, px(s.toNs) - left), top: 0,
                          height: u.over.clientHeight }, false);
        }
        this.showing = false;
    }

    drawMarks(u) {
        const { ctx } = u, { top, height, left, width } = u.bbox, ratio = devicePixelRatio || 1;
        let free = -Infinity; // where the last label ends
        ctx.save();
        ctx.font = `${11 * ratio}px system-ui`;
        ctx.textAlign = "left";
        ctx.textBaseline = "alphabetic";
        ctx.setLineDash([3 * ratio, 3 * ratio]);
        for (const mark of this.growth.marks) {
            const x = Math.round(u.valToPos(mark.time_ns / 1e9, "x", true));
            if (x < left || x > left + width)
                continue;
            ctx.strokeStyle = ctx.fillStyle = colour("--mark");
            ctx.beginPath();
            ctx.moveTo(x, top);
            ctx.lineTo(x, top + height);
            ctx.stroke();
            const label = ctx.measureText(mark.name).width + 8 * ratio;
            if (x > free && x + label < left + width) {
                ctx.fillStyle = colour("--panel");
                ctx.fillRect(x + 1, top, label, 14 * ratio);
                ctx.fillStyle = colour("--mark");
                ctx.fillText(mark.name, x + 4 * ratio, top + 11 * ratio);
                free = x + label;
            }
        }
        ctx.setLineDash([]);
        for (const peak of this.growth.peaks.slice(0, 3)) {
            const x = u.valToPos(peak.time_ns / 1e9, "x", true);
            const y = u.valToPos(peak.bytes, "y", true);
            if (x < left || x > left + width)
                continue;
            ctx.fillStyle = colour("--live");
            ctx.beginPath();
            ctx.arc(x, y, 3.5 * ratio, 0, 7);
            ctx.fill();
        }
        ctx.restore();
    }

    zoom(min, max) {
        const low = this.data[0][0], high = this.data[0].at(-1);
        const from = Math.max(low, min), to = Math.min(high, max);
        if (to > from)
            this.plot.setScale("x", { min: from, max: to });
    }

    zoomTo(selection) {
        this.zoom(selection.fromNs / 1e9, selection.toNs / 1e9);
    }

    zoomAt(x, factor) {
        const { min, max } = this.plot.scales.x;
        this.zoom(x - (x - min) * factor, x + (max - x) * factor);
    }

    wheel(event) {
        if (!event.deltaY || event.shiftKey)
            return;
        event.preventDefault();
        const box = this.plot.over.getBoundingClientRect();
        this.zoomAt(this.plot.posToVal(event.clientX - box.left, "x"),
            event.deltaY > 0 ? WHEEL : 1 / WHEEL);
    }

    key(event) {
        const { from, to } = this.selection, last = this.page.lives.intervals;
        const middle = (this.plot.scales.x.min + this.plot.scales.x.max) / 2;
        const step = (event.key === "ArrowLeft" ? -1 : 1) * Math.max(1, Math.round(last / 100));
        if (event.key === "ArrowLeft" || event.key === "ArrowRight") {
            const begin = event.shiftKey ? from : Math.max(0, Math.min(from + step, last - (to - from)));
            const end = event.shiftKey ? to + step : begin + (to - from);
            this.page.show({ from: begin, to: Math.max(begin + 1, Math.min(last, end)) });
        } else if (event.key === "+" || event.key === "-") {
            this.zoomAt(middle, event.key === "-" ? WHEEL : 1 / WHEEL);
        } else {
            return;
        }
        event.preventDefault();
        event.stopPropagation();
    }
}
