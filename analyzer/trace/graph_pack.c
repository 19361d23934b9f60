/* SPDX-License-Identifier: MIT */
#include "trace/graph_pack.h"

#include "trace/graph_build.h"
#include "util/bisect.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

/* A process that exits waits itself until its snapshot is written; one that goes on has it written
 * in half a second for each GiB. */
#define WAIT_NS (UINT64_C(30) * 1000000000)
#define STEP_NS 20000000

void graph_packer_init(struct graph_packer *g, struct trace_writer *writer,
                       const struct spool *spool, const struct spool_notes *notes)
{
    *g = (struct graph_packer){.writer = writer, .spool = spool, .notes = notes};
}

void graph_packer_release(struct graph_packer *g)
{
    mapped_release(&g->mapped);
    free(g->ignored);
    free(g->switches);
    *g = (struct graph_packer){0};
}

static void note(const struct graph_packer *g, uint64_t number, const char *what)
{
    char text[160];
    if (g->notes == NULL || g->notes->note == NULL)
        return;
    snprintf(text, sizeof text,
             SPOOL_GRAPH_PREFIX "%" PRIu64 ": %s; the trace has no heap graph of that moment",
             number, what);
    g->notes->note(g->notes->arg, text);
}

/* ------------------------------------------------------------------ the nodes */

struct live_node {
    uint64_t address, birth;
    struct graph_node node;
    uint32_t thread;
};

static int compare_node(const void *a, const void *b)
{
    uint64_t x = ((const struct live_node *)a)->address, y = ((const struct live_node *)b)->address;
    return (x > y) - (x < y);
}

static int compare_switch(const void *a, const void *b)
{
    const struct graph_switch *x = a, *y = b;
    if (x->thread != y->thread)
        return (x->thread > y->thread) - (x->thread < y->thread);
    return (x->order > y->order) - (x->order < y->order); /* and so by number */
}

static bool is_before_birth(const struct graph_switch *s, const struct live_node *n)
{
    return s->thread < n->thread || (s->thread == n->thread && s->number <= n->birth);
}

/* Whether its thread said, when it made the block, that this is on purpose. `switches` are by
 * thread and number. */
static bool was_switched_on(const struct graph_switch *switches, size_t count,
                            const struct live_node *n)
{
    size_t low = BISECT(i, count, is_before_birth(&switches[i], n));
    return low > 0 && switches[low - 1].thread == n->thread && switches[low - 1].on;
}

/* All live blocks of malloc, by rising address. Owned by the caller. */
static struct live_node *collect(const struct graph_packer *g, size_t *count)
{
    struct live_node *nodes = NULL;
    size_t capacity = 0;
    uint32_t slots = trace_writer_slot_count(g->writer);
    *count = 0;
    for (uint32_t slot = 0; slot < slots; slot++) {
        const struct trace_block *b = trace_writer_block(g->writer, slot);
        if (b == NULL || trace_block_in_pool(b))
            continue;
        MEM_GROW(nodes, capacity, *count + 1);
        nodes[(*count)++] =
            (struct live_node){.address = b->address,
                               .birth = b->birth,
                               .node = {b->size, b->usable, 0, b->alignment, b->call, 0},
                               .thread = b->thread};
    }
    if (*count > 0)
        qsort(nodes, *count, sizeof *nodes, compare_node);
    return nodes;
}

static void mark_ignored(const struct graph_packer *g, struct graph_build *b,
                         struct live_node *nodes)
{
    struct graph_switch *switches = NULL;
    if (g->switch_count > 0) {
        switches = mem_alloc(g->switch_count * sizeof *switches);
        memcpy(switches, g->switches, g->switch_count * sizeof *switches);
        qsort(switches, g->switch_count, sizeof *switches, compare_switch);
        for (size_t i = 0; i < b->count; i++)
            if (was_switched_on(switches, g->switch_count, &nodes[i]))
                b->nodes[i].flags |= SEEP_GRAPH_IGNORED;
        free(switches);
    }
    for (size_t i = 0; i < g->ignored_count; i++) {
        size_t node = graph_build_find(b, g->ignored[i].address);
        /* the block that was there then, not one that was made there since */
        if (node != SIZE_MAX && nodes[node].birth < g->ignored[i].number)
            b->nodes[node].flags |= SEEP_GRAPH_IGNORED;
    }
}

static void take_nodes(const struct graph_packer *g, struct graph_build *b)
{
    struct live_node *nodes = collect(g, &b->count);
    b->addresses = mem_alloc((b->count + 1) * sizeof *b->addresses);
    b->nodes = mem_alloc((b->count + 1) * sizeof *b->nodes);
    for (size_t i = 0; i < b->count; i++) {
        b->addresses[i] = nodes[i].address;
        b->nodes[i] = nodes[i].node;
    }
    mark_ignored(g, b, nodes);
    free(nodes);
}

/* ------------------------------------------------------------------ the file */

/* Waits until nobody writes it any more; false where that takes too long. */
static enum seep_err wait_for_writer(const struct graph_packer *g, int fd, bool *finished,
                                     struct err *err)
{
    *finished = true;
    for (uint64_t waited = 0; flock(fd, LOCK_SH | LOCK_NB) != 0; waited += STEP_NS) {
        if (errno != EWOULDBLOCK && errno != EINTR)
            return SEEP_OK; /* no file system for locks: complete or not, the file says */
        *finished = waited < WAIT_NS;
        if (!*finished)
            return SEEP_OK;
        if (g->go_on != NULL && !g->go_on(g->go_on_arg))
            return err_set(err, SEEP_ERR_INTERRUPTED, ERR_NO_OFFSET, "interrupted");
        nanosleep(&(struct timespec){.tv_nsec = STEP_NS}, NULL);
    }
    return SEEP_OK;
}

static enum seep_err write_graph(struct graph_packer *g, uint64_t number, struct graph_file *f,
                                 const struct trace_module *modules, size_t module_count,
                                 struct err *err)
{
    struct graph_build b = {0};
    enum seep_err code = SEEP_OK;
    take_nodes(g, &b);
    if (graph_build_read(&b, f, &g->mapped, modules, module_count)) {
        const struct graph_head head = {.number = number,
                                        .event = trace_writer_event_count(g->writer),
                                        .words = f->header.words,
                                        .scanned_bytes = f->header.scanned_bytes,
                                        .scan_ns = f->header.scan_ns};
        code = graph_build_write(&b, g->writer, &head, err);
    } else {
        note(g, number, "is damaged");
    }
    graph_build_release(&b);
    return code;
}

static enum seep_err take_graph(struct graph_packer *g, uint64_t number,
                                const struct trace_module *modules, size_t module_count,
                                struct err *err)
{
    char name[40];
    struct graph_file f;
    bool finished = false;
    snprintf(name, sizeof name, SPOOL_GRAPH_PREFIX "%" PRIu64, number);
    int fd = openat(g->spool->directory, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0) {
        note(g, number, "is missing");
        return SEEP_OK;
    }
    enum seep_err code = wait_for_writer(g, fd, &finished, err);
    if (!graph_file_open(&f, fd) || f.header.number != number)
        note(g, number, finished ? "was never finished" : "takes too long to be written");
    else if (code == SEEP_OK)
        code = write_graph(g, number, &f, modules, module_count, err);
    graph_file_close(&f);
    return code;
}

/* ------------------------------------------------------------------ records */

static void ignore(struct graph_packer *g, struct cursor c)
{
    uint64_t address = cursor_varint(&c);
    if (c.bad)
        return;
    MEM_GROW(g->ignored, g->ignored_capacity, g->ignored_count + 1);
    g->ignored[g->ignored_count++] =
        (struct graph_ignored){address, trace_writer_event_count(g->writer)};
}

static void ignore_thread(struct graph_packer *g, struct cursor c)
{
    uint64_t thread = cursor_bounded(&c, UINT32_MAX);
    bool on = cursor_varint(&c) != 0;
    if (c.bad)
        return;
    MEM_GROW(g->switches, g->switch_capacity, g->switch_count + 1);
    g->switches[g->switch_count] = (struct graph_switch){
        trace_writer_event_count(g->writer), (uint32_t)g->switch_count, (uint32_t)thread, on};
    g->switch_count++;
}

enum seep_err graph_packer_take(struct graph_packer *g, enum seep_beside kind,
                                const uint8_t *payload, size_t length,
                                const struct trace_module *modules, size_t module_count,
                                struct err *err)
{
    struct cursor c = cursor_at(payload, length);
    switch (kind) {
    case SEEP_BESIDE_MAP_CALL: mapped_take(&g->mapped, payload, length); return SEEP_OK;
    case SEEP_BESIDE_IGNORE: ignore(g, c); return SEEP_OK;
    case SEEP_BESIDE_IGNORE_THREAD: ignore_thread(g, c); return SEEP_OK;
    case SEEP_BESIDE_GRAPH: {
        uint64_t number = cursor_varint(&c), state = cursor_varint(&c);
        if (c.bad || state != SEEP_GRAPH_TAKEN)
            return SEEP_OK;
        return take_graph(g, number, modules, module_count, err);
    }
    default: return SEEP_OK;
    }
}
