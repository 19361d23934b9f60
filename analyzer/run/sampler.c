/* SPDX-License-Identifier: MIT */
#include "run/sampler.h"

#include "seep/memory_snapshot.h"
#include "seep/trace_format.h"
#include "util/mem.h"
#include "util/strbuf.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define MS UINT64_C(1000000)
#define BUDGET_SHARE 100 /* one part of so many of the time that has passed */
#define BUDGET_BURST (20 * MS)
#define BUDGET_RESERVE (5 * MS) /* left to MEMORY records, which cost little */
#define TICK_FIRST (2 * MS)
#define TICK_LAST (100 * MS)
#define CHANGE_SHARE 20 /* RSS has changed where it did by one part of so many */

struct sampler_process {
    bool gone;
    uint64_t first_ns;                  /* seen first */
    uint64_t memory[SEEP_MEMORY_COUNT]; /* the last MEMORY record */
    uint64_t memory_ns;                 /* its time; 0: none yet */
    uint64_t mappings_rss_bytes;        /* at the last MAPPINGS record */
    uint64_t mappings_ns;               /* its time; 0: none yet */
    uint64_t mappings_cost_ns;          /* and the processor time it took */
};

static uint64_t clock_ns(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static uint64_t max(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

static uint64_t between(uint64_t least, uint64_t value, uint64_t most)
{
    return value < least ? least : value > most ? most : value;
}

void sampler_init(struct sampler *s, struct run_spools *spools)
{
    *s = (struct sampler){
        .spools = spools,
        .begin_ns = clock_ns(CLOCK_MONOTONIC),
        .begin_cpu_ns = clock_ns(CLOCK_THREAD_CPUTIME_ID),
    };
}

void sampler_release(struct sampler *s)
{
    free(s->processes);
    process_buffer_release(&s->maps);
    process_buffer_release(&s->record);
    *s = (struct sampler){0};
}

/* ------------------------------------------------------------------ records */

/* Appends a record; what does not fit on the disk is taken back, so that the file stays sound. */
static void append(const struct run_spool *spool, uint64_t ns, uint32_t kind, const void *bytes,
                   size_t length)
{
    struct {
        uint64_t ns;
        uint32_t kind, length;
    } head = {ns, kind, (uint32_t)length};
    struct strbuf path = {0};
    strbuf_addf(&path, "%s/snapshots", spool->path);
    int fd = open(path.text, O_WRONLY | O_APPEND | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    strbuf_release(&path);
    struct stat st;
    if (fd < 0)
        return;
    struct iovec parts[] = {{&head, sizeof head}, {(void *)bytes, length}};
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))
        goto done;
    if (writev(fd, parts, 2) != (ssize_t)(sizeof head + length) && ftruncate(fd, st.st_size) != 0)
        goto done; /* the packer stops at the cut record */
done:
    close(fd);
}

static void append_memory(const struct run_spool *spool, uint64_t ns,
                          const uint64_t memory[SEEP_MEMORY_COUNT])
{
    uint8_t bytes[SEEP_MEMORY_BYTES_MAX];
    size_t length = (size_t)(seep_put_memory(bytes, memory) - bytes);
    append(spool, ns, SEEP_BESIDE_MEMORY, bytes, length);
}

static bool has_changed(uint64_t from, uint64_t to)
{
    return (from > to ? from - to : to - from) >= max(from / CHANGE_SHARE, 1);
}

static bool take_memory(struct sampler_process *p, const struct run_spool *spool, uint64_t now)
{
    if (!process_memory((pid_t)spool->pid, p->memory))
        return false;
    append_memory(spool, now, p->memory);
    p->memory_ns = now;
    return true;
}

static void take_mappings(struct sampler *s, struct sampler_process *p,
                          const struct run_spool *spool, uint64_t now, uint64_t rss)
{
    uint64_t before = clock_ns(CLOCK_THREAD_CPUTIME_ID);
    if (process_mappings((pid_t)spool->pid, &s->way, &s->maps, &s->record))
        append(spool, now, SEEP_BESIDE_MAPPINGS, s->record.bytes, s->record.length);
    p->mappings_ns = now;
    p->mappings_rss_bytes = rss;
    p->mappings_cost_ns = clock_ns(CLOCK_THREAD_CPUTIME_ID) - before;
}

/* ------------------------------------------------------------------ when */

static bool memory_is_due(const struct sampler_process *p, uint64_t now, uint64_t rss)
{
    return !p->memory_ns || has_changed(p->memory[SEEP_MEMORY_RSS], rss) ||
           now - p->memory_ns >= between(100 * MS, (now - p->first_ns) / 64, 60000 * MS);
}

static bool mappings_are_due(const struct sampler_process *p, uint64_t now, uint64_t rss)
{
    uint64_t part = (now - p->first_ns) / 16, since = now - p->mappings_ns;
    return !p->mappings_ns || since >= between(1000 * MS, part, 300000 * MS) ||
           (has_changed(p->mappings_rss_bytes, rss) && since >= between(20 * MS, part, 30000 * MS));
}

/* Processor time we may still use; negative: so much too much was used. */
static int64_t budget_ns(const struct sampler *s)
{
    uint64_t elapsed = clock_ns(CLOCK_MONOTONIC) - s->begin_ns;
    uint64_t used = clock_ns(CLOCK_THREAD_CPUTIME_ID) - s->begin_cpu_ns;
    return (int64_t)(elapsed / BUDGET_SHARE + BUDGET_BURST) - (int64_t)used;
}

static void look_at(struct sampler *s, struct sampler_process *p, const struct run_spool *spool)
{
    uint64_t now = clock_ns(CLOCK_MONOTONIC);
    uint64_t rss = process_rss_bytes((pid_t)spool->pid);
    if (!p->first_ns)
        p->first_ns = now;
    if (rss == 0) {
        p->gone = true;
        return;
    }
    bool mappings = mappings_are_due(p, now, rss) &&
                    budget_ns(s) > (int64_t)(p->mappings_cost_ns + BUDGET_RESERVE);
    if ((mappings || memory_is_due(p, now, rss)) && !take_memory(p, spool, now)) {
        p->gone = true;
        return;
    }
    if (mappings) {
        take_mappings(s, p, spool, now, rss);
        take_memory(p, spool, clock_ns(CLOCK_MONOTONIC));
    }
}

static void grow(struct sampler *s)
{
    size_t count = s->spools->count;
    MEM_GROW(s->processes, s->capacity, count);
    if (count > s->count)
        memset(s->processes + s->count, 0, (count - s->count) * sizeof *s->processes);
    s->count = count;
}

uint64_t sampler_tick(void *sampler)
{
    struct sampler *s = sampler;
    int64_t budget = budget_ns(s);
    if (budget > 0) {
        run_spools_scan(s->spools);
        grow(s);
        for (size_t i = 0; i < s->count; i++) {
            const struct run_spool *spool = &s->spools->all[i];
            if (spool->known && !spool->foreign && !spool->hidden && !spool->replaced &&
                !s->processes[i].gone)
                look_at(s, &s->processes[i], spool);
        }
        budget = budget_ns(s);
    }
    uint64_t elapsed = clock_ns(CLOCK_MONOTONIC) - s->begin_ns;
    uint64_t next = between(TICK_FIRST, elapsed / 10, TICK_LAST);
    return budget < 0 ? max(next, (uint64_t)-budget * BUDGET_SHARE) : next;
}

void sampler_finish(struct sampler *s, uint32_t main_pid, const struct supervise_end *end)
{
    run_spools_scan(s->spools);
    grow(s);
    const struct run_spool *spool = run_spools_last_image(s->spools, main_pid);
    if (!spool)
        return;
    struct sampler_process *p = &s->processes[spool - s->spools->all];
    /* The kernel keeps one peak for all images of a process. */
    if (!spool->later && end->peak_bytes > p->memory[SEEP_MEMORY_PEAK_RSS]) {
        p->memory[SEEP_MEMORY_PEAK_RSS] = end->peak_bytes;
        append_memory(spool, end->ns, p->memory);
    }
    uint8_t bytes[SEEP_VARINT_MAX];
    size_t length = (size_t)(seep_put_svarint(bytes, end->status) - bytes);
    append(spool, end->ns, SEEP_BESIDE_EXIT, bytes, length);
}
