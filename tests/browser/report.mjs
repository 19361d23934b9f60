// SPDX-License-Identifier: MIT
// Drives pages of seep report in one browser, for test_report.py: report.mjs SETTINGS, a JSON file
// {browser, seep, shots, traces: name -> {trace, page}}. Prints a line of JSON for each check:
// {name, error}, error null where it holds. Screenshots go to `shots`.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";

const settings = JSON.parse(readFileSync(process.argv[2], "utf8"));
const { chromium } = createRequire(join(settings.modules, "/"))("playwright-core");
const PATIENCE_MS = 120000; // a busy machine may take long to draw a page
const browser = await chromium.launch({ executablePath: settings.browser, timeout: PATIENCE_MS,
                                        args: ["--no-sandbox", "--disable-gpu"] });

// Opens a page; what it complains of, or asks the network for, is an error.
async function open(name, hash = "", options = {}) {
    const context = await browser.newContext({ viewport: { width: 1400, height: 900 }, ...options });
    context.setDefaultTimeout(PATIENCE_MS);
    const page = await context.newPage(), trouble = page.trouble = [];
    page.on("console", (message) => trouble.push(`console: ${message.text()}`));
    page.on("pageerror", (error) => trouble.push(`error: ${error.stack}`));
    page.on("request", (request) => {
        if (!request.url().startsWith("file:"))
            trouble.push(`request: ${request.url()}`);
    });
    await page.goto(`file://${settings.traces[name].page}${hash}`);
    await until(page, () => document.documentElement.dataset.ready);
    page.done = async (shot) => {
        if (shot)
            await page.screenshot({ path: join(settings.shots, `${shot}.png`) });
        await context.close();
        assert.deepEqual(trouble, []);
    };
    return page;
}

// Waits until the function, run in the page, is true. (Playwright's own waiting takes eval(), which
// the page's policy forbids.)
async function until(page, condition, argument) {
    for (let left = PATIENCE_MS / 25; !await page.evaluate(condition, argument); left--) {
        assert.ok(left, `waited in vain for ${condition}: ${page.trouble.join("; ")}`);
        await new Promise((resolve) => setTimeout(resolve, 25));
    }
}

const state = (page) => page.evaluate(() => ({ ...seepReport.state }));

async function drag(page, from, to) {
    const box = await page.locator(".timeline .u-over").boundingBox();
    const y = box.y + box.height / 2;
    await page.mouse.move(box.x + box.width * from, y);
    await page.mouse.down();
    await page.mouse.move(box.x + box.width * (from + to) / 2, y, { steps: 3 });
    await page.mouse.move(box.x + box.width * to, y);
    await page.mouse.up();
}

// By function and module, what it cost itself, of seep flame's tree.
function flameSelf(name, options) {
    const text = execFileSync(settings.seep, ["flame", "--format=json", ...options,
                                              settings.traces[name].trace]);
    const { result } = JSON.parse(text), sums = {};
    const add = (frame) => {
        const key = `${frame.function} ${frame.module}`;
        if (frame.self)
            sums[key] = (sums[key] || 0) + frame.self;
        frame.children.forEach(add);
    };
    add(result.root);
    return sums;
}

async function compareFigures(name) {
    const page = await open(name), intervals = await page.evaluate(() => seepReport.lives.intervals);
    const third = Math.floor(intervals / 3);
    const windows = [[0, intervals], [third, 2 * third], [third, third + 1]];
    for (const [from, to] of name === "demo" ? windows : windows.slice(0, 1)) {
        for (const cost of ["peak", "live", "allocated", "allocations", "temporary"]) {
            const [sums, options] = await page.evaluate(([a, b, kind]) => {
                const selection = seepReport.selections.get(a, b), sums = {};
                const { self } = selection.functions(kind);
                seepReport.tree.functions.forEach((f, i) => {
                    if (self[i])
                        sums[`${f.name} ${f.module}`] = self[i];
                });
                return [sums, selection.options()];
            }, [from, to, cost]);
            const words = options.replaceAll("'", "").split(" ").filter(Boolean);
            assert.deepEqual(sums, flameSelf(name, [`--cost=${cost}`, ...words]), `${name} ${cost}${options}`);
        }
    }
    await page.done();
}

const checks = {
    async load() {
        const page = await open("demo");
        assert.match(await page.title(), /^demo/);
        assert.match(await page.locator(".verdict h2").textContent(),
            /It leaks: 1\.1 MiB in 24,000 blocks is definitely lost/);
        await page.done("summary");
    },

    async "every view"() {
        const page = await open("demo");
        const tabs = await page.locator(".tabs a").allTextContents();
        assert.deepEqual(tabs, ["Summary", "Flame graph", "Top-down", "Bottom-up", "Functions", "Leaks",
                                "Growth", "Fragmentation", "Other allocators", "Sizes", "Temporary", "Source"]);
        for (const [i, tab] of tabs.entries()) {
            if (!i)
                continue; // it has been looked at
            await page.locator(".tabs a").nth(i).click();
            assert.equal(await page.locator(".tabs a[aria-selected=true]").textContent(), tab);
            assert.ok((await page.locator("main").innerText()).length > 20, tab);
            await page.screenshot({ path: join(settings.shots, `view-${i}.png`) });
        }
        await page.done();
    },

    async zoom() {
        const page = await open("demo");
        const range = () => page.evaluate(() => {
            const { min, max } = seepReport.timeline.plot.scales.x;
            return max - min;
        });
        const whole = await range();
        await page.locator(".timeline .u-over").hover();
        await page.mouse.wheel(0, -300);
        await until(page, (all) => {
            const { min, max } = seepReport.timeline.plot.scales.x;
            return max - min < all * 0.9;
        }, whole);
        assert.equal((await state(page)).from, null); // zooming selects nothing
        await page.locator(".timeline .u-over").dblclick();
        await until(page, (all) => {
            const { min, max } = seepReport.timeline.plot.scales.x;
            return Math.abs(max - min - all) < all * 1e-6;
        }, whole);
        await page.done();
    },

    async "select a window"() {
        const page = await open("demo", "#leaks");
        const whole = await page.locator(".lead").textContent();
        await drag(page, 0.1, 0.4);
        const { from, to } = await state(page);
        assert.ok(from > 0 && to > from);
        assert.notEqual(await page.locator(".lead").textContent(), whole);
        assert.match(await page.locator(".window").textContent(), /Whole run/);
        await page.screenshot({ path: join(settings.shots, "window.png") });
        await page.keyboard.press("Escape");
        assert.deepEqual([(await state(page)).from, (await state(page)).to], [null, null]);
        assert.equal(await page.locator(".lead").textContent(), whole);
        await page.done();
    },

    // The page's own sums, of the whole and of windows, by function; of a process, of a window that
    // was cut out of a trace, and of several processes, some of which have ended.
    async "figures are those of seep flame"() {
        for (const name of ["demo", "window", "family"])
            await compareFigures(name);
    },

    async "search the flame graph"() {
        const page = await open("demo", "#flame");
        await page.keyboard.press("/");
        await page.keyboard.type("log_append");
        await until(page, () => /through 1 function/.test(document.querySelector(".found").textContent));
        assert.match(await page.locator(".found").textContent(), /^1[34] % through 1 function$/);
        await page.screenshot({ path: join(settings.shots, "search.png") });
        await page.locator("input[type=search]").fill("no such function");
        assert.equal(await page.locator(".found").textContent(), "nothing found");
        await page.done();
    },

    async "zoom into a frame"() {
        const page = await open("demo", "#flame");
        const at = await page.evaluate(() => {
            const chart = seepReport.views.find((view) => view.name === "flame").chart(), { tree } = seepReport;
            const box = chart.boxes().find(([node]) => tree.functions[tree.functionOf[node]].name === "serve");
            const { left, top } = chart.canvas.getBoundingClientRect();
            return { x: left + box[1] + box[3] / 2, y: top + box[2] + 8, width: box[3], node: box[0] };
        });
        await page.mouse.move(at.x, at.y);
        assert.match(await page.locator(".line").textContent(), /^serve/);
        await page.mouse.click(at.x, at.y);
        assert.equal((await state(page)).node, at.node);
        const wide = await page.evaluate((node) => {
            const chart = seepReport.views.find((view) => view.name === "flame").chart();
            return [chart.boxes().find(([n]) => n === node)[3], chart.width()];
        }, at.node);
        assert.ok(at.width < wide[1] / 2 && wide[0] === wide[1]);
        await page.goBack();
        assert.equal((await state(page)).node, 0);
        await page.done();
    },

    async "switch the cost"() {
        const page = await open("demo", "#up");
        const first = () => page.locator("main tbody tr").first().innerText();
        assert.match(await first(), /print_receipts/);
        await page.locator(".costs button", { hasText: "Temporary" }).click();
        assert.match(await first(), /order.*80,000/s);
        await page.locator("main tbody tr").first().click();
        assert.match(await page.locator("main tbody tr").nth(1).innerText(), /serve/);
        await page.done();
    },

    async "sort a table"() {
        const page = await open("demo", "#functions?cost=allocations");
        const table = page.locator(".table").first();
        const figures = async () => (await table.locator("tbody tr td:nth-child(4)").allTextContents())
            .map((text) => Number(text.replaceAll(",", "")));
        await table.locator("th", { hasText: "Self" }).getByRole("button").click();
        const down = await figures();
        assert.deepEqual(down, [...down].sort((a, b) => b - a));
        assert.ok(down[0] > down.at(-1));
        await table.locator("th", { hasText: "Self" }).getByRole("button").click();
        assert.deepEqual(await figures(), [...down].reverse());
        await page.done("sorted");
    },

    async "follow a deep link"() {
        const page = await open("demo", "#flame?cost=allocated&q=order&from=40&to=90");
        const shown = await state(page);
        assert.deepEqual([shown.view, shown.cost, shown.q, shown.from, shown.to],
            ["flame", "allocated", "order", 40, 90]);
        assert.equal(await page.locator(".costs [aria-checked=true]").textContent(), "Allocated");
        assert.equal(await page.locator("input[type=search]").inputValue(), "order");
        await page.keyboard.press("1");
        await page.goBack();
        assert.equal((await state(page)).view, "flame");
        await page.evaluate(() => { location.hash = "#nonsense?from=9999&to=-3&cost=gold&node=1e9"; });
        await until(page, () => seepReport.state.view === "nonsense");
        assert.equal(await page.locator(".tabs a[aria-selected=true]").textContent(), "Summary");
        await page.evaluate(() => { location.hash = "#flame?from=3.5&cost=gold&node=1.5"; });
        await until(page, () => seepReport.state.view === "flame");
        assert.equal(await page.locator(".costs [aria-checked=true]").textContent(), "Peak");
        await page.done("link");
    },

    async "dark mode"() {
        const page = await open("demo", "#flame", { colorScheme: "dark" });
        const back = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
        const dark = await back();
        await page.screenshot({ path: join(settings.shots, "dark-flame.png") });
        await page.keyboard.press("t");
        const light = await back();
        const sum = (colour) => colour.match(/\d+/g).slice(0, 3).reduce((a, b) => a + Number(b), 0);
        assert.ok(sum(dark) < 150 && sum(light) > 600, `${dark} ${light}`);
        await page.keyboard.press("t");
        await page.keyboard.press("1");
        await page.done("dark-summary");
    },

    async "by keys alone"() {
        const page = await open("demo");
        await page.keyboard.press("2");
        await page.locator(".flame canvas").focus();
        for (const key of ["ArrowDown", "ArrowDown", "ArrowDown", "Enter"])
            await page.keyboard.press(key);
        assert.ok((await state(page)).node > 0);
        await page.keyboard.press("Escape");
        assert.equal((await state(page)).node, 0);
        await page.locator(".timeline").focus();
        await page.keyboard.press("Shift+ArrowLeft");
        const first = await state(page);
        await page.keyboard.press("ArrowRight");
        const second = await state(page);
        assert.ok(first.from === 0 && first.to > 0 && second.from > 0);
        assert.equal(second.to - second.from, first.to - first.from);
        await page.keyboard.press("?");
        assert.ok(await page.locator("dialog").isVisible());
        await page.keyboard.press("Escape");
        await until(page, () => !document.querySelector("dialog"));
        await page.done();
    },

    async "source lines"() {
        const page = await open("demo", "#sources?cost=left");
        const hot = await page.locator(".source tr.hot").allTextContents();
        assert.ok(hot.some((text) => /55.*4\.9 MiB.*malloc/.test(text)), hot.join("\n"));
        await page.done();
    },

    async fragmentation() {
        const page = await open("demo", "#frag");
        assert.match(await page.locator("main .lead").textContent(), /resident at .* were asked for/);
        assert.ok(await page.locator("svg[aria-label='the heap by address'] rect").count() > 0);
        const steps = page.locator("svg[aria-label='what resident memory was made of, over time'] g");
        assert.match(await steps.last().textContent(), /MiB resident\n.* asked for/);
        await page.done();
    },

    // What the table says is what seep compare told; the recorded curve and one for each other candidate.
    async "other allocators"() {
        const page = await open("demo", "#compare");
        const told = await page.evaluate(() => {
            const { result } = seepReport.section("compare");
            return { recorded: result.recorded, names: result.candidates.map((c) => `${c.name} ${c.settings}`.trim()) };
        });
        assert.deepEqual(told.names, ["glibc", "glibc MALLOC_MMAP_THRESHOLD_=4096"]);
        assert.ok(told.recorded.peak_rss_bytes > 1e6);
        assert.ok((await page.locator("main .verdict h2").textContent()).length > 20);
        const series = await page.locator(".curves .u-series .u-label").allTextContents();
        assert.deepEqual(series, ["at", "recorded", told.names[1]]);
        assert.equal(await page.locator("main .table tbody tr").count(), 2);
        const own = page.locator("main .table tbody tr", { hasText: "recorded with it" });
        assert.match(await own.innerText(), /±0 %/);
        await own.click();
        assert.match(await page.locator("main .table tr.detail").innerText(), /Page faults/);
        await page.keyboard.press("t");
        await page.done("compare");
    },

    async "narrow windows"() {
        const page = await open("demo", "", { viewport: { width: 420, height: 800 } });
        for (const view of ["summary", "flame", "functions", "leaks", "growth", "frag", "compare", "sizes",
                            "sources"]) {
            await page.evaluate((name) => seepReport.show({ view: name }), view);
            const wide = await page.evaluate(() => document.documentElement.scrollWidth);
            assert.ok(wide <= 420, `${view} is ${wide} wide`);
        }
        await page.done("narrow");
    },

    async "an empty trace"() {
        const page = await open("empty");
        assert.match(await page.locator(".verdict").textContent(), /Nothing was allocated/);
        for (const view of ["flame", "down", "up", "functions", "leaks", "growth", "sizes", "temporary", "sources"])
            await page.evaluate((name) => seepReport.show({ view: name }), view);
        await page.done("empty");
    },

    async "an incomplete trace"() {
        const page = await open("cut");
        assert.match(await page.locator(".warning").textContent(), /Incomplete recording/);
        await page.done("incomplete");
    },

    // Names from the trace are text, whatever they look like.
    async "names without symbols"() {
        const page = await open("made", "#down");
        assert.match(await page.locator("h1").textContent(), /<img src=x>/);
        assert.equal(await page.locator("img").count(), 0);
        assert.match(await page.locator("main tbody").textContent(), /<img src=x>\+0x1000/);
        await page.done("no-symbols");
    },
};

for (const [name, check] of Object.entries(checks)) {
    let error = null;
    try {
        await check();
    } catch (trouble) {
        error = trouble.stack;
    }
    console.log(JSON.stringify({ name, error }));
}
await browser.close();
