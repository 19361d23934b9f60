/* SPDX-License-Identifier: MIT */
#include "recorder.h"

#include "bindings.h"
#include "children.h"
#include "clock.h"
#include "event.h"
#include "facts.h"
#include "graph.h"
#include "hook_time.h"
#include "log.h"
#include "map_calls.h"
#include "modules.h"
#include "nested.h"
#include "options.h"
#include "private_stack.h"
#include "real.h"
#include "sandbox.h"
#include "seep/trace_format.h"
#include "snapshot.h"
#include "space.h"
#include "spool.h"
#include "stacks.h"
#include "sys.h"
#include "text.h"
#include "thread.h"
#include "unseen.h"
#include "verify.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/utsname.h>

#define PAGE_BYTES 4096
#define IMAGES_MAX 1000 /* names that are tried */
#define SCRATCH_BYTES (1u << 20)

static const uint64_t never_alive;
volatile uint64_t *rec_alive = (volatile uint64_t *)&never_alive;

enum state { STATE_NEW, STATE_STARTING, STATE_RUNNING, STATE_OFF };
static atomic_int state;

static char *environment; /* as it was at the start of this image; kept for its forked children */
static char out_path[REC_OPTION_TEXT_MAX]; /* absolute: children may change directory */
static uint32_t recorded_pid;
static uint64_t fork_stamp; /* of the first fork since the recorded process; 0: not told */
static char parent_name[REC_SPOOL_NAME_MAX];
static uint64_t lost_early;

/* ------------------------------------------------------------------ where the spool goes */

/* Expands %p %e %h %t of SEEP_OUT and makes it absolute; `seep run` has done so already. */
static void expand_out(struct text *out)
{
    const char *name = rec_option_text(REC_OPTION_OUT);
    if (*name != '/') {
        long n = sys_call(SYS_getcwd, out->bytes, out->room);
        out->length = sys_failed(n) ? 0 : text_length(out->bytes);
        text_addc(out, '/');
    }
    bool patterns = *rec_option_text(REC_OPTION_RUN_ID) == '\0';
    struct utsname uts;
    for (; *name; name++) {
        if (*name != '%' || !patterns || name[1] == '\0') {
            text_addc(out, *name);
            continue;
        }
        switch (*++name) {
        case 'p': text_add_number(out, (uint64_t)sys_call(SYS_getpid)); break;
        case 'e': text_add(out, rec_facts_exe_name()); break;
        case 'h':
            if (!sys_failed(sys_call(SYS_uname, &uts)))
                text_add(out, uts.nodename);
            break;
        case 't': text_add_number(out, rec_clock_ns(CLOCK_REALTIME) / 1000000000u); break;
        default: /* %% too */ text_addc(out, *name);
        }
    }
    if (out->length > 5 && text_equal(out->bytes + out->length - 5, SEEP_TRACE_SUFFIX))
        out->bytes[out->length -= 5] = '\0';
}

/* The number of this image of the process: one more than the greatest N of the spools and traces
 * named STEM.PID.N.* that stand there. `scratch` holds directory entries, SCRATCH_BYTES of them. */
static uint32_t next_image(char *scratch)
{
    char prefix[NAME_MAX + 32];
    struct text p = TEXT(prefix);
    text_add(&p, text_base_name(out_path));
    text_addc(&p, '.');
    text_add_number(&p, (uint64_t)sys_call(SYS_getpid));
    text_addc(&p, '.');
    long fd = rec_spool_place(out_path);
    uint32_t next = 0;
    long n;
    while (!sys_failed(fd) && (n = sys_call(SYS_getdents64, fd, scratch, SCRATCH_BYTES)) > 0) {
        for (long at = 0; at < n;) {
            const struct dirent64 *entry = (const struct dirent64 *)(scratch + at);
            at += entry->d_reclen;
            if (!text_starts(entry->d_name, prefix))
                continue;
            uint32_t image = 0;
            for (const char *c = entry->d_name + p.length; *c >= '0' && *c <= '9'; c++)
                image = image * 10 + (uint32_t)(*c - '0');
            if (image >= next)
                next = image + 1;
        }
    }
    if (!sys_failed(fd))
        sys_call(SYS_close, fd);
    return next;
}

/* Whether there is a trace of that name: `path` up to `stem` and the trace's suffix. */
static bool is_packed(const char *path, size_t stem)
{
    char trace[REC_OPTION_TEXT_MAX];
    struct text t = TEXT(trace);
    for (size_t i = 0; i < stem; i++)
        text_addc(&t, path[i]);
    text_add(&t, SEEP_TRACE_SUFFIX);
    long place = rec_spool_place(path);
    if (sys_failed(place))
        return false;
    long fd = sys_call(SYS_openat, place, text_base_name(trace), O_PATH | O_NOFOLLOW | O_CLOEXEC);
    sys_call(SYS_close, place);
    if (!sys_failed(fd))
        sys_call(SYS_close, fd);
    return !sys_failed(fd);
}

/* Creates the spool. Under `seep run` every process image has a name of its own; else the first to
 * come takes the plain one. Returns 0 or a negative errno. */
static long create_spool(char *scratch, struct rec_origin origin)
{
    bool plain = *rec_option_text(REC_OPTION_RUN_ID) == '\0' && origin.fork_parent_pid == 0;
    /* A forked child's pid is new: what may stand there of another process that had it is found
     * when the name is taken. */
    uint32_t image = plain || origin.fork_parent_pid ? 0 : next_image(scratch);
    for (uint32_t tries = 0; tries < IMAGES_MAX; tries++) {
        char path[REC_OPTION_TEXT_MAX];
        struct text t = TEXT(path);
        text_add(&t, out_path);
        if (!plain) {
            text_addc(&t, '.');
            text_add_number(&t, (uint64_t)sys_call(SYS_getpid));
            text_addc(&t, '.');
            text_add_number(&t, image);
            text_addc(&t, '.');
            text_add(&t, rec_facts_exe_name());
        }
        size_t stem = t.length;
        text_add(&t, SEEP_SPOOL_SUFFIX);
        if (t.length + 1 >= t.room)
            return -ENAMETOOLONG;
        size_t n = rec_facts_encode((uint8_t *)scratch, SCRATCH_BYTES, image, origin);
        if (plain || !is_packed(path, stem)) {
            long result = rec_spool_create(path, scratch, n);
            if (result != -EEXIST)
                return result;
        }
        image = tries == 0 ? next_image(scratch) : image + 1;
        plain = false;
    }
    return -EEXIST;
}

/* ------------------------------------------------------------------ start, stop */

static const char *error_name(long error)
{
    switch (-error) {
    case ENOENT: return "no such directory";
    case EACCES: return "permission denied";
    case EPERM: return "not permitted";
    case EROFS: return "read-only file system";
    case ENOSPC: return "disk full";
    case EDQUOT: return "quota exceeded";
    case ENOTDIR: return "not a directory";
    case ENAMETOOLONG: return "name too long";
    case EMFILE: return "too many open files";
    case ENOMEM: return "no memory";
    case EFBIG: return "file size limit";
    case EEXIST: return "exists";
    case ESTALE: return "another directory is at that path now";
    default: return "cannot be created";
    }
}

static bool start_parts(struct rec_origin origin)
{
    if (origin.fork_parent_pid == 0) {
        environment = sys_memory_kept(SCRATCH_BYTES);
        if (environment == NULL)
            return false;
        rec_facts_init();
        rec_options_read(environment,
                         rec_read_file("/proc/self/environ", environment, SCRATCH_BYTES));
        rec_log_init();
        struct text t = TEXT(out_path);
        expand_out(&t);
        if (rec_real_refusal()) {
            rec_log("not recorded: ", rec_real_refusal(), NULL);
            return false;
        }
    }
    if (!rec_children_wanted(origin.fork_parent_pid != 0))
        return false;
    char *scratch = sys_memory(SCRATCH_BYTES);
    if (scratch == NULL)
        return false;
    rec_clock_init();
    long result = create_spool(scratch, origin);
    sys_memory_free(scratch, SCRATCH_BYTES);
    if (sys_failed(result)) {
        rec_log("not recorded: ", out_path, SEEP_SPOOL_SUFFIX, ": ", error_name(result), NULL);
        return false;
    }
    if (!rec_unwind_init() || !rec_stacks_init() || !rec_modules_init()) {
        rec_log("not recorded: no memory", NULL);
        return false;
    }
    rec_nested_init();
    rec_event_init();
    rec_space_init();
    rec_modules_met = rec_bindings_look;
    rec_threads_init();
    rec_snapshot_init();
    rec_graph_init();
    rec_map_calls_init();
    return true;
}

static void fill_control(void)
{
    struct seep_control *c = rec_spool_control();
    c->version = SEEP_SPOOL_VERSION;
    c->clock = rec_clock_is_tsc ? SEEP_CLOCK_TSC : SEEP_CLOCK_MONOTONIC;
    c->pid = recorded_pid;
    c->start_stamp = rec_clock_stamp();
    c->start_ns = rec_clock_ns(CLOCK_MONOTONIC);
    c->lost_early = lost_early;
    c->state = SEEP_SPOOL_OPEN;
    __atomic_thread_fence(__ATOMIC_RELEASE);
    memcpy(c->magic, SEEP_SPOOL_MAGIC, sizeof c->magic); /* last: the page is sound from now on */
}

static void note_fork(uint64_t stamp, bool inside)
{
    if (fork_stamp == 0)
        fork_stamp = stamp;
    struct rec_thread *t = rec_thread_current;
    if (inside && t->fork == REC_FORK_NONE)
        rec_thread_fork_inside(t);
}

void rec_forked(uint64_t stamp, bool inside)
{
    if (atomic_load(&state) == STATE_RUNNING && *rec_alive != REC_ALIVE)
        note_fork(stamp, inside);
}

/* In a forked child that is about to record: what it has from its parent. */
static struct rec_origin leave_parent(void)
{
    /* A fork that we were not told of may have interrupted a hook, too. */
    if (fork_stamp == 0)
        note_fork(rec_clock_stamp(), rec_thread_current != NULL);
    struct text name = TEXT(parent_name);
    name.length = 0;
    text_add(&name, text_base_name(rec_spool_path()));
    struct rec_origin origin = {
        .fork_parent_pid = recorded_pid,
        .fork_parent = parent_name,
        .fork_stamp = fork_stamp,
        .fork_generation = rec_modules_generation(),
    };
    fork_stamp = 0;
    rec_spool_forget();
    rec_thread_current = NULL;
    lost_early = 0;
    return origin;
}

static bool start(bool forked)
{
    /* Set-user-ID: the environment is not its owner's. */
    if (!forked && (getauxval(AT_SECURE) != 0 || rec_sandbox_inherited())) {
        rec_clock_stop();
        atomic_store(&state, STATE_OFF);
        return false;
    }
    uint64_t mask = sys_signals_block();
    struct rec_origin origin = {0};
    if (forked)
        origin = leave_parent();
    recorded_pid = (uint32_t)sys_call(SYS_getpid);
    long page = forked ? (long)rec_alive
                       : sys_call(SYS_mmap, 0, PAGE_BYTES, PROT_READ | PROT_WRITE,
                                  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    bool ok = !sys_failed(page) &&
              !sys_failed(sys_call(SYS_madvise, page, PAGE_BYTES, MADV_WIPEONFORK)) &&
              start_parts(origin);
    if (ok) {
        fill_control();
        rec_unseen_begin(forked);
        rec_alive = (volatile uint64_t *)page;
        *rec_alive = REC_ALIVE;
    } else {
        rec_clock_stop();
    }
    int starting = STATE_STARTING; /* or off, if a sandbox came meanwhile */
    ok = ok && atomic_compare_exchange_strong(&state, &starting, STATE_RUNNING);
    if (!ok)
        atomic_store(&state, STATE_OFF);
    sys_signals_restore(mask);
    return ok;
}

struct starting {
    bool forked, ok;
};

static void start_as_said(void *what)
{
    struct starting *starting = what;
    starting->ok = start(starting->forked);
}

/* A forked child starts at its first event, wherever that is; an image on its main stack. */
static bool start_on_some_stack(bool forked)
{
    struct starting starting = {.forked = forked};
    if (forked) {
        rec_private_stack_reset();
        rec_private_stack_run(start_as_said, &starting);
    } else {
        start_as_said(&starting);
    }
    return starting.ok;
}

/* The state after what is to be started was started. */
static int start_if_due(void)
{
    int now = atomic_load(&state);
    bool forked = now == STATE_RUNNING && *rec_alive != REC_ALIVE; /* the kernel wiped the page */
    if (now != STATE_NEW && !forked)
        return now;
    /* Its own thread's handlers must not find the start half way: they would have to do without. */
    uint64_t mask = sys_signals_block();
    if (atomic_compare_exchange_strong(&state, &now, STATE_STARTING))
        now = start_on_some_stack(forked) ? STATE_RUNNING : STATE_OFF;
    sys_signals_restore(mask);
    return now;
}

struct rec_thread *rec_thread_slow(void)
{
    if (start_if_due() == STATE_STARTING) {
        rec_lost(SEEP_LOST_EARLY);
        return NULL;
    }
    if (atomic_load(&state) != STATE_RUNNING) {
        rec_lost(SEEP_LOST_STOPPED);
        return NULL;
    }
    struct rec_thread *t = rec_thread_current;
    if (t == NULL && (t = rec_thread_begin()) == NULL)
        rec_lost(SEEP_LOST_NO_LANE);
    return t;
}

void rec_stop(enum seep_stop reason)
{
    static const char *const words[] = {
        [SEEP_STOP_DISK_FULL] = "disk full",
        [SEEP_STOP_CAP] = "the spool reached SEEP_SPOOL_MAX",
        [SEEP_STOP_FILE_LIMIT] = "the program's file size limit",
        [SEEP_STOP_IO] = "the spool can no longer be written",
        [SEEP_STOP_MEMORY] = "no memory for the recorder",
        [SEEP_STOP_SANDBOX] = "the program forbids itself what the recorder needs (seccomp)",
    };
    int before = atomic_exchange(&state, STATE_OFF);
    if (before == STATE_OFF)
        return;
    if (before == STATE_RUNNING && *rec_alive == REC_ALIVE) {
        struct seep_control *c = rec_spool_control();
        c->stop_reason = reason;
        c->state = SEEP_SPOOL_STOPPED;
        rec_renew_clock();
        *rec_alive = REC_STOPPED;
        rec_log("recording stopped: ", words[reason], "; what was recorded until now is kept in ",
                rec_spool_path(), NULL);
    } else {
        rec_log("not recorded: ", words[reason], NULL);
    }
    rec_clock_stop();
}

bool rec_is_off(void)
{
    return atomic_load(&state) == STATE_OFF;
}

void rec_lost(enum seep_lost reason)
{
    struct seep_control *c = rec_spool_control();
    /* Not started yet, or a forked child: the control page is its parent's. */
    if (c == NULL || *rec_alive == 0) {
        if (reason == SEEP_LOST_EARLY)
            __atomic_fetch_add(&lost_early, 1, __ATOMIC_RELAXED);
        return;
    }
    uint64_t *counter = reason == SEEP_LOST_NESTED    ? &c->lost_nested
                        : reason == SEEP_LOST_STOPPED ? &c->lost_stopped
                        : reason == SEEP_LOST_EARLY   ? &c->lost_early
                        : reason == SEEP_LOST_FULL    ? &c->lost_full
                                                      : &c->lost_no_lane;
    if (__atomic_fetch_add(counter, 1, __ATOMIC_RELAXED) == 0 && reason == SEEP_LOST_NO_LANE)
        rec_log("a thread is not recorded: no memory, or no space on the disk, for its events",
                NULL);
}

uint32_t rec_tail_max(void)
{
    uint64_t most = rec_option_number(REC_OPTION_TAIL_MAX);
    return most > SEEP_TAIL_MAX_BYTES ? SEEP_TAIL_MAX_BYTES : (uint32_t)most;
}

/* ------------------------------------------------------------------ the control page */

void rec_renew_clock(void)
{
    struct seep_control *c = rec_spool_control();
    uint64_t mask = sys_signals_block();
    uint32_t seq = __atomic_load_n(&c->last_seq, __ATOMIC_RELAXED);
    if (!(seq & 1) && __atomic_compare_exchange_n(&c->last_seq, &seq, seq + 1, false,
                                                  __ATOMIC_ACQUIRE, __ATOMIC_RELAXED)) {
        c->last_stamp = rec_clock_stamp();
        c->last_ns = rec_clock_ns(CLOCK_MONOTONIC);
        __atomic_store_n(&c->last_seq, seq + 2, __ATOMIC_RELEASE);
    }
    sys_signals_restore(mask);
}

static void note_memory(void)
{
    struct seep_control *c = rec_spool_control();
    c->recorder_bytes = rec_unwind_bytes() + rec_stacks_bytes() + rec_threads_bytes() +
                        (uint64_t)c->lane_count * SEEP_TAIL_MIN_BYTES;
    c->stack_nodes = rec_stacks_nodes();
}

void rec_after_write_out(void)
{
    note_memory();
    rec_renew_clock();
}

/* ------------------------------------------------------------------ the image's beginning and end
 */

/* A program that never allocates is recorded too. */
__attribute__((constructor)) static void image_begins(void)
{
    rec_real_resolve();
    rec_real_constructed();
    if (!rec_real_ready())
        return;
    /* again: the first look may have come before the program itself was relocated */
    rec_bindings_start();
    if (atomic_load(&state) == STATE_NEW)
        rec_thread_slow();
}

/* Notes the end. Nothing is shut down: other destructors still free, and that is recorded. */
__attribute__((destructor)) static void image_ends(void)
{
    if (*rec_alive != REC_ALIVE || atomic_load(&state) != STATE_RUNNING)
        return;
    struct rec_thread *t = rec_thread_slow();
    if (t == NULL)
        return;
    uint64_t mask = sys_signals_block();
    if ((t = rec_thread_writer(t)) != NULL)
        rec_threads_name_all(t);
    note_memory();
    rec_renew_clock();
    rec_snapshot_now();
    rec_bindings_end();
    rec_spool_control()->state = SEEP_SPOOL_CLOSED;
    rec_verify_report();
    rec_hook_time_report();
    sys_signals_restore(mask);
}
