// SPDX-License-Identifier: MIT
// Where blocks were made, when, and when they ended, by interval: what every figure of a window is
// summed up from. The bytes are described in analyzer/page/lives.h, the sums in
// analyzer/analysis/lives.h.

class Cursor {
    constructor(bytes) {
        this.bytes = bytes;
        this.at = 0;
    }
    next() {
        const bytes = this.bytes;
        let byte = bytes[this.at++];
        if (byte < 0x80)
            return byte;
        let value = byte & 0x7f, scale = 128;
        do {
            byte = bytes[this.at++];
            value += (byte & 0x7f) * scale;
            scale *= 128;
        } while (byte >= 0x80);
        return value;
    }
    // Millions of numbers, most of them a byte long.
    column(Type, count, from = 0) {
        const out = new Type(from + count), bytes = this.bytes;
        let at = this.at;
        for (let i = from; i < from + count; i++) {
            let byte = bytes[at++], value = byte & 0x7f;
            for (let scale = 128; byte >= 0x80; scale *= 128) {
                byte = bytes[at++];
                value += (byte & 0x7f) * scale;
            }
            out[i] = value;
        }
        this.at = at;
        return out;
    }
}

const unzigzag = (v) => v % 2 ? -(v + 1) / 2 : v / 2;

function readBorders(c) {
    const count = c.next();
    const numbers = c.column(Float64Array, count);
    const times = c.column(Float64Array, count).map(unzigzag);
    for (let i = 1; i < count; i++)
        times[i] += times[i - 1];
    for (let i = 1; i < count; i++)
        numbers[i] += numbers[i - 1];
    return { numbers, times, bytes: c.column(Float64Array, count),
             blocks: c.column(Float64Array, count) };
}

function readTexts(c) {
    const decoder = new TextDecoder(), texts = [null];
    for (let left = c.next(); left > 0; left--) {
        const length = c.next();
        texts.push(decoder.decode(c.bytes.subarray(c.at, c.at + length)));
        c.at += length;
    }
    return texts;
}

export const SMALLER_PLACE = 1, WRAPPER_PLACE = 2; // flags

// Place 0 is the root; a parent's number is smaller than its children's.
function readPlaces(c) {
    const count = c.next();
    const of = (Type) => c.column(Type, count, 1);
    const parent = of(Uint32Array);
    for (let i = 1; i <= count; i++)
        parent[i] = i - parent[i];
    return { count: count + 1, parent, functions: of(Uint32Array), modules: of(Uint32Array),
             files: of(Uint32Array), lines: of(Uint32Array), flags: of(Uint8Array) };
}

function readRows(c, intervals) {
    const count = c.next(), never = intervals + 1;
    const key = c.column(Uint32Array, count), born = c.column(Uint32Array, count);
    const ended = c.column(Uint32Array, count), processEnd = new Map();
    for (let i = 1; i < count; i++) {
        if (!key[i])
            born[i] += born[i - 1];
        key[i] += key[i - 1];
    }
    for (let i = 0; i < count; i++) {
        if (ended[i] > 1 && ended[i] % 2)
            processEnd.set(i, (ended[i] - 1) / 2);
        ended[i] = ended[i] % 2 ? never : born[i] + ended[i] / 2;
    }
    const blocks = c.column(Uint32Array, count), temporary = c.column(Uint32Array, count);
    const bytes = c.column(Float64Array, count);
    for (let i = 0, each = 0; i < count; i++) {
        const n = ++blocks[i];
        bytes[i] = unzigzag(bytes[i]) + each * n;
        each = n === 1 ? bytes[i] : Math.floor(bytes[i] / n);
    }
    return { count, key, born, ended, blocks, temporary, bytes, processEnd };
}

function readClasses(c) {
    const count = c.next();
    const of = () => c.column(Float64Array, count);
    const interval = of();
    for (let i = 1; i < count; i++)
        interval[i] += interval[i - 1];
    return { count, interval, kind: of(), made: of(), madeBytes: of(), freed: of(),
             freedBytes: of() };
}

export function readLives(bytes) {
    const c = new Cursor(bytes);
    if (c.next() !== 1)
        throw new Error("the data is of another version than the page");
    const borders = readBorders(c), texts = readTexts(c), places = readPlaces(c);
    const intervals = borders.times.length - 1;
    const rows = readRows(c, intervals);
    return { borders, intervals, texts, places, rows, sizes: readClasses(c),
             lifetimes: readClasses(c) };
}

// The border within [from, to] where the most is live, the first of them.
export function peakBorder(lives, from, to) {
    const bytes = lives.borders.bytes;
    let peak = from;
    for (let i = from + 1; i <= to; i++)
        if (bytes[i] > bytes[peak])
            peak = i;
    return peak;
}

// What each place cost by itself between two borders, `from` < `to`.
export function costsBetween(lives, from, to) {
    const { rows, places, intervals } = lives;
    const zero = () => new Float64Array(places.count);
    const costs = { peak: zero(), live: zero(), growth: zero(), allocated: zero(),
                    allocations: zero(), temporary: zero(), left: zero(), leftBlocks: zero() };
    const peak = peakBorder(lives, from, to), never = intervals + 1;
    const { key, born, ended, blocks, temporary, bytes, processEnd } = rows;
    for (let i = 0; i < rows.count; i++) {
        const b = born[i], e = ended[i], k = key[i], size = bytes[i];
        if (b > to || e <= from)
            continue;
        if (e > to)
            costs.growth[k] += size;
        if (b <= from) {
            costs.growth[k] -= size;
            continue;
        }
        costs.allocations[k] += blocks[i];
        costs.allocated[k] += size;
        if (e <= to) {
            costs.temporary[k] += temporary[i];
        } else {
            costs.live[k] += size;
            if (e === never) {
                costs.left[k] += size;
                costs.leftBlocks[k] += blocks[i];
            }
        }
        if (b <= peak && e > peak && !(processEnd.size && processEnd.get(i) <= peak))
            costs.peak[k] += size;
    }
    return costs;
}

// Sums by class of size, or of lifetime, between two borders: what was made and freed within, and
// what is live at the second.
export function classesBetween(classes, from, to) {
    const out = new Map();
    for (let i = 0; i < classes.count; i++) {
        const interval = classes.interval[i], kind = classes.kind[i];
        if (interval > to)
            break;
        if (!out.has(kind))
            out.set(kind, { made: 0, madeBytes: 0, freed: 0, freedBytes: 0, live: 0,
                            liveBytes: 0 });
        const sum = out.get(kind);
        sum.live += classes.made[i] - classes.freed[i];
        sum.liveBytes += classes.madeBytes[i] - classes.freedBytes[i];
        if (interval > from) {
            sum.made += classes.made[i];
            sum.madeBytes += classes.madeBytes[i];
            sum.freed += classes.freed[i];
            sum.freedBytes += classes.freedBytes[i];
        }
    }
    return out;
}
