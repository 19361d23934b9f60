/* SPDX-License-Identifier: MIT
 *
 * Blocks stand from the oldest to the youngest: births and times rise, and blocks made together
 * stand together. So the list by age comes for nothing, too. */
#include "trace/checkpoint.h"

/* What each value is coded against. */
struct previous {
    struct trace_block block;
    uint32_t slot;
};

static void put_block(struct columns *c, struct previous *p, const struct trace_block *b)
{
    struct bytes *column = c->column;
    bytes_svarint(&column[SEEP_COLUMN_CHECK_ADDRESS], (int64_t)(b->address - p->block.address));
    bytes_varint(&column[SEEP_COLUMN_CHECK_SIZE], b->size);
    bytes_svarint(&column[SEEP_COLUMN_CHECK_USABLE],
                  (int64_t)(b->usable - SEEP_USABLE_GLIBC(b->size)));
    bytes_varint(&column[SEEP_COLUMN_CHECK_STACK], b->stack);
    bytes_varint(&column[SEEP_COLUMN_CHECK_THREAD], b->thread);
    bytes_svarint(&column[SEEP_COLUMN_CHECK_TIME], (int64_t)(b->time_ns - p->block.time_ns));
    bytes_u8(&column[SEEP_COLUMN_CHECK_CALL], b->call);
    bytes_u8(&column[SEEP_COLUMN_CHECK_CALL], b->flags);
    bytes_varint(&column[SEEP_COLUMN_CHECK_ALIGN], b->alignment);
    bytes_svarint(&column[SEEP_COLUMN_CHECK_BIRTH], (int64_t)(b->birth - p->block.birth));
    p->block = *b;
}

void checkpoint_encode(struct columns *c, const struct live *l)
{
    for (unsigned id = 0; id < CHECKPOINT_COLUMNS_END; id++)
        c->column[id].length = 0;
    struct previous p = {0};
    for (uint32_t slot = l->oldest; slot != LIVE_NONE; slot = l->links[slot].younger) {
        bytes_svarint(&c->column[SEEP_COLUMN_CHECK_SLOT], (int64_t)slot - p.slot);
        p.slot = slot;
        put_block(c, &p, &l->blocks[slot]);
    }
    uint32_t previous = 0;
    for (uint32_t i = 0; i < l->free_count; previous = l->free_slots[i++])
        bytes_svarint(&c->column[SEEP_COLUMN_CHECK_FREE_SLOTS],
                      (int64_t)l->free_slots[i] - previous);
    /* the flights: their slots with the link or 0, then the order of the free ones, then blocks */
    struct bytes *flights = &c->column[SEEP_COLUMN_CHECK_REALLOCS];
    if (!l->flight_slots)
        return;
    bytes_varint(flights, l->flight_slots);
    for (uint32_t i = 0; i < l->flight_slots; i++)
        bytes_varint(flights, l->flights[i].link);
    for (uint32_t i = 0; i < l->free_flight_count; i++)
        bytes_varint(flights, l->free_flights[i]);
    for (uint32_t i = 0; i < l->flight_slots; i++)
        if (l->flights[i].link)
            put_block(c, &p, &l->flights[i].before);
}

struct take {
    struct cursor cursor[CHECKPOINT_COLUMNS_END];
    struct previous previous;
};

static struct trace_block take_block(struct take *t)
{
    struct cursor *cursor = t->cursor;
    struct trace_block *p = &t->previous.block, b;
    b.address = p->address + (uint64_t)cursor_svarint(&cursor[SEEP_COLUMN_CHECK_ADDRESS]);
    b.size = cursor_varint(&cursor[SEEP_COLUMN_CHECK_SIZE]);
    b.usable =
        SEEP_USABLE_GLIBC(b.size) + (uint64_t)cursor_svarint(&cursor[SEEP_COLUMN_CHECK_USABLE]);
    b.stack = (uint32_t)cursor_bounded(&cursor[SEEP_COLUMN_CHECK_STACK], UINT32_MAX);
    b.thread = (uint32_t)cursor_bounded(&cursor[SEEP_COLUMN_CHECK_THREAD], UINT32_MAX);
    b.time_ns = p->time_ns + (uint64_t)cursor_svarint(&cursor[SEEP_COLUMN_CHECK_TIME]);
    b.call = cursor_u8(&cursor[SEEP_COLUMN_CHECK_CALL]);
    b.flags = cursor_u8(&cursor[SEEP_COLUMN_CHECK_CALL]);
    b.alignment = (uint32_t)cursor_bounded(&cursor[SEEP_COLUMN_CHECK_ALIGN], UINT32_MAX);
    b.birth = p->birth + (uint64_t)cursor_svarint(&cursor[SEEP_COLUMN_CHECK_BIRTH]);
    *p = b;
    return b;
}

static bool take_blocks(struct take *t, const struct seep_group_header *header, struct live *l)
{
    struct cursor *slots = &t->cursor[SEEP_COLUMN_CHECK_SLOT];
    for (uint32_t i = 0; i < header->live_count; i++) {
        int64_t slot = (int64_t)(t->previous.slot + (uint64_t)cursor_svarint(slots));
        struct trace_block b = take_block(t);
        if (slots->bad || slot < 0 || slot >= header->slot_count ||
            live_block(l, (uint32_t)slot) != NULL)
            return false;
        t->previous.slot = (uint32_t)slot;
        live_put(l, (uint32_t)slot, &b);
    }
    return true;
}

static bool take_free_slots(struct take *t, const struct seep_group_header *header, struct live *l)
{
    struct cursor *c = &t->cursor[SEEP_COLUMN_CHECK_FREE_SLOTS];
    uint32_t count = header->slot_count - header->live_count;
    int64_t previous = 0;
    while (l->free_count < count) {
        int64_t slot = (int64_t)((uint64_t)previous + (uint64_t)cursor_svarint(c));
        if (c->bad || slot < 0 || slot >= header->slot_count)
            return false;
        if (slot >= l->slot_count)
            live_use(l, (uint32_t)slot);
        /* a dead slot's `younger` is of no use: it marks here that the slot was seen */
        struct live_link *link = &l->links[slot];
        if (link->older != LIVE_DEAD || link->younger == LIVE_DEAD)
            return false;
        link->younger = LIVE_DEAD;
        live_push_free(l, (uint32_t)slot);
        previous = slot;
    }
    return true;
}

static bool take_flights(struct take *t, const struct seep_group_header *header, struct live *l)
{
    struct cursor *c = &t->cursor[SEEP_COLUMN_CHECK_REALLOCS];
    if (cursor_done(c))
        return header->flight_count == 0;
    uint32_t slots = (uint32_t)cursor_bounded(c, SEEP_FLIGHTS_MAX);
    if (slots < header->flight_count)
        return false;
    MEM_GROW(l->flights, l->flight_capacity, slots);
    MEM_GROW(l->free_flights, l->free_flight_capacity, slots);
    for (uint32_t i = 0; i < slots; i++) {
        l->flights[i].link = (uint32_t)cursor_bounded(c, UINT32_MAX);
        l->flight_count += l->flights[i].link != 0;
    }
    l->flight_slots = slots;
    uint8_t *seen = mem_zalloc(slots, 1);
    bool good = l->flight_count == header->flight_count;
    for (uint32_t i = 0; good && i < slots - header->flight_count; i++) {
        uint32_t flight = (uint32_t)cursor_bounded(c, slots - 1);
        good = !c->bad && !l->flights[flight].link && !seen[flight];
        seen[flight] = 1;
        l->free_flights[l->free_flight_count++] = flight;
    }
    free(seen);
    for (uint32_t i = 0; good && i < slots; i++)
        if (l->flights[i].link)
            l->flights[i].before = take_block(t);
    return good && !c->bad;
}

bool checkpoint_decode(struct columns *c, const struct columns_table *table,
                       const struct seep_group_header *header, struct live *l)
{
    struct take t = {0};
    live_clear(l);
    uint64_t rows = (uint64_t)header->slot_count + 2 * (uint64_t)SEEP_FLIGHTS_MAX + 1;
    bool good = true;
    for (unsigned id = 0; good && id < CHECKPOINT_COLUMNS_END; id++) {
        good = columns_decode(c, table, id, rows * SEEP_VARINT_MAX);
        t.cursor[id] = cursor_of(&c->column[id]);
    }
    /* a byte each at least: memory is taken only for what the columns really hold */
    good =
        good && c->column[SEEP_COLUMN_CHECK_SLOT].length >= header->live_count &&
        c->column[SEEP_COLUMN_CHECK_FREE_SLOTS].length >= header->slot_count - header->live_count;
    good = good && take_blocks(&t, header, l) && take_free_slots(&t, header, l) &&
           take_flights(&t, header, l) && l->slot_count == header->slot_count;
    for (unsigned id = 0; id < CHECKPOINT_COLUMNS_END; id++)
        good = good && !t.cursor[id].bad;
    if (!good)
        live_clear(l);
    return good;
}
