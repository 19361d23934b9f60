/* SPDX-License-Identifier: MIT
 *
 * A library with data of its own, for graph_truth.c to open. */
void *library_data[100];
