/* SPDX-License-Identifier: MIT */
#include "trace/node_pcs.h"

#define FIRST_MAP_BITS 10

static size_t hash(uint64_t v, unsigned bits)
{
    return (size_t)(v * UINT64_C(0x9e3779b97f4a7c15) >> (64 - bits));
}

void node_pcs_begin(struct node_pcs *p, struct columns *c)
{
    *p = (struct node_pcs){.columns = c};
    p->followers = mem_zalloc(1u << NODE_PCS_BITS, sizeof *p->followers);
    p->codes = cursor_of(&c->column[SEEP_COLUMN_NODE_PC]);
    p->low = cursor_of(&c->column[SEEP_COLUMN_NODE_PC_LOW]);
    p->high = cursor_of(&c->column[SEEP_COLUMN_NODE_PC_HIGH]);
    p->fresh = cursor_of(&c->column[SEEP_COLUMN_NODE_PC_NEW]);
}

void node_pcs_end(struct node_pcs *p)
{
    free(p->pcs);
    free(p->followers);
    free(p->map);
    *p = (struct node_pcs){0};
}

static uint32_t add(struct node_pcs *p, uint64_t pc)
{
    MEM_GROW(p->pcs, p->capacity, (size_t)p->count + 1);
    p->pcs[p->count] = pc;
    return p->count++;
}

static void move_to_front(uint32_t *followers, uint32_t number)
{
    uint32_t carried = number + 1;
    for (unsigned i = 0; i < SEEP_NODE_PC_FAR; i++) {
        uint32_t here = followers[i];
        followers[i] = carried;
        if (here == number + 1)
            return;
        carried = here;
    }
}

/* ------------------------------------------------------------------ writing */

static uint32_t *place_of(const struct node_pcs *p, uint64_t pc)
{
    size_t mask = ((size_t)1 << p->map_bits) - 1, at = hash(pc, p->map_bits);
    while (p->map[at] && p->pcs[p->map[at] - 1] != pc)
        at = (at + 1) & mask;
    return &p->map[at];
}

static void grow_map(struct node_pcs *p)
{
    free(p->map);
    p->map_bits = p->map_bits ? p->map_bits + 1 : FIRST_MAP_BITS;
    p->map = mem_zalloc((size_t)1 << p->map_bits, sizeof *p->map);
    for (uint32_t number = 0; number < p->count; number++)
        *place_of(p, p->pcs[number]) = number + 1;
}

void node_pcs_put(struct node_pcs *p, uint64_t key, uint64_t pc)
{
    struct bytes *column = p->columns->column;
    uint32_t *followers = p->followers[hash(key, NODE_PCS_BITS)];
    if (!p->map || (size_t)p->count * 2 >= (size_t)1 << p->map_bits)
        grow_map(p);
    uint32_t *place = place_of(p, pc), number = *place - 1;
    unsigned code = *place ? 0 : SEEP_NODE_PC_NEW;
    while (code < SEEP_NODE_PC_FAR && followers[code] != *place)
        code++;
    bytes_u8(&column[SEEP_COLUMN_NODE_PC], (uint8_t)code);
    if (code == SEEP_NODE_PC_NEW) {
        number = add(p, pc);
        *place = number + 1;
        bytes_svarint(&column[SEEP_COLUMN_NODE_PC_NEW], (int64_t)(pc - p->last_new));
        p->last_new = pc;
    } else if (code == SEEP_NODE_PC_FAR) {
        bytes_u8(&column[SEEP_COLUMN_NODE_PC_LOW], number & 0xff);
        bytes_varint(&column[SEEP_COLUMN_NODE_PC_HIGH], number >> 8);
    }
    move_to_front(followers, number);
}

void node_pcs_put_root(struct node_pcs *p, uint64_t generation)
{
    bytes_varint(&p->columns->column[SEEP_COLUMN_NODE_PC_NEW], generation);
}

/* ------------------------------------------------------------------ reading */

bool node_pcs_take(struct node_pcs *p, uint64_t key, uint64_t *pc)
{
    uint32_t *followers = p->followers[hash(key, NODE_PCS_BITS)];
    unsigned code = cursor_u8(&p->codes);
    uint64_t number;
    if (code < SEEP_NODE_PC_FAR) {
        number = (uint64_t)followers[code] - 1;
    } else if (code == SEEP_NODE_PC_FAR) {
        number = cursor_u8(&p->low);
        number |= cursor_bounded(&p->high, UINT32_MAX) << 8;
    } else {
        p->last_new += (uint64_t)cursor_svarint(&p->fresh);
        number = p->count;
        if (code == SEEP_NODE_PC_NEW)
            add(p, p->last_new);
    }
    if (p->codes.bad || p->low.bad || p->high.bad || p->fresh.bad || number >= p->count)
        return false;
    move_to_front(followers, (uint32_t)number);
    *pc = p->pcs[number];
    return true;
}

bool node_pcs_take_root(struct node_pcs *p, uint64_t *generation)
{
    *generation = cursor_varint(&p->fresh);
    return !p->fresh.bad;
}
