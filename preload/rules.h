/* SPDX-License-Identifier: MIT
 *
 * The process-wide table of unwind rules: from a pc to how the caller of its frame is found.
 *
 * A rule is one 64-bit word, so that looking it up is one load and publishing it one store:
 *
 *   63        62-16   15    14        13-12     11-3        2-0
 *   exact pc  pc      wide  base rbp  rbp slot  CFA offset  rbp slot
 *                                     (bits 4-3)            (bits 2-0)
 *
 * Nearly all code fits: CFA = rsp or rbp + a multiple of 8 up to 4088 (in place, for a step waits
 * for it); the return address at CFA-8; rbp unchanged (slot 0) or saved at CFA - 8 * (slot + 1).
 * What does not, is WIDE: bits 0-14 name a struct eh_rule in a side table of distinct rules.
 *
 * Readers take no lock (table.h). Rules of an unloaded module become tombstones in place: words
 * that match no pc. */
#ifndef REC_RULES_H
#define REC_RULES_H

#include "eh_frame.h"
#include "hidden.h"
#include "table.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define RULE_WIDE 0x8000u
#define RULE_BASE_FP 0x4000u
#define RULE_CFA_MASK 0xff8u
#define RULE_SLOT_MAX 31u
#define RULE_EXACT (1ull << 47) /* of a key */
#define RULE_PC_LIMIT (1ull << 47)

/* The wide rule 0: no unwind data, or none we follow. */
#define RULE_GUESS RULE_WIDE

extern struct rec_table rec_rules REC_HIDDEN; /* of such words */
extern struct eh_rule *rec_rules_wide REC_HIDDEN;

bool rec_rules_init(void);

/* Finds the rule of a key that is not in the table, and remembers it if its code lies in a module.
 */
uint64_t rec_rules_miss(uint64_t key);

/* Forgets the rules of code in the range. Under the cold-path lock. */
void rec_rules_forget(uintptr_t low, uintptr_t high);

uint64_t rec_rules_bytes(void);

static inline uint64_t rec_rules_slot(uint64_t word)
{
    return (word & 7) | (word >> 9 & 0x18);
}

static inline uint64_t rec_rules_hash(uint64_t key, unsigned shift)
{
    return key * 0x9e3779b97f4a7c15ull >> shift;
}

/* `key`: a pc below RULE_PC_LIMIT, with RULE_EXACT if it is no return address. 0: not in the table.
 */
static inline uint64_t rec_rules_known(uint64_t key)
{
    const struct rec_places *places = rec_table_places(&rec_rules);
    const _Atomic uint64_t *words = places->entries;
    uint64_t i = rec_rules_hash(key, places->shift);
    for (;;) {
        uint64_t word = atomic_load_explicit(&words[i], memory_order_acquire);
        if (__builtin_expect(word >> 16 == key, 1) || word == 0)
            return word;
        i = (i + 1) & places->mask;
    }
}

static inline uint64_t rec_rules_find(uint64_t key)
{
    uint64_t word = rec_rules_known(key);
    return __builtin_expect(word != 0, 1) ? word : rec_rules_miss(key);
}

#endif
