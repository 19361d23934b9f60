// SPDX-License-Identifier: MIT
// The list of views. How to add one: write views/NAME.js, which calls
//
//   addView({
//       name: "frag",                  // in the address: #frag
//       title: "Fragmentation",        // on its tab
//       needs: ["frag"],               // sections of data without which it is not shown
//       cost: false,                   // whether it shows the cost that is chosen: then there are
//                                      // the buttons to choose it
//       render(element, selection, page) { ... },
//   });
//
// and import it in views/list.js, in the order of the tabs. render() is called when the view is
// opened, and whenever what is shown changes while it is; `element` is the view's own and keeps
// what was put there. `selection` (data/selection.js) is the window: fromNs, toNs, whole,
// total(cost), nodes(cost), ... . `page` has:
//
//   section(name)   a section of data as JSON, or null: analyzer/page/section.h
//   state           what is shown (data/state.js): state.cost, ...
//   show(changes)   shows something else: show({ view: "flame", cost: "live" })
//   linkTo(changes) the address of that, for links
//   selectNs(from_ns, to_ns)   selects the window nearest to it
//   info            the result of `seep info`; tree, lives: data/tree.js, data/lives.js
//
// Figures are shown by parts/format.js, elements made by parts/dom.js (h), tables by
// parts/table.js; colours are the variables at the top of page.css, which are right in the dark,
// too. Text from the trace goes into the page by h() alone, never as HTML.

export const views = [];

export function addView(view) {
    views.push(view);
}
