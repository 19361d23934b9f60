/* SPDX-License-Identifier: MIT
 *
 * What the process does that was forked for a snapshot: it looks at every word of its memory, and
 * writes those that may be pointers. It makes system calls only, and ends with them. */
#ifndef REC_GRAPH_SCAN_H
#define REC_GRAPH_SCAN_H

#include "graph_plan.h"

/* In the forked process; does not return. The file is complete only if all went well. */
_Noreturn void rec_graph_scan(struct rec_graph_plan *plan);

#endif
