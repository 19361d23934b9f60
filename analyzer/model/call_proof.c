/* SPDX-License-Identifier: MIT */
#include "model/call_proof.h"

#include "model/decoder.h"
#include "model/unwind_starts.h"
#include "util/bisect.h"
#include "util/mem.h"

#include <elfutils/libdw.h>
#include <stdlib.h>
#include <string.h>

#define FUNCTION_LIMIT (4u << 20) /* bytes decoded for one function; real ones stay below */

/* An instruction set: one row. Without prefixes a call has min_bytes .. max_bytes; prefixes need no
 * look, for what follows them decodes as a call by itself. */
struct call_arch {
    uint16_t machine; /* EM_... */
    uint8_t elf_class;
    uint8_t min_bytes, max_bytes;
    uint8_t step; /* instructions lie at multiples of this */
    cs_arch arch;
    cs_mode mode;
    bool (*is_call)(const cs_insn *insn);
    /* Length of the instruction at `code` (of which `left` bytes are at hand), which the decoder
     * does not know; 0 if unknown here too. None of them is a call. */
    size_t (*unknown_bytes)(const uint8_t *code, size_t left);
};

static bool x86_is_call(const cs_insn *insn)
{
    return insn->id == X86_INS_CALL || insn->id == X86_INS_LCALL;
}

/* ModRM byte, SIB byte and displacement (Intel's manual, volume 2, 2.1.5). */
static size_t x86_operand_bytes(const uint8_t *modrm, size_t left)
{
    if (left < 2)
        return left;
    unsigned mod = modrm[0] >> 6, rm = modrm[0] & 7;
    if (mod == 3)
        return 1;
    bool sib = rm == 4;
    unsigned base = sib ? modrm[1] & 7 : rm;
    size_t displacement = mod == 1 ? 1 : mod == 2 || base == 5 ? 4 : 0;
    return 1 + sib + displacement;
}

/* capstone 4 lacks many AVX-512 instructions and the protection keys'. A VEX or EVEX prefix tells
 * the opcode map, and with it the length: all have operands, an immediate byte those of map 3 and
 * a few of map 1. */
static size_t x86_unknown_bytes(const uint8_t *code, size_t left)
{
    size_t prefix;
    unsigned map = 1;
    if (left >= 3 && code[0] == 0x0f && code[1] == 0x01 && code[2] >= 0xc0)
        return 3;
    if (left < 6)
        return 0;
    switch (code[0]) {
    case 0xc5: /* VEX, two bytes */ prefix = 2; break;
    case 0xc4: /* VEX, three bytes */
        prefix = 3;
        map = code[1] & 0x1f;
        break;
    case 0x62: /* EVEX */
        prefix = 4;
        map = code[1] & 0x07;
        break;
    default: return 0;
    }
    uint8_t opcode = code[prefix];
    bool immediate =
        map == 3 || (map == 1 && ((opcode >= 0x70 && opcode <= 0x73) || opcode == 0xc2 ||
                                  (opcode >= 0xc4 && opcode <= 0xc6)));
    return prefix + 1 + x86_operand_bytes(code + prefix + 1, left - prefix - 1) + immediate;
}

static const struct call_arch arches[] = {
    {EM_X86_64, ELFCLASS64, 2, 7, 1, CS_ARCH_X86, CS_MODE_64, x86_is_call, x86_unknown_bytes},
};

/* A function decoded from its start: where calls in it end. */
struct sweep {
    uint64_t start, end;
    uint64_t sure_end;   /* decoding is certain up to here */
    size_t first, count; /* in call_ends */
};

struct call_proof {
    const struct elf_file *file;
    const struct symbol_table *symbols;
    const struct call_arch *arch; /* NULL: unknown */
    const struct decoder *decoder;
    csh capstone;
    cs_insn *insn;
    struct unwind_starts starts;
    Dwarf_CFI *cfi;       /* NULL: no unwind data */
    struct sweep *sweeps; /* hash table by start; owned */
    size_t sweep_capacity, sweep_count;
    uint32_t *call_ends; /* offsets from the start of their function; owned */
    size_t call_end_count, call_end_capacity;
};

struct call_proof *call_proof_new(const struct elf_file *f, const struct symbol_table *symbols)
{
    struct call_proof *p = mem_zalloc(1, sizeof *p);
    p->file = f;
    p->symbols = symbols;
    for (size_t i = 0; i < sizeof arches / sizeof *arches; i++)
        if (arches[i].machine == f->machine && arches[i].elf_class == f->elf_class)
            p->arch = &arches[i];
    p->decoder = p->arch != NULL ? decoder_load() : NULL;
    if (p->decoder == NULL ||
        p->decoder->open(p->arch->arch, p->arch->mode, &p->capstone) != CS_ERR_OK) {
        p->arch = NULL;
        return p;
    }
    p->insn = p->decoder->malloc(p->capstone);
    unwind_starts_init(&p->starts, f);
    p->cfi = dwarf_getcfi_elf(f->elf);
    return p;
}

void call_proof_free(struct call_proof *p)
{
    if (p == NULL)
        return;
    if (p->arch) {
        p->decoder->free(p->insn, 1);
        p->decoder->close(&p->capstone);
    }
    if (p->cfi)
        dwarf_cfi_end(p->cfi);
    free(p->sweeps);
    free(p->call_ends);
    free(p);
}

/* Whether unwind data covers `address`, and says that signal handlers return to there. */
static bool is_signal_frame(const struct call_proof *p, uint64_t address)
{
    Dwarf_Frame *frame;
    Dwarf_Addr low, high;
    bool signal_frame = false;
    if (p->cfi == NULL || dwarf_cfi_addrframe(p->cfi, address, &frame) != 0)
        return false;
    int found = dwarf_frame_info(frame, &low, &high, &signal_frame);
    free(frame);
    return found >= 0 && signal_frame;
}

/* The function around `address`: by the starts that unwind data lists, else by symbol. Its end may
 * lie too far, in the gap before the next one. */
static bool function_around(const struct call_proof *p, uint64_t address, uint64_t *start,
                            uint64_t *end)
{
    if (unwind_starts_find(&p->starts, address, start, end))
        return true;
    return p->symbols && symbol_table_find(p->symbols, address, start, end);
}

static struct sweep *sweep_slot(struct call_proof *p, uint64_t start)
{
    if ((p->sweep_count + 1) * 2 > p->sweep_capacity) {
        size_t capacity = p->sweep_capacity ? p->sweep_capacity * 2 : 256;
        struct sweep *old = p->sweeps;
        size_t old_capacity = p->sweep_capacity;
        p->sweeps = mem_zalloc(capacity, sizeof *p->sweeps);
        p->sweep_capacity = capacity;
        for (size_t i = 0; i < old_capacity; i++)
            if (old[i].end)
                *sweep_slot(p, old[i].start) = old[i];
        free(old);
    }
    size_t at = (size_t)(start * 0x9e3779b97f4a7c15u >> 32) & (p->sweep_capacity - 1);
    while (p->sweeps[at].end && p->sweeps[at].start != start)
        at = (at + 1) & (p->sweep_capacity - 1);
    return &p->sweeps[at];
}

static const struct sweep *sweep_function(struct call_proof *p, uint64_t start, uint64_t end)
{
    struct sweep *s = sweep_slot(p, start);
    if (s->end)
        return s;
    size_t before, after;
    const uint8_t *code = elf_file_code(p->file, start, &before, &after);
    *s = (struct sweep){.start = start, .end = end, .sure_end = start};
    s->first = p->call_end_count;
    p->sweep_count++;
    if (code == NULL)
        return s;
    uint64_t bytes = end - start < FUNCTION_LIMIT ? end - start : FUNCTION_LIMIT;
    size_t left = bytes < after ? (size_t)bytes : after;
    while (left > 0) {
        if (!p->decoder->disasm_iter(p->capstone, &code, &left, &s->sure_end, p->insn)) {
            size_t skip = p->arch->unknown_bytes(code, left);
            if (skip == 0 || skip > left)
                break;
            code += skip;
            left -= skip;
            s->sure_end += skip;
            continue;
        }
        if (!p->arch->is_call(p->insn))
            continue;
        MEM_GROW(p->call_ends, p->call_end_capacity, p->call_end_count + 1);
        p->call_ends[p->call_end_count++] = (uint32_t)(s->sure_end - start);
        s->count++;
    }
    return s;
}

static bool is_call_end(const struct call_proof *p, const struct sweep *s, uint64_t address)
{
    const uint32_t *ends = p->call_ends + s->first;
    uint64_t offset = address - s->start;
    size_t low = BISECT(i, s->count, ends[i] < offset);
    return low < s->count && ends[low] == offset;
}

/* True if the bytes before `code` read as a call that ends there. */
static bool has_candidate(struct call_proof *p, const uint8_t *code, size_t before,
                          uint64_t address)
{
    for (size_t bytes = p->arch->min_bytes; bytes <= p->arch->max_bytes && bytes <= before;
         bytes += p->arch->step) {
        const uint8_t *at = code - bytes;
        size_t left = bytes;
        uint64_t from = address - bytes;
        if (p->decoder->disasm_iter(p->capstone, &at, &left, &from, p->insn) && left == 0 &&
            p->arch->is_call(p->insn))
            return true;
    }
    return false;
}

enum call_verdict call_proof_check(struct call_proof *p, uint64_t address)
{
    if (p->arch == NULL)
        return CALL_UNKNOWN;
    size_t before, after;
    const uint8_t *code = elf_file_code(p->file, address, &before, &after);
    if (code == NULL || address % p->arch->step != 0)
        return CALL_NONE;
    uint64_t start, end;
    if (before > 0 && has_candidate(p, code, before, address)) {
        if (!function_around(p, address - 1, &start, &end))
            return CALL_FOUND;
        const struct sweep *s = sweep_function(p, start, end);
        if (address > s->sure_end || is_call_end(p, s, address))
            return CALL_FOUND;
    }
    if (after > 0 && ((function_around(p, address, &start, &end) && start == address) ||
                      is_signal_frame(p, address)))
        return CALL_BY_HAND;
    return CALL_NONE;
}
