// SPDX-License-Identifier: MIT
// Tables whose columns sort, and whose rows may open to others below them.
import { h } from "./dom.js";

const AT_FIRST = 60, MORE = 400; // rows shown

// columns: [{ name, title, value(row), show(row) -> text or element, text: left-aligned, first: the
// one to sort by at first, least: sorts upwards }]. options: below(row) -> rows or null; open(row)
// when a row is clicked; id(row): a name by which open rows are known again; limit: rows shown at
// first; label.
export class Table {
    constructor(columns, options = {}) {
        this.columns = columns;
        this.options = options;
        this.sortBy = columns.find((c) => c.first) || columns[0];
        this.up = Boolean(this.sortBy.least);
        this.limit = options.limit || AT_FIRST;
        this.opened = new Set();
        this.head = h("thead", {}, h("tr", {}, columns.map((c) => this.heading(c))));
        this.body = h("tbody", { click: (event) => this.click(event),
                                 keydown: (event) => this.key(event) });
        this.element = h("div.table", {}, h("table", { "aria-label": options.label || null },
            this.head, this.body));
    }

    heading(column) {
        return h("th", { scope: "col", class: column.text ? "text" : "figure", title: column.title,
                         "data-column": column.name },
            h("button", { click: () => this.sort(column) }, column.name));
    }

    sort(column) {
        this.up = column === this.sortBy ? !this.up : Boolean(column.least || column.text);
        this.sortBy = column;
        this.draw();
    }

    set(rows) {
        this.rows = rows;
        this.limit = this.options.limit || AT_FIRST;
        this.draw();
        return this.element;
    }

    ordered(rows) {
        const value = this.sortBy.value, sign = this.up ? 1 : -1;
        const keyed = rows.map((row) => [value(row), row]);
        keyed.sort(([a], [b]) => a < b ? -sign : a > b ? sign : 0);
        return keyed.map(([, row]) => row);
    }

    draw() {
        this.head.querySelectorAll("th").forEach((th, i) => {
            const by = this.columns[i] === this.sortBy;
            th.setAttribute("aria-sort", by ? this.up ? "ascending" : "descending" : "none");
        });
        this.shown = [];
        const list = [];
        this.add(list, this.rows, 0, "");
        if (!list.length)
            list.push(h("tr.none", {}, h("td", { colspan: this.columns.length },
                this.options.none || "Nothing in this window.")));
        this.body.replaceChildren(...list);
    }

    add(list, rows, depth, path) {
        const limit = depth ? AT_FIRST : this.limit;
        const ordered = this.ordered(rows);
        for (const row of ordered.slice(0, limit)) {
            const id = `${path}/${this.options.id ? this.options.id(row) : ordered.indexOf(row)}`;
            const below = this.options.below && this.opened.has(id) ? this.options.below(row) : null;
            list.push(this.line(row, depth, id));
            if (Array.isArray(below))
                this.add(list, below, depth + 1, id);
            else if (below)
                list.push(h("tr.detail", {}, h("td", { colspan: this.columns.length }, below)));
        }
        if (ordered.length > limit)
            list.push(h("tr.more", {}, h("td", { colspan: this.columns.length },
                depth ? `… ${ordered.length - limit} more`
                    : h("button", { "data-more": "" }, `Show more of ${ordered.length}`))));
    }

    line(row, depth, id) {
        const can = this.options.below && (!this.options.leaf || !this.options.leaf(row));
        const opened = this.opened.has(id);
        this.shown.push({ row, id, can });
        return h("tr", { "data-row": this.shown.length - 1, tabindex: can || this.options.open ? "0" : null,
                         class: can || this.options.open ? "can" : null,
                         "aria-expanded": can ? String(opened) : null },
            this.columns.map((column, i) => {
                const text = column.show ? column.show(row) : String(column.value(row));
                return h("td", { class: column.text ? "text" : "figure",
                                 style: i === 0 && this.options.below
                                     ? `padding-left:${8 + depth * 14}px` : null },
                    i === 0 && this.options.below
                        ? h("span.twist", { "aria-hidden": "true" }, can ? opened ? "▾" : "▸" : "·")
                        : null, text);
            }));
    }

    click(event) {
        if (event.target.closest("a"))
            return;
        if (event.target.closest("[data-more]")) {
            this.limit += MORE;
            this.draw();
        } else {
            this.openRow(event.target.closest("tr[data-row]"));
        }
    }

    openRow(tr) {
        if (!tr)
            return;
        const index = Number(tr.dataset.row), { row, id, can } = this.shown[index];
        if (can) {
            this.opened.has(id) ? this.opened.delete(id) : this.opened.add(id);
            this.draw();
            this.body.querySelector(`tr[data-row="${index}"]`)?.focus({ preventScroll: true });
        } else if (this.options.open) {
            this.options.open(row);
        }
    }

    key(event) {
        const tr = event.target.closest("tr[data-row]");
        const to = { ArrowDown: 1, ArrowUp: -1 }[event.key];
        if (!tr || !(to || event.key === "Enter" || event.key === "ArrowRight" ||
                     event.key === "ArrowLeft"))
            return;
        const open = tr.getAttribute("aria-expanded") === "true";
        if (to)
            this.body.querySelector(`tr[data-row="${Number(tr.dataset.row) + to}"]`)?.focus();
        else if (event.key === "Enter" || (event.key === "ArrowRight") !== open)
            this.openRow(tr);
        event.preventDefault();
    }
}
