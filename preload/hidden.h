/* SPDX-License-Identifier: MIT
 *
 * -fvisibility=hidden is about definitions: what a header declares extern might be another
 * library's, and would be reached by way of its address in the GOT. */
#ifndef REC_HIDDEN_H
#define REC_HIDDEN_H

/* Of variables that every event looks at. */
#define REC_HIDDEN __attribute__((visibility("hidden")))

#endif
