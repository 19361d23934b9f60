/* SPDX-License-Identifier: MIT
 *
 * Blocks stand from the oldest to the youngest: births and times rise, and blocks made together
 * stand together. So the list by age comes for nothing, too. */
#include "trace/checkpoint.h"

/* What each value is coded against. */
struct previous {
    uint64_t address, time, birth; /* time: as stored */
    uint32_t slot, stack;
    uint32_t kinds; /* told so far */
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

static void put_block(struct columns *c, struct previous *p, const struct live *l,
                      const struct live_slot *b, bool last_made, uint32_t unit_us)
{
    struct bytes *column = c->column;
    bool told = b->kind < p->kinds;
    uint64_t unit_ns = unit_us * UINT64_C(1000), time = (b->time_ns + unit_ns) / (2 * unit_ns);
    uint64_t birth = LIVE_NUMBER(b->birth);
    bytes_varint(&column[SEEP_COLUMN_CHECK_KIND], told ? b->kind + UINT64_C(1) : 0);
    if (!told)
        put_kind(c, p, &l->kinds.items[p->kinds++]);
    bytes_svarint(&column[SEEP_COLUMN_CHECK_ADDRESS], (int64_t)(b->address - p->address));
    bytes_varint(&column[SEEP_COLUMN_CHECK_THREAD], b->thread);
    bytes_svarint(&column[SEEP_COLUMN_CHECK_TIME], (int64_t)(time - p->time));
    bytes_svarint(&column[SEEP_COLUMN_CHECK_BIRTH], (int64_t)(birth - p->birth));
    bytes_u8(&column[SEEP_COLUMN_CHECK_FLAGS],
             (uint8_t)(b->birth >> LIVE_FLAGS_SHIFT | (last_made ? SEEP_CHECK_LAST_MADE : 0)));
    p->address = b->address;
    p->time = time;
    p->birth = birth;
}

void checkpoint_encode(struct columns *c, const struct live *l, const struct trace_peak *peak,
                       struct last_made *last_made, uint32_t unit_us)
{
    for (unsigned id = 0; id < CHECKPOINT_COLUMNS_END; id++)
        c->column[id].length = 0;
    struct previous p = {0};
    for (uint32_t slot = live_oldest(l); slot; slot = l->links[slot].younger) {
        bytes_svarint(&c->column[SEEP_COLUMN_CHECK_SLOT], (int64_t)slot - p.slot);
        p.slot = slot;
        const struct live_slot *b = &l->slots[slot];
        put_block(c, &p, l, b, last_made_is(last_made, l, b), unit_us);
    }
    uint32_t previous = 0;
    for (uint32_t slot = l->first_free; slot; slot = l->links[slot].younger) {
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
                put_block(c, &p, l, &l->flights[i].before, false, unit_us);
    }
}

struct take {
    struct cursor cursor[CHECKPOINT_COLUMNS_END];
    struct previous previous;
    struct kinds *kinds;
    struct last_made *last_made; /* NULL: not wanted */
    uint32_t threads;
    uint64_t unit_ns, latest_ns;
};

static uint32_t take_kind(struct take *t)
{
    struct cursor *cursor = t->cursor;
    struct previous *p = &t->previous;
    uint64_t known = cursor_bounded(&cursor[SEEP_COLUMN_CHECK_KIND], t->kinds->count);
    if (known)
        return (uint32_t)(known - 1);
    struct kind k = {0};
    uint64_t stack = p->stack + (uint64_t)cursor_svarint(&cursor[SEEP_COLUMN_CHECK_STACK]);
    if (stack > UINT32_MAX)
        cursor_fail(&cursor[SEEP_COLUMN_CHECK_STACK]);
    p->stack = k.stack = (uint32_t)stack;
    k.size = cursor_varint(&cursor[SEEP_COLUMN_CHECK_SIZE]);
    k.usable =
        SEEP_USABLE_GLIBC(k.size) + (uint64_t)cursor_svarint(&cursor[SEEP_COLUMN_CHECK_USABLE]);
    k.ring = kind_ring(k.usable);
    k.call = cursor_u8(&cursor[SEEP_COLUMN_CHECK_CALL]);
    k.alignment = (uint32_t)cursor_bounded(&cursor[SEEP_COLUMN_CHECK_ALIGN], UINT32_MAX);
    return kinds_add(t->kinds, &k);
}

static struct live_slot take_block(struct take *t)
{
    struct cursor *cursor = t->cursor;
    struct previous *p = &t->previous;
    struct live_slot b = {.kind = take_kind(t)};
    const struct kind *k = &t->kinds->items[b.kind];
    b.address = p->address += (uint64_t)cursor_svarint(&cursor[SEEP_COLUMN_CHECK_ADDRESS]);
    b.thread = (uint32_t)cursor_bounded(&cursor[SEEP_COLUMN_CHECK_THREAD], UINT32_MAX);
    p->time += (uint64_t)cursor_svarint(&cursor[SEEP_COLUMN_CHECK_TIME]);
    b.time_ns = p->time * 2 * t->unit_ns;
    if (b.time_ns > t->latest_ns)
        b.time_ns = t->latest_ns;
    p->birth += (uint64_t)cursor_svarint(&cursor[SEEP_COLUMN_CHECK_BIRTH]);
    b.birth = LIVE_NUMBER(p->birth);
    uint8_t flags = cursor_u8(&cursor[SEEP_COLUMN_CHECK_FLAGS]);
    if (flags & SEEP_CHECK_LAST_MADE && t->last_made && b.thread <= t->threads)
        last_made_by(t->last_made, b.thread)[k->call == SEEP_CALL_POOL] = b.birth + 1;
    b.birth |= (uint64_t)(flags & ~SEEP_CHECK_LAST_MADE) << LIVE_FLAGS_SHIFT;
    return b;
}

static bool take_blocks(struct take *t, const struct seep_group_header *header, struct live *l)
{
    struct cursor *slots = &t->cursor[SEEP_COLUMN_CHECK_SLOT];
    for (uint32_t i = 0; i < header->live_count; i++) {
        int64_t slot = (int64_t)(t->previous.slot + (uint64_t)cursor_svarint(slots));
        struct live_slot b = take_block(t);
        if (slots->bad || slot <= 0 || slot > header->slot_count ||
            l->links[slot].older != LIVE_UNUSED)
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
    uint32_t last = 0;
    for (uint32_t left = header->slot_count - header->live_count; left; left--) {
        slot = (int64_t)((uint64_t)slot + (uint64_t)cursor_svarint(c));
        if (c->bad || slot <= 0 || slot > header->slot_count || l->links[slot].older != LIVE_UNUSED)
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
                       struct trace_peak *peak, struct last_made *last_made, uint32_t threads)
{
    struct take t = {.unit_ns = header->unit_us * UINT64_C(1000),
                     .latest_ns = header->start_ns,
                     .kinds = &l->kinds,
                     .last_made = last_made,
                     .threads = threads};
    if (last_made && last_made->next)
        memset(last_made->next, 0, last_made->capacity * sizeof *last_made->next);
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
        live_use(l, header->slot_count);
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
    if (!good)
        live_clear(l);
    return good;
}
