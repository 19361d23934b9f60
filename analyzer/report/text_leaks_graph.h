/* SPDX-License-Identifier: MIT
 *
 * What `seep leaks` tells people where the trace has a heap graph. Private to text_leaks.c. */
#ifndef REPORT_TEXT_LEAKS_GRAPH_H
#define REPORT_TEXT_LEAKS_GRAPH_H

#include "report/text.h"

/* Whether the tree was made with a graph. */
bool text_leaks_has_graph(const struct result *r);

/* The beginning of the answer: what is lost, in words, up to where the call sites are told of.
 * False where nothing matches: the answer is whole then. */
bool text_leaks_graph_answer(struct strbuf *words, const struct result *r);

/* What else was live at the graph's moment; without a graph, how to get one. */
void text_leaks_graph_context(struct text *t, const struct result *r);

/* Of a site with a kind: "definitely lost", where several are shown, and what stands with it. */
void text_leaks_graph_facts(struct strbuf *words, const struct result *r,
                            const struct result *site);

/* Bytes and blocks of a site with those that stand with it. */
uint64_t text_leaks_bytes(const struct result *site);
uint64_t text_leaks_blocks(const struct result *site);

#endif
