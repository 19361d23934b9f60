/* SPDX-License-Identifier: MIT */
#include "trace/handout.h"

#include "trace/bytes.h"
#include "util/strbuf.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PART_FILE INHERITED_FILE ".part"
#define WRITE_BYTES (256u << 10)
/* Rows that were there at the fork were stamped before it, give or take what clocks differ by. */
#define SLACK_TICKS (1u << 20)
/* A row that was in progress at a fork is stamped before it, and belongs behind it. */
#define PROGRESS_TICKS (1u << 24)

struct handout_child {
    char *spool;     /* owned, like all below */
    uint64_t *words; /* by lane: rows up to this position are before the fork */
    uint32_t lane_count;
    uint64_t fork_stamp; /* a moment before the fork */
    uint64_t last_stamp; /* and one behind it */
    uint32_t generation; /* of the modules at the fork, as the trace counts them */
    int fd;              /* -1: not being written */
    bool failed;
    struct bytes buffer;
};

void handout_init(struct handout *h, struct trace_writer *writer, struct stack_map *stacks,
                  const struct beside *beside, const struct spool *spool,
                  const struct inherited *own, struct stamp_clock *clock)
{
    *h = (struct handout){.writer = writer,
                          .stacks = stacks,
                          .beside = beside,
                          .spool = spool,
                          .own = own,
                          .clock = clock};
}

static void remove_part(const struct handout_child *c)
{
    struct strbuf path = {0};
    strbuf_addf(&path, "%s/" PART_FILE, c->spool);
    unlink(path.text);
    strbuf_release(&path);
}

void handout_release(struct handout *h)
{
    for (size_t i = 0; i < h->count; i++) {
        struct handout_child *c = &h->children[i];
        if (c->fd >= 0) {
            close(c->fd);
            remove_part(c);
        }
        bytes_release(&c->buffer);
        free(c->spool);
        free(c->words);
    }
    free(h->children);
    free(h->told);
    *h = (struct handout){0};
}

/* ------------------------------------------------------------------ the children */

/* Varints lane, sequence, committed bytes. */
static void take_lanes(struct handout_child *c, const struct spool *spool)
{
    struct cursor at = cursor_at(spool->fork_lanes, spool->fork_lanes_bytes);
    size_t capacity = 0;
    while (!cursor_done(&at)) {
        uint32_t lane = (uint32_t)cursor_bounded(&at, SEEP_LANE_LIMIT - 1);
        uint64_t sequence = cursor_bounded(&at, UINT32_MAX);
        uint64_t bytes = cursor_bounded(&at, UINT32_MAX);
        if (at.bad)
            break;
        MEM_GROW(c->words, capacity, (size_t)lane + 1);
        while (c->lane_count <= lane)
            c->words[c->lane_count++] = 0;
        c->words[lane] = sequence << 32 | bytes;
    }
}

void handout_add(struct handout *h, const char *spool_path, uint64_t passed)
{
    struct spool s;
    if (spool_open(&s, spool_path, NULL) == SEEP_OK && s.fork_lanes_bytes > 0 &&
        (passed == 0 || passed + PROGRESS_TICKS < s.fork_stamp)) {
        struct handout_child c = {.spool = mem_strdup(spool_path),
                                  .fork_stamp = s.fork_stamp,
                                  .last_stamp = s.control.start_stamp + SLACK_TICKS,
                                  .generation = s.fork_generation + h->spool->generation_shift,
                                  .fd = -1};
        take_lanes(&c, &s);
        MEM_GROW(h->children, h->capacity, h->count + 1);
        size_t i = h->count++;
        for (; i > h->next && h->children[i - 1].fork_stamp > c.fork_stamp; i--)
            h->children[i] = h->children[i - 1];
        h->children[i] = c;
    }
    spool_release(&s);
}

/* ------------------------------------------------------------------ writing */

static void write_out(struct handout_child *c)
{
    for (size_t done = 0; done < c->buffer.length && !c->failed;) {
        ssize_t n = write(c->fd, c->buffer.data + done, c->buffer.length - done);
        if (n < 0 && errno != EINTR)
            c->failed = true;
        done += n > 0 ? (size_t)n : 0;
    }
    c->buffer.length = 0;
}

static struct bytes *record(struct handout_child *c, enum inherited_record kind)
{
    if (c->buffer.length >= WRITE_BYTES)
        write_out(c);
    bytes_u8(&c->buffer, (uint8_t)kind);
    return &c->buffer;
}

static void tell_node(struct handout *h, struct handout_child *c, uint32_t id)
{
    uint32_t chain[4 * SEEP_FRAME_LIMIT];
    size_t length = 0;
    uint32_t mark = (uint32_t)(c - h->children) + 1;
    for (; id != 0 && length < sizeof chain / sizeof *chain; id = h->stacks->content[id].parent) {
        size_t had = h->told_capacity;
        MEM_GROW(h->told, h->told_capacity, (size_t)id + 1);
        if (h->told_capacity > had)
            memset(h->told + had, 0, (h->told_capacity - had) * sizeof *h->told);
        if (h->told[id] == mark)
            break;
        h->told[id] = mark;
        chain[length++] = id;
    }
    while (length > 0) {
        id = chain[--length];
        const struct trace_stack_node *n = &h->stacks->content[id];
        struct bytes *b = record(c, INHERITED_NODE);
        bytes_varint(b, id);
        bytes_varint(b, n->parent);
        bytes_varint(b, n->pc);
        bytes_varint(b, n->flags);
    }
}

static void tell_block(struct handout *h, struct handout_child *c,
                       const struct inherited_block *block)
{
    if (block->stack >= INHERITED_STACK)
        return;
    tell_node(h, c, block->stack);
    struct bytes *b = record(c, INHERITED_BLOCK);
    bytes_varint(b, block->address);
    bytes_varint(b, block->size);
    bytes_varint(b, block->usable);
    bytes_varint(b, block->alignment);
    bytes_varint(b, block->made_ns);
    bytes_varint(b, block->order);
    bytes_varint(b, block->stack);
    bytes_varint(b, block->tid);
    bytes_varint(b, block->call);
}

static uint32_t tid_of(const struct handout *h, uint32_t thread)
{
    return thread < h->beside->thread_count ? h->beside->threads[thread].tid : 0;
}

static struct inherited_block block_of(const struct handout *h, const struct trace_block *b)
{
    struct inherited_block block = {
        .address = place_key(b->address, b->call),
        .size = b->size,
        .usable = b->usable,
        .made_ns = h->spool->control.start_ns + b->time_ns,
        .order = b->birth,
        .alignment = b->alignment,
        .stack = b->stack,
        .tid = tid_of(h, b->thread),
        .call = b->call,
    };
    if (b->flags & TRACE_INHERITED && b->birth < h->own->count) {
        block.made_ns = h->own->blocks[b->birth].made_ns;
        block.tid = h->own->blocks[b->birth].tid;
    }
    return block;
}

static void begin(struct handout *h, struct handout_child *c)
{
    struct strbuf path = {0};
    strbuf_addf(&path, "%s/" PART_FILE, c->spool);
    unlink(path.text);
    c->fd = open(path.text, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    strbuf_release(&path);
    if (c->fd < 0)
        return;
    bytes_add(&c->buffer, INHERITED_MAGIC, 8);
    bytes_varint(&c->buffer, stamp_clock_ns(h->clock, c->fork_stamp));
    bytes_varint(&c->buffer, c->generation);
    uint32_t slots = trace_writer_slot_count(h->writer);
    for (uint32_t slot = 0; slot < slots; slot++) {
        const struct trace_block *b = trace_writer_block(h->writer, slot);
        if (b == NULL)
            continue;
        struct inherited_block block = block_of(h, b);
        tell_block(h, c, &block);
    }
}

/* A place that is before the fork, but comes behind the picture. */
static void amend(struct handout *h, struct handout_child *c, const struct place *p,
                  uint64_t old_address)
{
    if (place_leaves(p))
        bytes_varint(record(c, INHERITED_GONE), p->address);
    if (!place_enters(p))
        return;
    if (old_address != 0)
        bytes_varint(record(c, INHERITED_GONE), old_address);
    struct inherited_block block = {
        .address = p->address,
        .size = p->size,
        .usable = p->usable,
        .made_ns = h->spool->control.start_ns + stamp_clock_ns(h->clock, p->stamp),
        .order = UINT64_MAX,
        .alignment = p->alignment,
        .stack = stack_map_resolve(h->stacks, p->stack),
        .tid = tid_of(h, p->thread),
        .call = p->call,
    };
    tell_block(h, c, &block);
}

static void finish(struct handout *h, struct handout_child *c)
{
    for (size_t i = 0; i < h->beside->module_count; i++) {
        struct trace_module m = h->beside->modules[i];
        if (m.generation_from > c->generation)
            continue;
        if (m.generation_to >= c->generation) { /* unloaded later, if at all */
            m.generation_to = UINT32_MAX;
            m.unload_ns = UINT64_MAX;
        }
        m.load_ns = 0; /* seen from the child */
        struct bytes module = {0};
        dict_put_module(&module, &m);
        struct bytes *b = record(c, INHERITED_MODULE);
        bytes_varint(b, module.length);
        bytes_add(b, module.data, module.length);
        bytes_release(&module);
    }
    record(c, INHERITED_END);
    write_out(c);
    close(c->fd);
    c->fd = -1;
    bytes_release(&c->buffer);
    struct strbuf part = {0}, whole = {0};
    strbuf_addf(&part, "%s/" PART_FILE, c->spool);
    strbuf_addf(&whole, "%s/" INHERITED_FILE, c->spool);
    if (c->failed || rename(part.text, whole.text) != 0)
        unlink(part.text);
    strbuf_release(&part);
    strbuf_release(&whole);
}

/* ------------------------------------------------------------------ places */

static bool is_before_fork(const struct handout_child *c, const struct place *p)
{
    return p->lane < c->lane_count && p->position <= c->words[p->lane];
}

void handout_place(struct handout *h, const struct place *p, uint64_t old_address)
{
    while (h->next < h->count && !is_before_fork(&h->children[h->next], p))
        begin(h, &h->children[h->next++]);
    for (size_t i = h->open; i < h->next; i++) {
        struct handout_child *c = &h->children[i];
        if (c->fd < 0)
            continue;
        if (is_before_fork(c, p))
            amend(h, c, p, old_address);
        else if (p->stamp > c->last_stamp)
            finish(h, c);
    }
    while (h->open < h->next && h->children[h->open].fd < 0)
        h->open++;
}

void handout_finish(struct handout *h)
{
    while (h->next < h->count)
        begin(h, &h->children[h->next++]);
    for (; h->open < h->next; h->open++)
        if (h->children[h->open].fd >= 0)
            finish(h, &h->children[h->open]);
}
