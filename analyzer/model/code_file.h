/* SPDX-License-Identifier: MIT
 *
 * The file of a module, and everything this machine has to say about its code: debug information,
 * symbol tables, instructions. Opened when the first address in it is asked for. */
#ifndef MODEL_CODE_FILE_H
#define MODEL_CODE_FILE_H

#include "model/call_proof.h"
#include "model/debug_info.h"
#include "model/debug_search.h"
#include "model/debug_variables.h"
#include "model/elf_file.h"
#include "model/symbol_table.h"
#include "model/symbols.h"
#include "model/text_pool.h"

struct code_file {
    const struct trace_module *module; /* one of those that are this file */
    struct text_pool *pool;
    const char *path; /* pooled: the module's */
    const char *name; /* pooled: the last part of it */
    bool opened;
    struct elf_file elf, debug; /* elf.elf == NULL: not at hand */
    struct symbol_table table, dynamic;
    bool data_opened;
    struct symbol_table data, dynamic_data; /* variables; opened when the first is asked for */
    struct debug_variables *variables;
    struct debug_info *info;
    struct call_proof *proof;
    const char *problem; /* constant text to be reported once, or NULL */
};

/* `module` and `pool` outlive the file. Opens nothing. */
void code_file_init(struct code_file *f, const struct trace_module *module, struct text_pool *pool);
void code_file_release(struct code_file *f);

/* Names link-time `address`: fills `frames` (DEBUG_FRAME_LIMIT of them), innermost first, and
 * returns how many, at least 1. `exact`: the address itself was executed; else it is a return
 * address, and `suspicion` says whether a call ends there. */
uint32_t code_file_resolve(struct code_file *f, uint64_t address, bool exact,
                           const struct debug_search *search, struct symbol_frame *frames,
                           enum symbol_suspicion *suspicion);

/* Names the variable around link-time `address`. False where nothing is known; *out has then only
 * the module. */
bool code_file_variable(struct code_file *f, uint64_t address, const struct debug_search *search,
                        struct symbol_data *out);

#endif
