// SPDX-License-Identifier: MIT
// A flame graph on a canvas, the outermost frame on top. Only what can be seen is drawn, however
// large the tree: frames narrower than MIN_WIDTH are drawn together.
import { hueOf } from "./dom.js";
import { baseName, shortName } from "./format.js";
import { childrenOf } from "../data/tree.js";
import { colour, isDark } from "./theme.js";

const ROW = 20, MIN_WIDTH = 0.6, NAME_WIDTH = 28;

export class FlameChart {
    // `on` has over(node or null, event), open(node).
    constructor(scroller, on) {
        this.on = on;
        this.scroller = scroller;
        this.canvas = document.createElement("canvas");
        this.canvas.tabIndex = 0;
        this.canvas.setAttribute("role", "img");
        this.space = document.createElement("div");
        this.space.className = "flame-space";
        this.space.append(this.canvas);
        scroller.replaceChildren(this.space);
        this.hits = new Set();
        this.at = 0; // the frame that the keys are at
        this.drawn = [];
        scroller.addEventListener("scroll", () => this.paint());
        new ResizeObserver(() => this.paint()).observe(scroller);
        this.canvas.addEventListener("mousemove", (e) => this.hover(this.find(e), e));
        this.canvas.addEventListener("mouseleave", (e) => this.hover(null, e));
        this.canvas.addEventListener("click", (e) => {
            const node = this.find(e);
            if (node !== null)
                this.on.open(node);
        });
        this.canvas.addEventListener("keydown", (e) => this.key(e));
    }

    // `zoom`: the node that is as wide as the chart, below its callers.
    set(tree, costs, zoom, hits) {
        const same = this.tree === tree && this.costs === costs && this.zoom === zoom;
        Object.assign(this, { tree, costs, zoom, hits });
        if (!same) {
            this.order = new Map(); // children by cost
            this.at = zoom;
            this.depth = this.deepest();
            this.space.style.height = `${(this.depth + 1) * ROW + 4}px`;
        }
        this.paint();
    }

    sorted(node) {
        if (!this.order.has(node)) {
            const total = this.costs.total;
            this.order.set(node, [...childrenOf(this.tree, node)].filter((c) => total[c] > 0)
                .sort((a, b) => total[b] - total[a]));
        }
        return this.order.get(node);
    }

    width() {
        return this.scroller.clientWidth;
    }

    deepest() {
        const least = this.costs.total[this.zoom] / Math.max(1, this.width()) * MIN_WIDTH;
        let deepest = this.tree.depth[this.zoom];
        const stack = [this.zoom];
        while (stack.length) {
            const node = stack.pop();
            deepest = Math.max(deepest, this.tree.depth[node]);
            for (const child of childrenOf(this.tree, node))
                if (this.costs.total[child] > 0 && this.costs.total[child] >= least)
                    stack.push(child);
        }
        return deepest;
    }

    paint() {
        if (!this.tree)
            return;
        const ratio = devicePixelRatio || 1, width = this.width();
        const height = Math.min(this.scroller.clientHeight, (this.depth + 1) * ROW + 4);
        const ctx = this.canvas.getContext("2d");
        if (this.canvas.width !== Math.round(width * ratio) ||
            this.canvas.height !== Math.round(height * ratio)) {
            this.canvas.width = Math.round(width * ratio);
            this.canvas.height = Math.round(height * ratio);
            this.canvas.style.width = `${width}px`;
            this.canvas.style.height = `${height}px`;
        }
        ctx.setTransform(ratio, 0, 0, ratio, 0, 0);
        ctx.clearRect(0, 0, width, height);
        ctx.font = "12px system-ui, sans-serif";
        ctx.textBaseline = "middle";
        this.look = { dark: isDark(), text: colour("--flame-text"), hit: colour("--hit"),
                      line: colour("--panel"), focus: colour("--text"),
                      rest: colour("--flame-rest"), top: this.scroller.scrollTop,
                      bottom: this.scroller.scrollTop + height };
        this.drawn = [];
        for (let up = this.tree.parent[this.zoom], at = this.zoom; at; at = up, up = this.tree.parent[up])
            this.box(ctx, up, 0, width, true);
        this.below(ctx, width);
    }

    below(ctx, width) {
        const scale = width / Math.max(this.costs.total[this.zoom], 1e-9);
        const stack = [[this.zoom, 0]];
        while (stack.length) {
            const [node, x] = stack.pop();
            const own = node === this.zoom ? width : this.costs.total[node] * scale;
            this.box(ctx, node, x, own, false);
            if ((this.tree.depth[node] + 1) * ROW > this.look.bottom)
                continue;
            let at = x, rest = 0;
            for (const child of this.sorted(node)) {
                const w = this.costs.total[child] * scale;
                if (w < MIN_WIDTH)
                    rest += w;
                else
                    stack.push([child, at]);
                at += w;
            }
            if (rest >= MIN_WIDTH) {
                ctx.fillStyle = this.look.rest;
                ctx.fillRect(at - rest, (this.tree.depth[node] + 1) * ROW - this.look.top, rest,
                    ROW - 1);
            }
        }
    }

    box(ctx, node, x, width, above) {
        const y = this.tree.depth[node] * ROW - this.look.top;
        if (y + ROW < 0 || y > this.look.bottom - this.look.top)
            return;
        const f = this.tree.functions[this.tree.functionOf[node]], look = this.look;
        const hit = this.hits.has(this.tree.functionOf[node]);
        this.drawn.push([node, x, y, width]);
        ctx.globalAlpha = above ? 0.55 : this.hits.size && !hit ? 0.45 : 1;
        ctx.fillStyle = hit ? look.hit : frameColour(f, look.dark);
        ctx.beginPath();
        ctx.roundRect(x + 0.5, y + 0.5, Math.max(width - 1, 0.6), ROW - 1.5, Math.min(3, width / 3));
        ctx.fill();
        if (node === this.at && document.activeElement === this.canvas) {
            ctx.strokeStyle = look.focus;
            ctx.lineWidth = 1.5;
            ctx.stroke();
        }
        ctx.globalAlpha = above ? 0.8 : ctx.globalAlpha;
        if (width > NAME_WIDTH) {
            ctx.fillStyle = look.text;
            ctx.fillText(this.label(ctx, f, width - 10), x + 5, y + ROW / 2 + 0.5);
        }
        ctx.globalAlpha = 1;
    }

    // The longest form of the name that fits.
    label(ctx, f, room) {
        if (!f.short)
            f.short = shortName(f.name);
        const fits = (text) => text.length * 5 <= room || ctx.measureText(text).width <= room;
        if (f.name.length < 80 && fits(f.name) && ctx.measureText(f.name).width <= room)
            return f.name;
        if (ctx.measureText(f.short).width <= room)
            return f.short;
        f.letter ||= ctx.measureText(f.short).width / f.short.length;
        return `${f.short.slice(0, Math.max(1, Math.floor(room / f.letter) - 1))}…`;
    }

    find(event) {
        const box = this.canvas.getBoundingClientRect();
        const x = event.clientX - box.left, y = event.clientY - box.top;
        const found = this.drawn.find(([, left, top, width]) =>
            x >= left && x < left + width && y >= top && y < top + ROW);
        return found ? found[0] : null;
    }

    hover(node, event) {
        this.canvas.style.cursor = node === null ? "default" : "pointer";
        this.on.over(node, event);
    }

    // Places in the page of what is drawn: [node, x, y, width], for tests.
    boxes() {
        return this.drawn;
    }

    key(event) {
        const parent = this.tree.parent[this.at];
        const siblings = this.at ? this.sorted(parent) : [0];
        const among = siblings.indexOf(this.at);
        const to = { ArrowUp: this.at ? parent : undefined, ArrowDown: this.sorted(this.at)[0],
                     ArrowLeft: siblings[among - 1], ArrowRight: siblings[among + 1] }[event.key];
        if (event.key === "Enter" || event.key === " ")
            this.on.open(this.at);
        else if (event.key === "Escape" && this.zoom)
            this.on.open(0);
        else if (!event.key.startsWith("Arrow"))
            return;
        if (to !== undefined) {
            this.at = to;
            const y = this.tree.depth[to] * ROW;
            if (y < this.scroller.scrollTop || y + ROW > this.scroller.scrollTop + this.scroller.clientHeight)
                this.scroller.scrollTop = y - this.scroller.clientHeight / 2;
            this.on.over(to, null);
        }
        event.preventDefault();
        event.stopPropagation();
        this.paint();
    }
}

function frameColour(f, dark) {
    const key = dark ? "darkColour" : "lightColour";
    if (!f[key]) {
        const hue = f.module ? hueOf(baseName(f.module)) : 0, saturation = f.module ? dark ? 38 : 62 : 0;
        const light = (dark ? 30 : 72) + hueOf(f.name) % 9;
        f[key] = `hsl(${hue} ${saturation}% ${light}%)`;
    }
    return f[key];
}
