/* SPDX-License-Identifier: MIT */
#include "eh_frame.h"

#include <stddef.h>

/* Encodings of pointers (LSB 5.0, 10.5.1): a format in the low half, an application above. */
enum {
    PE_ABSOLUTE = 0x00,
    PE_ULEB = 0x01,
    PE_U2 = 0x02,
    PE_U4 = 0x03,
    PE_U8 = 0x04,
    PE_SLEB = 0x09,
    PE_S2 = 0x0a,
    PE_S4 = 0x0b,
    PE_S8 = 0x0c,
    PE_PC_RELATIVE = 0x10,
    PE_DATA_RELATIVE = 0x30,
    PE_OMIT = 0xff,
};

/* DWARF numbers of registers on x86-64 (psABI, figure 3.36). */
enum { REG_FP = 6, REG_SP = 7, REG_PC = 16 };

#define STATE_DEPTH 4 /* gcc and clang nest 1; kept small, for this may run on a small stack */

/* ------------------------------------------------------------------ reading bytes */

struct bytes {
    const uint8_t *p, *end;
    bool bad; /* ran into the end; what was read then is 0 */
};

static uint64_t take(struct bytes *b, unsigned n)
{
    uint64_t v = 0;
    if ((size_t)(b->end - b->p) < n) {
        b->bad = true;
        b->p = b->end;
        return 0;
    }
    for (unsigned i = 0; i < n; i++)
        v |= (uint64_t)b->p[i] << (8 * i);
    b->p += n;
    return v;
}

static void skip(struct bytes *b, uint64_t n)
{
    if ((uint64_t)(b->end - b->p) < n) {
        b->bad = true;
        b->p = b->end;
    } else {
        b->p += n;
    }
}

static uint64_t take_uleb(struct bytes *b)
{
    uint64_t v = 0;
    for (unsigned shift = 0; b->p < b->end; shift += 7) {
        uint8_t byte = *b->p++;
        if (shift < 64)
            v |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80)
            return v;
    }
    b->bad = true;
    return 0;
}

static int64_t take_sleb(struct bytes *b)
{
    uint64_t v = 0;
    for (unsigned shift = 0; b->p < b->end;) {
        uint8_t byte = *b->p++;
        if (shift < 64)
            v |= (uint64_t)(byte & 0x7f) << shift;
        shift += 7;
        if (byte < 0x80) {
            if (shift < 64 && (byte & 0x40))
                v |= ~0ull << shift;
            return (int64_t)v;
        }
    }
    b->bad = true;
    return 0;
}

/* The number alone, without its application. */
static uint64_t take_format(struct bytes *b, uint8_t encoding)
{
    switch (encoding & 0x0f) {
    case PE_ABSOLUTE:
    case PE_U8:
    case PE_S8: return take(b, 8);
    case PE_ULEB: return take_uleb(b);
    case PE_SLEB: return (uint64_t)take_sleb(b);
    case PE_U2: return take(b, 2);
    case PE_U4: return take(b, 4);
    case PE_S2: return (uint64_t)(int16_t)take(b, 2);
    case PE_S4: return (uint64_t)(int32_t)take(b, 4);
    default: b->bad = true; return 0;
    }
}

/* A pointer; `data` is what data-relative ones count from. Indirect ones are not followed. */
static uint64_t take_pointer(struct bytes *b, uint8_t encoding, uintptr_t data)
{
    uintptr_t here = (uintptr_t)b->p;
    uint64_t v = take_format(b, encoding);
    switch (encoding & 0xf0) {
    case 0: return v;
    case PE_PC_RELATIVE: return v + here;
    case PE_DATA_RELATIVE: return v + data;
    default: b->bad = true; return 0;
    }
}

/* ------------------------------------------------------------------ entries */

/* What a common information entry says for its frame descriptions. */
struct cie {
    uint64_t code_align;
    int64_t data_align;
    uint8_t pointer_encoding;
    bool augmented; /* "z": entries carry the length of their augmentation */
    bool signal;
    struct bytes program;
};

/* Opens the entry at `at`: *body is what follows its length field. False at the end, or if it is
 * malformed (64-bit entries are; nobody writes them). */
static bool open_entry(const uint8_t *at, struct eh_range range, struct bytes *body)
{
    if (at < range.low || at >= range.high)
        return false;
    struct bytes b = {.p = at, .end = range.high};
    uint64_t length = take(&b, 4);
    if (b.bad || length == 0 || length == 0xffffffff || length > (uint64_t)(b.end - b.p))
        return false;
    *body = (struct bytes){.p = b.p, .end = b.p + length};
    return true;
}

static bool read_cie(const uint8_t *at, struct eh_range range, struct cie *cie)
{
    struct bytes b;
    if (!open_entry(at, range, &b) || take(&b, 4) != 0)
        return false;
    uint64_t version = take(&b, 1);
    if (version != 1 && version != 3 && version != 4)
        return false;
    const uint8_t *augmentation = b.p;
    while (take(&b, 1) != 0)
        ;
    if (version == 4) {
        uint64_t address_bytes = take(&b, 1), segment_bytes = take(&b, 1);
        if (address_bytes != 8 || segment_bytes != 0)
            return false;
    }
    cie->code_align = take_uleb(&b);
    cie->data_align = take_sleb(&b);
    uint64_t return_register = version == 1 ? take(&b, 1) : take_uleb(&b);
    if (b.bad || return_register != REG_PC)
        return false;
    cie->pointer_encoding = PE_ABSOLUTE;
    cie->signal = false;
    cie->augmented = augmentation[0] == 'z';
    if (cie->augmented) {
        uint64_t length = take_uleb(&b);
        const uint8_t *data = b.p;
        skip(&b, length);
        if (b.bad)
            return false;
        struct bytes a = {.p = data, .end = b.p};
        for (const uint8_t *c = augmentation + 1; *c; c++) {
            if (*c == 'R')
                cie->pointer_encoding = (uint8_t)take(&a, 1);
            else if (*c == 'L')
                take(&a, 1);
            else if (*c == 'P')
                take_format(&a, (uint8_t)take(&a, 1));
            else if (*c == 'S')
                cie->signal = true;
            else
                return false;
        }
        if (a.bad)
            return false;
    } else if (augmentation[0] != '\0') {
        return false;
    }
    cie->program = b;
    return true;
}

/* Reads the entry at `at`. *start and *size say which code it describes; false if it is no frame
 * description. */
static bool read_fde(const uint8_t *at, struct eh_range range, struct cie *cie, uint64_t *start,
                     uint64_t *size, struct bytes *program)
{
    struct bytes b;
    if (!open_entry(at, range, &b))
        return false;
    const uint8_t *id = b.p;
    uint64_t distance = take(&b, 4);
    if (b.bad || distance == 0 || distance > (uint64_t)(id - range.low) ||
        !read_cie(id - distance, range, cie))
        return false;
    *start = take_pointer(&b, cie->pointer_encoding, 0);
    *size = take_format(&b, cie->pointer_encoding & 0x0f);
    if (cie->augmented)
        skip(&b, take_uleb(&b));
    *program = b;
    return !b.bad;
}

/* ------------------------------------------------------------------ expressions */

enum {
    OP_DEREF = 0x06,
    OP_AND = 0x1a,
    OP_PLUS = 0x22,
    OP_PLUS_UCONST = 0x23,
    OP_SHL = 0x24,
    OP_GE = 0x2a,
    OP_LIT0 = 0x30,
    OP_BREG0 = 0x70,
};

static bool fits(int64_t v)
{
    return v == (int32_t)v;
}

/* The linker's description of a .plt section: rsp + n + ((rip & 15) >= k ? 8 : 0), k being the
 * offset behind the push in each of its 16-byte stubs. */
static bool is_plt_tail(struct bytes b, unsigned *push_end)
{
    if (take(&b, 1) != OP_BREG0 + REG_PC || take_sleb(&b) != 0 || take(&b, 1) != OP_LIT0 + 15 ||
        take(&b, 1) != OP_AND)
        return false;
    uint64_t k = take(&b, 1);
    if (k < OP_LIT0 || k > OP_LIT0 + 15 || take(&b, 1) != OP_GE || take(&b, 1) != OP_LIT0 + 3 ||
        take(&b, 1) != OP_SHL || take(&b, 1) != OP_PLUS || b.bad || b.p != b.end)
        return false;
    *push_end = (unsigned)(k - OP_LIT0);
    return true;
}

/* ------------------------------------------------------------------ the machine */

struct place {
    uint8_t from;  /* enum eh_from */
    uint8_t state; /* enum place_state */
    int32_t offset;
};

enum place_state { PLACE_KNOWN = 0, PLACE_UNDEFINED = 1, PLACE_UNKNOWN = 2 };

struct row {
    int64_t cfa_offset;
    int32_t cfa_add;
    uint8_t cfa_register; /* 255: one beyond that */
    uint8_t cfa_form;     /* enum cfa_form */
    struct place fp, pc;
};

enum cfa_form { CFA_UNSET = 0, CFA_PLAIN, CFA_DEREF, CFA_UNKNOWN };

static void cfa_expression(struct bytes b, uint64_t pc, struct row *row)
{
    row->cfa_form = CFA_UNKNOWN;
    uint64_t op = take(&b, 1);
    if (op != OP_BREG0 + REG_SP && op != OP_BREG0 + REG_FP)
        return;
    int64_t offset = take_sleb(&b);
    row->cfa_register = (uint8_t)(op - OP_BREG0);
    row->cfa_offset = offset;
    row->cfa_add = 0;
    unsigned push_end;
    if (is_plt_tail(b, &push_end)) {
        row->cfa_offset += (pc & 15) >= push_end ? 8 : 0;
        row->cfa_form = CFA_PLAIN;
        return;
    }
    bool deref = false;
    while (b.p < b.end) {
        op = take(&b, 1);
        if (op == OP_DEREF && !deref) {
            deref = true;
        } else if (op == OP_PLUS_UCONST) {
            uint64_t add = take_uleb(&b);
            if (add > 1u << 30)
                return;
            if (deref)
                row->cfa_add += (int32_t)add;
            else
                row->cfa_offset += (int64_t)add;
        } else {
            return;
        }
    }
    if (!b.bad)
        row->cfa_form = deref ? CFA_DEREF : CFA_PLAIN;
}

/* DW_CFA_expression: the value is in memory at the address computed. */
static struct place place_expression(struct bytes b)
{
    struct place unknown = {.state = PLACE_UNKNOWN};
    uint64_t op = take(&b, 1);
    int64_t offset = take_sleb(&b);
    if (b.bad || b.p != b.end || !fits(offset))
        return unknown;
    if (op == OP_BREG0 + REG_SP)
        return (struct place){.from = EH_SP, .offset = (int32_t)offset};
    if (op == OP_BREG0 + REG_FP)
        return (struct place){.from = EH_FP, .offset = (int32_t)offset};
    return unknown;
}

static struct place *place_of(struct row *row, uint64_t reg)
{
    return reg == REG_FP ? &row->fp : reg == REG_PC ? &row->pc : NULL;
}

static void set_place(struct row *row, uint64_t reg, struct place place)
{
    struct place *p = place_of(row, reg);
    if (p)
        *p = place;
}

static struct place at_cfa(int64_t offset)
{
    if (!fits(offset))
        return (struct place){.state = PLACE_UNKNOWN};
    return (struct place){.from = EH_CFA, .offset = (int32_t)offset};
}

/* Opcodes of the machine (DWARF 5, 7.24, and GNU's). */
enum {
    CFA_ADVANCE_LOC = 0x40, /* the operand in the low six bits */
    CFA_OFFSET = 0x80,
    CFA_RESTORE = 0xc0,
    CFA_NOP = 0x00,
    CFA_SET_LOC = 0x01,
    CFA_ADVANCE_LOC1 = 0x02,
    CFA_ADVANCE_LOC2 = 0x03,
    CFA_ADVANCE_LOC4 = 0x04,
    CFA_OFFSET_EXTENDED = 0x05,
    CFA_RESTORE_EXTENDED = 0x06,
    CFA_UNDEFINED = 0x07,
    CFA_SAME_VALUE = 0x08,
    CFA_REGISTER = 0x09,
    CFA_REMEMBER_STATE = 0x0a,
    CFA_RESTORE_STATE = 0x0b,
    CFA_DEF_CFA = 0x0c,
    CFA_DEF_CFA_REGISTER = 0x0d,
    CFA_DEF_CFA_OFFSET = 0x0e,
    CFA_DEF_CFA_EXPRESSION = 0x0f,
    CFA_EXPRESSION = 0x10,
    CFA_OFFSET_EXTENDED_SF = 0x11,
    CFA_DEF_CFA_SF = 0x12,
    CFA_DEF_CFA_OFFSET_SF = 0x13,
    CFA_VAL_OFFSET = 0x14,
    CFA_VAL_OFFSET_SF = 0x15,
    CFA_VAL_EXPRESSION = 0x16,
    CFA_GNU_ARGS_SIZE = 0x2e,
    CFA_GNU_NEGATIVE_OFFSET = 0x2f,
};

static void define_cfa(struct row *row, uint64_t reg, int64_t offset)
{
    row->cfa_form = CFA_PLAIN;
    row->cfa_register = (uint8_t)(reg < 255 ? reg : 255);
    row->cfa_offset = offset;
    row->cfa_add = 0;
}

/* Takes a block of bytes: an expression. */
static struct bytes take_block(struct bytes *b)
{
    uint64_t n = take_uleb(b);
    const uint8_t *p = b->p;
    skip(b, n);
    return (struct bytes){.p = p, .end = b->bad ? p : b->p};
}

/* Runs `b` from `location` until it passes `pc`. `initial` is the row that the common entry left
 * (NULL while that one runs itself). */
static enum eh_result run(struct bytes b, const struct cie *cie, uint64_t location, uint64_t pc,
                          const struct row *initial, struct row *row)
{
    struct row saved[STATE_DEPTH];
    unsigned depth = 0;
    while (b.p < b.end) {
        uint8_t op = (uint8_t)take(&b, 1);
        uint64_t advance = 0, reg;
        switch (op & 0xc0 ? op & 0xc0 : op) {
        case CFA_ADVANCE_LOC: advance = op & 0x3f; break;
        case CFA_ADVANCE_LOC1: advance = take(&b, 1); break;
        case CFA_ADVANCE_LOC2: advance = take(&b, 2); break;
        case CFA_ADVANCE_LOC4: advance = take(&b, 4); break;
        case CFA_SET_LOC:
            location = take_pointer(&b, cie->pointer_encoding, 0);
            if (location > pc)
                return b.bad ? EH_BAD_ENTRY : EH_OK;
            break;
        case CFA_OFFSET:
            set_place(row, op & 0x3f, at_cfa((int64_t)take_uleb(&b) * cie->data_align));
            break;
        case CFA_OFFSET_EXTENDED:
            reg = take_uleb(&b);
            set_place(row, reg, at_cfa((int64_t)take_uleb(&b) * cie->data_align));
            break;
        case CFA_OFFSET_EXTENDED_SF:
            reg = take_uleb(&b);
            set_place(row, reg, at_cfa(take_sleb(&b) * cie->data_align));
            break;
        case CFA_GNU_NEGATIVE_OFFSET:
            reg = take_uleb(&b);
            set_place(row, reg, at_cfa(-(int64_t)take_uleb(&b) * cie->data_align));
            break;
        case CFA_RESTORE:
        case CFA_RESTORE_EXTENDED:
            reg = op & 0xc0 ? op & 0x3f : take_uleb(&b);
            if (!initial)
                return EH_BAD_INSTRUCTION;
            if (reg == REG_FP)
                row->fp = initial->fp;
            else if (reg == REG_PC)
                row->pc = initial->pc;
            break;
        case CFA_UNDEFINED:
            set_place(row, take_uleb(&b), (struct place){.state = PLACE_UNDEFINED});
            break;
        case CFA_SAME_VALUE:
            reg = take_uleb(&b);
            set_place(row, reg,
                      reg == REG_FP ? (struct place){.from = EH_SAME}
                                    : (struct place){.state = PLACE_UNKNOWN});
            break;
        case CFA_REGISTER:
        case CFA_VAL_OFFSET:
            reg = take_uleb(&b);
            take_uleb(&b);
            set_place(row, reg, (struct place){.state = PLACE_UNKNOWN});
            break;
        case CFA_VAL_OFFSET_SF:
            reg = take_uleb(&b);
            take_sleb(&b);
            set_place(row, reg, (struct place){.state = PLACE_UNKNOWN});
            break;
        case CFA_EXPRESSION:
            reg = take_uleb(&b);
            set_place(row, reg, place_expression(take_block(&b)));
            break;
        case CFA_VAL_EXPRESSION:
            reg = take_uleb(&b);
            take_block(&b);
            set_place(row, reg, (struct place){.state = PLACE_UNKNOWN});
            break;
        case CFA_REMEMBER_STATE:
            if (depth == STATE_DEPTH)
                return EH_BAD_INSTRUCTION;
            saved[depth++] = *row;
            break;
        case CFA_RESTORE_STATE:
            if (depth == 0)
                return EH_BAD_INSTRUCTION;
            *row = saved[--depth];
            break;
        case CFA_DEF_CFA:
            reg = take_uleb(&b);
            define_cfa(row, reg, (int64_t)take_uleb(&b));
            break;
        case CFA_DEF_CFA_SF:
            reg = take_uleb(&b);
            define_cfa(row, reg, take_sleb(&b) * cie->data_align);
            break;
        case CFA_DEF_CFA_REGISTER: define_cfa(row, take_uleb(&b), row->cfa_offset); break;
        case CFA_DEF_CFA_OFFSET: define_cfa(row, row->cfa_register, (int64_t)take_uleb(&b)); break;
        case CFA_DEF_CFA_OFFSET_SF:
            define_cfa(row, row->cfa_register, take_sleb(&b) * cie->data_align);
            break;
        case CFA_DEF_CFA_EXPRESSION: cfa_expression(take_block(&b), pc, row); break;
        case CFA_GNU_ARGS_SIZE: take_uleb(&b); break;
        case CFA_NOP: break;
        default: return EH_BAD_INSTRUCTION;
        }
        if (b.bad)
            return EH_BAD_ENTRY;
        location += advance * cie->code_align;
        if (location > pc)
            return EH_OK;
    }
    return EH_OK;
}

/* The rule that a row amounts to. */
static enum eh_result conclude(const struct row *row, bool signal, struct eh_rule *rule)
{
    if (row->pc.state == PLACE_UNDEFINED) {
        rule->kind = EH_OUTERMOST;
        return EH_OK;
    }
    if (row->cfa_form == CFA_UNKNOWN || row->cfa_form == CFA_UNSET)
        return EH_CFA_EXPRESSION;
    if (row->cfa_register != REG_SP && row->cfa_register != REG_FP)
        return EH_CFA_REGISTER;
    if (!fits(row->cfa_offset))
        return EH_CFA_EXPRESSION;
    if (row->fp.state == PLACE_UNKNOWN)
        return EH_FP_RULE;
    if (row->pc.state != PLACE_KNOWN || row->pc.from == EH_SAME)
        return EH_PC_RULE;
    *rule = (struct eh_rule){
        .kind = EH_FRAME,
        .cfa_base = row->cfa_register == REG_SP ? EH_SP : EH_FP,
        .cfa_deref = row->cfa_form == CFA_DEREF,
        .signal = signal,
        .fp_from = row->fp.state == PLACE_UNDEFINED ? EH_LOST : row->fp.from,
        .pc_from = row->pc.from,
        .cfa_offset = (int32_t)row->cfa_offset,
        .cfa_add = row->cfa_add,
        .fp_offset = row->fp.offset,
        .pc_offset = row->pc.offset,
    };
    return EH_OK;
}

/* ------------------------------------------------------------------ finding the entry */

static int32_t read_s4(const uint8_t *p)
{
    int32_t v;
    __builtin_memcpy(&v, p, sizeof v);
    return v;
}

/* The header's table: pairs of (code, entry), both relative to the header, by rising code. */
static const uint8_t *search_table(const uint8_t *hdr, const uint8_t *table, uint64_t count,
                                   uintptr_t pc)
{
    int64_t wanted = (int64_t)(pc - (uintptr_t)hdr);
    uint64_t low = 0, high = count;
    while (low < high) {
        uint64_t middle = low + (high - low) / 2;
        if (read_s4(table + 8 * middle) <= wanted)
            low = middle + 1;
        else
            high = middle;
    }
    return low ? hdr + read_s4(table + 8 * (low - 1) + 4) : NULL;
}

/* Without a table: every entry from the start of .eh_frame. */
static const uint8_t *search_entries(const uint8_t *at, struct eh_range range, uintptr_t pc)
{
    struct bytes body;
    while (open_entry(at, range, &body)) {
        struct cie cie;
        struct bytes program;
        uint64_t start, size;
        if (read_fde(at, range, &cie, &start, &size, &program) && pc - start < size)
            return at;
        at = body.end;
    }
    return NULL;
}

static enum eh_result find_entry(const uint8_t *hdr, struct eh_range hdr_range,
                                 eh_segment_fn *segment, const void *context, uintptr_t pc,
                                 const uint8_t **entry, struct eh_range *range)
{
    if (hdr < hdr_range.low || hdr >= hdr_range.high)
        return EH_BAD_HEADER;
    struct bytes b = {.p = hdr, .end = hdr_range.high};
    if (take(&b, 1) != 1)
        return EH_BAD_HEADER;
    uint8_t frame_encoding = (uint8_t)take(&b, 1), count_encoding = (uint8_t)take(&b, 1);
    uint8_t table_encoding = (uint8_t)take(&b, 1);
    uint64_t frame =
        frame_encoding == PE_OMIT ? 0 : take_pointer(&b, frame_encoding, (uintptr_t)hdr);
    bool has_table = count_encoding != PE_OMIT && table_encoding == (PE_DATA_RELATIVE | PE_S4);
    if (has_table) {
        uint64_t count = take_pointer(&b, count_encoding, (uintptr_t)hdr);
        if (b.bad || count > (uint64_t)(b.end - b.p) / 8)
            return EH_BAD_HEADER;
        *entry = search_table(hdr, b.p, count, pc);
        if (*entry == NULL)
            return EH_NO_ENTRY;
        return segment(context, (uintptr_t)*entry, range) ? EH_OK : EH_BAD_ENTRY;
    }
    if (b.bad || frame_encoding == PE_OMIT || !segment(context, frame, range))
        return EH_BAD_HEADER;
    *entry = search_entries((const uint8_t *)(uintptr_t)frame, *range, pc);
    return *entry ? EH_OK : EH_NO_ENTRY;
}

enum eh_result eh_frame_rule(const uint8_t *hdr, struct eh_range hdr_range, eh_segment_fn *segment,
                             const void *context, uintptr_t pc, struct eh_rule *rule)
{
    *rule = (struct eh_rule){.kind = EH_NONE};
    const uint8_t *entry;
    struct eh_range range;
    enum eh_result result = find_entry(hdr, hdr_range, segment, context, pc, &entry, &range);
    if (result != EH_OK)
        return result;
    struct cie cie;
    struct bytes program;
    uint64_t start, size;
    if (!read_fde(entry, range, &cie, &start, &size, &program))
        return EH_BAD_ENTRY;
    if (pc - start >= size)
        return EH_NO_ENTRY;
    /* What nothing is said of: rbp is unchanged (the ABI has it saved by whoever changes it). */
    struct row row = {.fp = {.from = EH_SAME}, .pc = {.state = PLACE_UNKNOWN}};
    result = run(cie.program, &cie, 0, UINT64_MAX, NULL, &row);
    if (result != EH_OK)
        return result;
    struct row initial = row;
    result = run(program, &cie, start, pc, &initial, &row);
    if (result != EH_OK)
        return result;
    return conclude(&row, cie.signal, rule);
}
