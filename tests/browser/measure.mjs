// SPDX-License-Identifier: MIT
// How long a page of seep report takes to open, and to answer: measure.mjs SETTINGS, a JSON file
// {browser, modules, page, rounds}. Prints a table. From the input to the frame that shows what it
// did, of every step of a session that goes through all views, windows and costs; and what the
// page's thread worked in that time, which a busy machine does not change much.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";

const settings = JSON.parse(readFileSync(process.argv[2], "utf8"));
const { chromium } = createRequire(join(settings.modules, "/"))("playwright-core");
const browser = await chromium.launch({ executablePath: settings.browser,
                                        args: ["--no-sandbox", "--disable-gpu"] });
const steps = [], opened = [], busy = [];

async function open() {
    const page = await browser.newPage({ viewport: { width: 1400, height: 900 } });
    const cdp = await page.context().newCDPSession(page);
    await cdp.send("Performance.enable", { timeDomain: "threadTicks" });
    await page.goto(`file://${settings.page}`);
    while (!await page.evaluate(() => document.documentElement.dataset.ready))
        await new Promise((resolve) => setTimeout(resolve, 5));
    opened.push(await page.evaluate(() => Number(document.documentElement.dataset.ready)));
    page.worked = async () => {
        const { metrics } = await cdp.send("Performance.getMetrics");
        return 1000 * metrics.find((m) => m.name === "TaskDuration").value;
    };
    busy.push(await page.worked());
    await page.evaluate(() => {
        for (const type of ["keydown", "mousedown", "mouseup", "click", "input", "wheel"])
            addEventListener(type, (event) => { window.inputAt = event.timeStamp; }, true);
        // behind the frame that is made next
        window.answered = () => new Promise((resolve) => requestAnimationFrame(() => {
            const channel = new MessageChannel();
            channel.port1.onmessage = () => resolve(performance.now() - window.inputAt);
            channel.port2.postMessage(null);
        }));
    });
    return page;
}

async function step(page, name, act) {
    const before = await page.worked();
    await act();
    const ms = await page.evaluate(() => window.answered());
    steps.push({ name, ms, worked: await page.worked() - before });
}

async function drag(page, from, to) {
    const box = await page.locator(".timeline .u-over").boundingBox(), y = box.y + box.height / 2;
    await page.mouse.move(box.x + box.width * from, y);
    await page.mouse.down();
    await page.mouse.move(box.x + box.width * (from + to) / 2, y);
    await page.mouse.move(box.x + box.width * to, y);
    await page.mouse.up();
}

async function session(page) {
    const tabs = await page.locator(".tabs a").allTextContents();
    const windows = [[0.1, 0.35], [0.3, 0.32], [0.5, 0.95], [0.02, 0.6]];
    for (const [i, tab] of tabs.entries()) {
        await step(page, `open ${tab}`, () => page.locator(".tabs a").nth(i).click());
        for (const [from, to] of windows.slice(0, 2 + i % 3))
            await step(page, `window in ${tab}`, () => drag(page, from, to));
        if (await page.locator(".costs").isVisible())
            for (const cost of ["Allocated", "Temporary", "Peak"])
                await step(page, `cost in ${tab}`, () => page.locator(".costs button", { hasText: cost }).click());
        const heading = page.locator("main .table th button");
        if (await heading.count()) {
            await step(page, `sort in ${tab}`, () => heading.nth(0).click());
            await step(page, `sort in ${tab}`, () => heading.nth(1).click());
            const row = page.locator("main .table tr.can");
            if (await row.count())
                await step(page, `open a row in ${tab}`, () => row.first().click());
        }
        const search = page.locator("main input[type=search]");
        if (await search.count()) {
            await search.focus();
            for (const key of "alloc")
                await step(page, `search in ${tab}`, () => page.keyboard.press(key));
            await step(page, `search in ${tab}`, () => search.fill(""));
            await page.keyboard.press("Escape");
        }
        await step(page, `whole run in ${tab}`, () => page.keyboard.press("Escape"));
    }
    await step(page, "open Flame graph", () => page.keyboard.press("2"));
    const canvas = page.locator(".flame canvas"), box = await canvas.boundingBox();
    for (const depth of [6, 9, 3, 5, 0])
        await step(page, "zoom into a frame", () => page.mouse.click(box.x + box.width / 4, box.y + depth * 20 + 8));
    for (let i = 0; i < 4; i++)
        await step(page, "zoom the time line", async () => {
            await page.locator(".timeline .u-over").hover();
            await page.mouse.wheel(0, i < 2 ? -200 : 200);
        });
    await step(page, "dark", () => page.keyboard.press("t"));
    await step(page, "light", () => page.keyboard.press("t"));
}

const quantile = (list, share) => [...list].sort((a, b) => a - b)[Math.min(list.length - 1,
    Math.ceil(share * list.length) - 1)];

for (let round = 0; round < settings.rounds; round++) {
    const page = await open();
    await session(page);
    await page.close();
}
await browser.close();

const ms = (value) => `${value.toFixed(0).padStart(6)} ms`;
console.log(`opens in        ${ms(quantile(opened, 0.5))} (the slowest ${ms(quantile(opened, 1)).trim()}), ` +
    `of which its thread works ${ms(quantile(busy, 0.5)).trim()}`);
const all = steps.map((s) => s.ms), work = steps.map((s) => s.worked);
console.log("answers in       until shown  of it work");
for (const share of [0.5, 0.75, 0.9, 0.95, 0.99, 1])
    console.log(`  P${(100 * share).toFixed(0).padEnd(4)}          ${ms(quantile(all, share))}   ${
        ms(quantile(work, share))}`);
console.log(`${steps.length} steps; those with the most work:`);
const kinds = new Map();
for (const { name, worked } of steps)
    kinds.set(name, Math.max(kinds.get(name) || 0, worked));
for (const [name, time] of [...kinds].sort((a, b) => b[1] - a[1]).slice(0, 12))
    console.log(`  ${ms(time)}  ${name}`);
