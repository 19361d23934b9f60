/* SPDX-License-Identifier: MIT */
#include "rules.h"

#include "cold.h"
#include "elf_image.h"
#include "modules.h"
#include "private_stack.h"
#include "sys.h"
#include "unwind.h"

#include <stddef.h>

#define WIDE_LIMIT 0x8000u
#define TOMBSTONE (~0ull << 16) /* a key no pc has: its exact bit and a pc of all ones */

static uint64_t copy(const struct rec_places *from, uint64_t first, uint64_t count,
                     const struct rec_places *to);

/* Tombstones count as used. */
struct rec_table rec_rules = {.entry_bytes = sizeof(uint64_t), .copy = copy};
struct eh_rule *rec_rules_wide;
static uint32_t wide_count;

bool rec_rules_init(void)
{
    rec_cold_reset();
    if (!rec_rules_wide)
        rec_rules_wide = sys_memory(WIDE_LIMIT * sizeof *rec_rules_wide);
    if (!rec_table_init(&rec_rules) || !rec_rules_wide)
        return false;
    rec_rules_wide[0] = (struct eh_rule){.kind = EH_NONE};
    wide_count = 1;
    return true;
}

bool rec_unwind_init(void)
{
    return rec_rules_init();
}

static bool same_rule(const struct eh_rule *a, const struct eh_rule *b)
{
    return a->kind == b->kind && a->cfa_base == b->cfa_base && a->cfa_deref == b->cfa_deref &&
           a->signal == b->signal && a->fp_from == b->fp_from && a->pc_from == b->pc_from &&
           a->cfa_offset == b->cfa_offset && a->cfa_add == b->cfa_add &&
           a->fp_offset == b->fp_offset && a->pc_offset == b->pc_offset;
}

/* The 16 bits for a rule that fits into them; RULE_WIDE if it does not. */
static uint64_t pack_narrow(const struct eh_rule *r)
{
    if (r->kind != EH_FRAME || r->cfa_deref || r->signal || r->cfa_add != 0 ||
        r->pc_from != EH_CFA || r->pc_offset != -8 || r->cfa_offset < 8 || r->cfa_offset % 8 ||
        (uint32_t)r->cfa_offset > RULE_CFA_MASK)
        return RULE_WIDE;
    uint64_t slot = 0;
    if (r->fp_from == EH_CFA) {
        if (r->fp_offset > -16 || r->fp_offset % 8 ||
            (uint32_t)-r->fp_offset / 8 > RULE_SLOT_MAX + 1)
            return RULE_WIDE;
        slot = (uint32_t)-r->fp_offset / 8 - 1;
    } else if (r->fp_from != EH_SAME) {
        return RULE_WIDE;
    }
    return (r->cfa_base == EH_FP ? RULE_BASE_FP : 0) | (uint64_t)r->cfa_offset | (slot & 7) |
           (slot & 0x18) << 9;
}

/* Under the lock. A full side table (there are some hundred distinct rules in a large program)
 * leaves guessing. */
static uint64_t pack_wide(const struct eh_rule *r)
{
    for (uint32_t i = 0; i < wide_count; i++)
        if (same_rule(&rec_rules_wide[i], r))
            return RULE_WIDE | i;
    if (wide_count == WIDE_LIMIT)
        return RULE_GUESS;
    rec_rules_wide[wide_count] = *r;
    return RULE_WIDE | wide_count++;
}

static bool segment_of(const void *image, uintptr_t address, struct eh_range *out)
{
    uintptr_t low, high;
    if (!elf_image_segment(image, address, &low, &high))
        return false;
    *out = (struct eh_range){.low = (const uint8_t *)low, .high = (const uint8_t *)high};
    return true;
}

/* mov $15 (rt_sigreturn), %rax or %eax; syscall: where a handler returns to, when its author gave
 * no unwind data. */
static bool is_sigreturn(const struct elf_image *image, uintptr_t pc)
{
    static const uint8_t with_rax[] = {0x48, 0xc7, 0xc0, 0x0f, 0, 0, 0, 0x0f, 0x05};
    static const uint8_t with_eax[] = {0xb8, 0x0f, 0, 0, 0, 0x0f, 0x05};
    uintptr_t low, high;
    if (!elf_image_segment(image, pc, &low, &high) || high - pc < sizeof with_rax)
        return false;
    const uint8_t *code = (const uint8_t *)pc;
    bool rax = true, eax = true;
    for (unsigned i = 0; i < sizeof with_rax; i++)
        rax = rax && code[i] == with_rax[i];
    for (unsigned i = 0; i < sizeof with_eax; i++)
        eax = eax && code[i] == with_eax[i];
    return rax || eax;
}

/* The kernel's signal frame: at its return address's caller, rsp points to struct ucontext, whose
 * registers these are (arch/x86/include/uapi/asm/sigcontext.h). */
static const struct eh_rule signal_frame = {
    .kind = EH_FRAME,
    .cfa_base = EH_SP,
    .cfa_deref = 1,
    .signal = 1,
    .fp_from = EH_SP,
    .pc_from = EH_SP,
    .cfa_offset = 0xa0,
    .fp_offset = 0x78,
    .pc_offset = 0xa8,
};

static void decode(uint64_t key, const struct rec_module *module, struct eh_rule *rule)
{
    *rule = (struct eh_rule){.kind = EH_NONE};
    struct elf_image image;
    if (!elf_image_open(module->start, module->end, &image))
        return;
    uintptr_t pc = key & (RULE_EXACT - 1);
    uintptr_t hdr = (uintptr_t)module->eh_frame_hdr;
    struct eh_range range;
    if (hdr && segment_of(&image, hdr, &range)) {
        bool exact = key & RULE_EXACT;
        enum eh_result result = eh_frame_rule(module->eh_frame_hdr, range, segment_of, &image,
                                              exact ? pc : pc - 1, rule);
        /* A function begins there, and none ends before: no call can return to it. It was put on
         * the stack by hand, as the end of a fibre's. */
        if (result == EH_NO_ENTRY && !exact &&
            eh_frame_rule(module->eh_frame_hdr, range, segment_of, &image, pc, rule) == EH_OK &&
            !rule->signal)
            *rule = (struct eh_rule){.kind = EH_OUTERMOST};
    }
    if (rule->kind == EH_NONE && is_sigreturn(&image, pc))
        *rule = signal_frame;
}

/* Where the word of `key` is, or where it may be put. Under the lock. */
static _Atomic uint64_t *place_for(const struct rec_places *places, uint64_t key)
{
    _Atomic uint64_t *words = places->entries, *vacant = NULL;
    for (uint64_t i = rec_rules_hash(key, places->shift);; i = (i + 1) & places->mask) {
        uint64_t word = atomic_load_explicit(&words[i], memory_order_relaxed);
        if (word >> 16 == key)
            return &words[i];
        if (word == TOMBSTONE && !vacant)
            vacant = &words[i];
        if (word == 0)
            return vacant ? vacant : &words[i];
    }
}

/* *used: places that are not empty. Returns which place it was put into. */
static uint64_t put_in(const struct rec_places *places, uint64_t word, uint64_t *used)
{
    _Atomic uint64_t *place = place_for(places, word >> 16);
    *used += atomic_load_explicit(place, memory_order_relaxed) == 0;
    atomic_store_explicit(place, word, memory_order_release);
    return (uint64_t)(place - (_Atomic uint64_t *)places->entries);
}

static uint64_t copy(const struct rec_places *from, uint64_t first, uint64_t count,
                     const struct rec_places *to)
{
    const _Atomic uint64_t *words = from->entries;
    uint64_t copied = 0;
    for (uint64_t i = first; i < first + count; i++) {
        uint64_t word = atomic_load_explicit(&words[i], memory_order_relaxed);
        if (word != 0 && word != TOMBSTONE)
            put_in(to, word, &copied);
    }
    return copied;
}

/* Under the lock. Without memory for a larger table the rule is not remembered. */
static void remember(uint64_t word)
{
    struct rec_table *t = &rec_rules;
    if (!rec_table_room(t, 1))
        return;
    uint64_t place = put_in(rec_table_places(t), word, &t->used);
    const struct rec_places *next = rec_table_beyond(t, place);
    if (next)
        put_in(next, word, &t->next_used);
}

static uint64_t find_rule(uint64_t key)
{
    struct rec_module module;
    if (!rec_modules_find((key & (RULE_EXACT - 1)) - !(key & RULE_EXACT), &module))
        return key << 16 | RULE_GUESS;
    struct eh_rule rule;
    decode(key, &module, &rule);
    uint64_t bits = rule.kind == EH_NONE ? RULE_GUESS : pack_narrow(&rule);
    uint64_t mask = rec_cold_lock();
    if (bits == RULE_WIDE)
        bits = rule.kind == EH_NONE ? RULE_GUESS : pack_wide(&rule);
    uint64_t word = key << 16 | bits;
    remember(word);
    rec_cold_unlock(mask);
    return word;
}

static void find_rule_of(void *key_to_word)
{
    uint64_t *word = key_to_word;
    *word = find_rule(*word);
}

__attribute__((noinline, cold)) uint64_t rec_rules_miss(uint64_t key)
{
    uint64_t word = key;
    rec_private_stack_run(find_rule_of, &word);
    return word;
}

static void forget_in(const struct rec_places *places, uintptr_t low, uintptr_t high)
{
    _Atomic uint64_t *words = places->entries;
    for (uint64_t i = 0; i <= places->mask; i++) {
        uint64_t word = atomic_load_explicit(&words[i], memory_order_relaxed);
        uintptr_t pc = word >> 16 & (RULE_EXACT - 1);
        /* A return address behind a call at the module's very end equals `high`. */
        if (word != 0 && word != TOMBSTONE && pc >= low && pc <= high)
            atomic_store_explicit(&words[i], TOMBSTONE, memory_order_release);
    }
}

void rec_rules_forget(uintptr_t low, uintptr_t high)
{
    forget_in(rec_table_places(&rec_rules), low, high);
    if (rec_rules.next)
        forget_in(rec_rules.next, low, high);
}

uint64_t rec_rules_bytes(void)
{
    return atomic_load_explicit(&rec_rules.bytes, memory_order_relaxed) +
           wide_count * sizeof *rec_rules_wide;
}

uint64_t rec_unwind_bytes(void)
{
    return rec_rules_bytes();
}
