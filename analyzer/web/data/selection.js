// SPDX-License-Identifier: MIT
// A window between two borders, and what was summed up of it: each sum is made when first asked
// for, and kept.
import { classesBetween, costsBetween, peakBorder } from "./lives.js";
import { functionCosts, nodeCosts, siteCosts } from "./tree.js";

const KEPT = 6; // windows whose sums are kept: one goes back and forth

export class Selection {
    constructor(lives, tree, from, to) {
        Object.assign(this, { lives, tree, from, to });
        this.whole = from === 0 && to === lives.intervals;
        this.fromNs = lives.borders.times[from];
        this.toNs = lives.borders.times[to];
        this.sums = new Map();
    }
    // `make` is called once.
    sum(name, make) {
        if (!this.sums.has(name))
            this.sums.set(name, make());
        return this.sums.get(name);
    }
    places() {
        return this.sum("places", () => costsBetween(this.lives, this.from, this.to));
    }
    // { self, total }, by node of the tree, of a cost as in parts/format.js.
    nodes(cost) {
        return this.sum(`nodes ${cost}`, () => nodeCosts(this.tree, this.places()[cost]));
    }
    functions(cost) {
        return this.sum(`functions ${cost}`, () => functionCosts(this.tree, this.nodes(cost)));
    }
    // By function, what it asked for.
    sites(cost) {
        return this.sum(`sites ${cost}`, () => siteCosts(this.tree, this.nodes(cost)));
    }
    total(cost) {
        return this.nodes(cost).total[0];
    }
    sizes() {
        return this.sum("sizes", () => classesBetween(this.lives.sizes, this.from, this.to));
    }
    lifetimes() {
        return this.sum("lifetimes", () => classesBetween(this.lives.lifetimes, this.from, this.to));
    }
    peakBorder() {
        return peakBorder(this.lives, this.from, this.to);
    }
    // The options that make seep's commands look at the same window.
    options() {
        const { numbers } = this.lives.borders;
        return (this.from ? ` --from='#${numbers[this.from]}'` : "") +
            (this.to < this.lives.intervals ? ` --to='#${numbers[this.to] - 1}'` : "");
    }
}

export class Selections {
    constructor(lives, tree) {
        Object.assign(this, { lives, tree });
        this.kept = new Map();
    }
    get(from, to) {
        const key = `${from}-${to}`;
        const found = this.kept.get(key) || new Selection(this.lives, this.tree, from, to);
        this.kept.delete(key);
        this.kept.set(key, found);
        if (this.kept.size > KEPT)
            this.kept.delete(this.kept.keys().next().value);
        return found;
    }
    // The border nearest to a time.
    nearest(time_ns) {
        const times = this.lives.borders.times;
        let low = 0, high = times.length - 1;
        while (low < high) {
            const middle = (low + high) >> 1;
            if (times[middle] < time_ns)
                low = middle + 1;
            else
                high = middle;
        }
        return low > 0 && time_ns - times[low - 1] < times[low] - time_ns ? low - 1 : low;
    }
}
