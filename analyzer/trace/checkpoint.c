/* SPDX-License-Identifier: MIT
 *
 * Blocks stand from the oldest to the youngest: births and times rise, and blocks made together
 * stand together. So the list by age comes for nothing, too. */
#include "trace/checkpoint.h"

#include "trace/kinds.h"

/* What each value is coded against. */
struct previous {
    uint64_t address, time, birth; /* time: as stored */
    uint32_t slot, stack;
    struct kinds kinds;
};

static void put_kind(struct columns *c, struct previous *p, const struct kind *k)
{
    bytes_svarint(&c->column[SEEP_COLUMN_CHECK_STACK], (int64_t)k->stack - p->stack);
    bytes_varint(&c->column[SEEP_COLUMN_CHECK_SIZE], k->size);
    bytes_svarint(&c->column[SEEP_COLUMN_CHECK_USABLE],
                  (int64_t)(k->usable - SEEP_USABLE_GLIBC(k->size)));
    bytes_u8(&c->column[SEEP_COLUMN_CHECK_CALL], k->call);
    bytes_varint(&c->column[SEEP_COLUMN_CHECK_ALIGN], k->alignment);
    p->stack = k->stack;
}

static void put_block(struct columns *c, struct previous *p, const struct trace_block *b,
                      uint32_t unit_us)
{
    struct bytes *column = c->column;
    struct kind kind = kind_of_block(b);
    uint32_t known = p->kinds.count, number = kinds_find(&p->kinds, &kind, true);
    bytes_varint(&column[SEEP_COLUMN_CHECK_KIND], number == known ? 0 : number + UINT64_C(1));
    if (number == known)
        put_kind(c, p, &kind);
    uint64_t unit_ns = unit_us * UINT64_C(1000), time = (b->time_ns + unit_ns) / (2 * unit_ns);
    bytes_svarint(&column[SEEP_COLUMN_CHECK_ADDRESS], (int64_t)(b->address - p->address));
    bytes_varint(&column[SEEP_COLUMN_CHECK_THREAD], b->thread);
    bytes_svarint(&column[SEEP_COLUMN_CHECK_TIME], (int64_t)(time - p->time));
    bytes_svarint(&column[SEEP_COLUMN_CHECK_BIRTH], (int64_t)(b->birth - p->birth));
    bytes_u8(&column[SEEP_COLUMN_CHECK_FLAGS], b->flags);
    p->address = b->address;
    p->time = time;
    p->birth = b->birth;
}

void checkpoint_encode(struct columns *c, const struct live *l, const struct trace_peak *peak,
                       uint32_t unit_us)
{
    for (unsigned id = 0; id < CHECKPOINT_COLUMNS_END; id++)
        c->column[id].length = 0;
    struct previous p = {0};
    for (uint32_t slot = l->oldest; slot != LIVE_NONE; slot = l->slots[slot].younger) {
        bytes_svarint(&c->column[SEEP_COLUMN_CHECK_SLOT], (int64_t)slot - p.slot);
        p.slot = slot;
        put_block(c, &p, &l->slots[slot].block, unit_us);
    }
    uint32_t previous = 0;
    for (uint32_t slot = l->first_free; slot != LIVE_NONE; slot = l->slots[slot].younger) {
        bytes_svarint(&c->column[SEEP_COLUMN_CHECK_FREE_SLOTS], (int64_t)slot - previous);
        previous = slot;
    }
    if (peak->bytes) {
        struct bytes *column = &c->column[SEEP_COLUMN_CHECK_PEAK];
        bytes_varint(column, peak->bytes);
        bytes_varint(column, peak->blocks);
        bytes_varint(column, peak->time_ns);
        bytes_varint(column, peak->number);
    }
    /* the flights: their slots with the link or 0, then the order of the free ones, then blocks */
    struct bytes *flights = &c->column[SEEP_COLUMN_CHECK_REALLOCS];
    if (l->flight_slots) {
        bytes_varint(flights, l->flight_slots);
        for (uint32_t i = 0; i < l->flight_slots; i++)
            bytes_varint(flights, l->flights[i].link);
        for (uint32_t i = 0; i < l->free_flight_count; i++)
            bytes_varint(flights, l->free_flights[i]);
        for (uint32_t i = 0; i < l->flight_slots; i++)
            if (l->flights[i].link)
                put_block(c, &p, &l->flights[i].before, unit_us);
    }
    kinds_release(&p.kinds);
}

struct take {
    struct cursor cursor[CHECKPOINT_COLUMNS_END];
    struct previous previous;
    uint64_t unit_ns, latest_ns;
};

static const struct kind *take_kind(struct take *t)
{
    struct cursor *cursor = t->cursor;
    struct previous *p = &t->previous;
    uint64_t known = cursor_bounded(&cursor[SEEP_COLUMN_CHECK_KIND], p->kinds.count);
    if (known)
        return &p->kinds.items[known - 1];
    struct kind k = {0};
    uint64_t stack = p->stack + (uint64_t)cursor_svarint(&cursor[SEEP_COLUMN_CHECK_STACK]);
    if (stack > UINT32_MAX)
        cursor_fail(&cursor[SEEP_COLUMN_CHECK_STACK]);
    p->stack = k.stack = (uint32_t)stack;
    k.size = cursor_varint(&cursor[SEEP_COLUMN_CHECK_SIZE]);
    k.usable =
        SEEP_USABLE_GLIBC(k.size) + (uint64_t)cursor_svarint(&cursor[SEEP_COLUMN_CHECK_USABLE]);
    k.call = cursor_u8(&cursor[SEEP_COLUMN_CHECK_CALL]);
    k.alignment = (uint32_t)cursor_bounded(&cursor[SEEP_COLUMN_CHECK_ALIGN], UINT32_MAX);
    uint32_t number = kinds_add(&p->kinds, &k);
    return &p->kinds.items[number];
}

static struct trace_block take_block(struct take *t)
{
    struct cursor *cursor = t->cursor;
    struct previous *p = &t->previous;
    const struct kind *k = take_kind(t);
    struct trace_block b = {.size = k->size,
                            .usable = k->usable,
                            .stack = k->stack,
                            .alignment = k->alignment,
                            .call = k->call};
    b.address = p->address += (uint64_t)cursor_svarint(&cursor[SEEP_COLUMN_CHECK_ADDRESS]);
    b.thread = (uint32_t)cursor_bounded(&cursor[SEEP_COLUMN_CHECK_THREAD], UINT32_MAX);
    p->time += (uint64_t)cursor_svarint(&cursor[SEEP_COLUMN_CHECK_TIME]);
    b.time_ns = p->time * 2 * t->unit_ns;
    if (b.time_ns > t->latest_ns)
        b.time_ns = t->latest_ns;
    b.birth = p->birth += (uint64_t)cursor_svarint(&cursor[SEEP_COLUMN_CHECK_BIRTH]);
    b.flags = cursor_u8(&cursor[SEEP_COLUMN_CHECK_FLAGS]);
    return b;
}

static bool take_blocks(struct take *t, const struct seep_group_header *header, struct live *l)
{
    struct cursor *slots = &t->cursor[SEEP_COLUMN_CHECK_SLOT];
    for (uint32_t i = 0; i < header->live_count; i++) {
        int64_t slot = (int64_t)(t->previous.slot + (uint64_t)cursor_svarint(slots));
        struct trace_block b = take_block(t);
        if (slots->bad || slot < 0 || slot >= header->slot_count ||
            l->slots[slot].older != LIVE_UNUSED)
            return false;
        t->previous.slot = (uint32_t)slot;
        live_put(l, (uint32_t)slot, &b);
    }
    return true;
}

static bool take_free_slots(struct take *t, const struct seep_group_header *header, struct live *l)
{
    struct cursor *c = &t->cursor[SEEP_COLUMN_CHECK_FREE_SLOTS];
    int64_t slot = 0;
    uint32_t last = LIVE_NONE;
    for (uint32_t left = header->slot_count - header->live_count; left; left--) {
        slot = (int64_t)((uint64_t)slot + (uint64_t)cursor_svarint(c));
        if (c->bad || slot < 0 || slot >= header->slot_count || l->slots[slot].older != LIVE_UNUSED)
            return false;
        live_add_free(l, last, (uint32_t)slot);
        last = (uint32_t)slot;
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
                       const struct seep_group_header *header, struct live *l,
                       struct trace_peak *peak)
{
    struct take t = {.unit_ns = header->unit_us * UINT64_C(1000), .latest_ns = header->start_ns};
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
    if (good && header->slot_count)
        live_use(l, header->slot_count - 1);
    good = good && take_blocks(&t, header, l) && take_free_slots(&t, header, l) &&
           take_flights(&t, header, l);
    *peak = (struct trace_peak){0};
    struct cursor *column = &t.cursor[SEEP_COLUMN_CHECK_PEAK];
    if (!cursor_done(column)) {
        peak->bytes = cursor_varint(column);
        peak->blocks = cursor_varint(column);
        peak->time_ns = cursor_varint(column);
        peak->number = cursor_varint(column);
    }
    for (unsigned id = 0; id < CHECKPOINT_COLUMNS_END; id++)
        good = good && !t.cursor[id].bad;
    kinds_release(&t.previous.kinds);
    if (!good)
        live_clear(l);
    return good;
}
