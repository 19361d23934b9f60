/* SPDX-License-Identifier: MIT */
#include "thread.h"

#include "clock.h"
#include "cold.h"
#include "lock.h"
#include "private_stack.h"
#include "recorder.h"
#include "seep/trace_codec.h"
#include "spool.h"
#include "sys.h"
#include "text.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/prctl.h>

#define CLOCK_FIRST_WAIT_TICKS (1u << 20)
#define NAME_BYTES 16 /* TASK_COMM_LEN */

__thread struct rec_thread *rec_thread_current;

static struct rec_lock lock;
static struct rec_thread *ended; /* threads whose destructors ran, under `lock` */
static bool have_key;
static pthread_key_t key;
static uint32_t made;
/* All of this process. Like the states themselves it is handed down to a forked child, which finds
 * there how far its parent's lanes were: what the kernel copies at a fork is a picture of one
 * moment, in the sense that a row is in it if anything is that its thread, or another one that knew
 * of it, did later. */
static struct rec_thread *all;

static void write_name(struct rec_thread *t, enum seep_beside kind, uint32_t number, int tid,
                       const char *name)
{
    uint8_t payload[3 * SEEP_VARINT_MAX + NAME_BYTES];
    uint8_t *p = seep_put_varint(payload, number);
    if (kind == SEEP_BESIDE_THREAD_START)
        p = seep_put_varint(p, (uint64_t)tid);
    while (*name)
        *p++ = (uint8_t)*name++;
    bool marked = rec_thread_mark(t);
    rec_row_beside(t, kind, rec_clock_stamp(), payload, (size_t)(p - payload));
    if (marked)
        rec_thread_unmark(t);
}

/* Where its stack lies: the analyser finds the mapping around it, at the end of which the thread's
 * control block stands. */
static void write_stack(struct rec_thread *t, uintptr_t frame)
{
    uint8_t payload[3 * SEEP_VARINT_MAX];
    uintptr_t pointer;
    __asm__("mov %%fs:0, %0" : "=r"(pointer));
    uint8_t *p = seep_put_varint(payload, t->number);
    p = seep_put_varint(p, frame);
    p = seep_put_varint(p, pointer);
    rec_row_beside(t, SEEP_BESIDE_THREAD_STACK, rec_clock_stamp(), payload, (size_t)(p - payload));
}

/* Runs among the destructors of a thread's thread-specific data, in the last of their rounds, so
 * that most of what other destructors free is still seen under this thread. What comes later is
 * recorded all the same. */
static void thread_ends(void *arg)
{
    struct rec_thread *t = arg;
    if (*rec_alive != REC_ALIVE || t != rec_thread_current)
        return; /* stopped, or a forked child's: nothing of ours is there any more */
    if (++t->end_rounds < PTHREAD_DESTRUCTOR_ITERATIONS) {
        pthread_setspecific(key, t);
        return;
    }
    uint64_t mask = rec_lock(&lock);
    if (t->busy)
        rec_rows_restart(t); /* cancelled in a hook, or left it through a handler */
    rec_thread_unmark(t);
    char name[NAME_BYTES] = "";
    sys_call(SYS_prctl, PR_GET_NAME, name);
    write_name(t, SEEP_BESIDE_THREAD_NAME, t->number, 0, name);
    write_name(t, SEEP_BESIDE_THREAD_END, t->number, 0, "");
    t->ended = true;
    t->next = ended;
    ended = t;
    rec_unlock(&lock, mask);
}

static void free_state(struct rec_thread *t)
{
    if (t->fork == REC_FORK_OVER)
        sys_memory_free(t->tail, SEEP_TAIL_MAX_BYTES);
    sys_memory_free(t, sizeof *t);
}

void rec_thread_fork_inside(struct rec_thread *t)
{
    t->fork_word = t->word;
    t->fork = REC_FORK_INSIDE;
    t->room = SEEP_TAIL_MAX_BYTES;
    t->clock_last = t->clock_wait = 0; /* leads to rec_fork_over() */
    sys_memory_blank(t->tail, SEEP_TAIL_MAX_BYTES);
    rec_spool_blank();
    rec_cold_reset();
    rec_lock_reset(&lock);
    rec_private_stack_reset();
}

void rec_thread_fork_over(struct rec_thread *t)
{
    t->fork = REC_FORK_OVER;
    if (t != rec_thread_current)
        free_state(t);
    /* else this process has recorded nothing yet; once it does, it needs t->fork_word */
}

uint8_t *rec_threads_put_fork(uint8_t *p, const uint8_t *end)
{
    for (const struct rec_thread *t = all; t && end - p >= 3 * SEEP_VARINT_MAX; t = t->older) {
        uint64_t word = t->fork == REC_FORK_NONE ? t->word : t->fork_word;
        p = seep_put_varint(p, t->lane_index);
        p = seep_put_varint(p, word >> 32);
        p = seep_put_varint(p, (uint32_t)word);
    }
    return p;
}

void rec_threads_init(void)
{
    rec_lock_reset(&lock);
    ended = NULL;
    made = 0;
    atomic_store_explicit(&rec_last_walk_bytes, 0, memory_order_relaxed);
    while (all) { /* the parent's */
        struct rec_thread *t = all;
        all = t->older;
        if (t->fork != REC_FORK_INSIDE)
            free_state(t);
    }
    if (!have_key)
        have_key = pthread_key_create(&key, thread_ends) == 0;
}

/* The state of an ended thread that the kernel no longer knows, taken off the list. */
static struct rec_thread *take_ended(void)
{
    long pid = sys_call(SYS_getpid);
    for (struct rec_thread **at = &ended; *at; at = &(*at)->next) {
        struct rec_thread *t = *at;
        if (sys_call(SYS_tgkill, pid, t->tid, 0) != -ESRCH)
            continue;
        *at = t->next;
        return t;
    }
    return NULL;
}

static struct rec_thread *make(void)
{
    struct seep_control *control = rec_spool_control();
    if (control->lane_count >= SEEP_LANE_LIMIT)
        return NULL;
    struct rec_thread *t = sys_memory_kept(sizeof *t);
    if (t == NULL)
        return NULL;
    t->lane_index = control->lane_count;
    t->room = SEEP_TAIL_MIN_BYTES;
    t->tail = rec_spool_tail_map(t->lane_index, t->room);
    if (t->tail == NULL) {
        sys_memory_free(t, sizeof *t);
        return NULL;
    }
    t->lane = rec_spool_lane(t->lane_index);
    t->last_stamp = control->start_stamp;
    t->lane->tail_offset[0] = rec_spool_tail_offset(t->lane_index);
    t->lane->tail_bytes[0] = t->room;
    __atomic_store_n(&control->lane_count, t->lane_index + 1, __ATOMIC_RELEASE);
    t->older = all;
    __atomic_store_n(&all, t, __ATOMIC_RELEASE);
    made++;
    return t;
}

struct beginning {
    uintptr_t frame; /* on the thread's stack */
    struct rec_thread *thread;
};

static void begin(void *what)
{
    struct beginning *beginning = what;
    uint64_t locked = rec_lock(&lock);
    struct rec_thread *t = take_ended();
    bool taken_over = t != NULL;
    if (t == NULL)
        t = make();
    if (t) {
        t->number = __atomic_add_fetch(&rec_spool_control()->thread_count, 1, __ATOMIC_RELAXED);
        t->tid = (int)sys_call(SYS_gettid);
        t->busy = 0;
        t->ended = false;
        t->end_rounds = 0;
        t->bounds = (struct rec_stack_bounds){0};
        rec_thread_mark(t);
        t->clock_last = rec_clock_stamp();
        t->clock_wait = CLOCK_FIRST_WAIT_TICKS;
        t->lane->holder = (uint32_t)t->tid;
        t->lane->holder_thread = t->number;
        if (!taken_over)
            t->lane->thread[0] = t->number;
    }
    rec_unlock(&lock, locked);
    if (t) {
        char name[NAME_BYTES] = "";
        sys_call(SYS_prctl, PR_GET_NAME, name);
        write_name(t, SEEP_BESIDE_THREAD_START, t->number, t->tid, name);
        write_stack(t, beginning->frame);
        rec_thread_unmark(t);
        rec_thread_current = t;
    }
    beginning->thread = t;
}

struct rec_thread *rec_thread_begin(void)
{
    struct beginning beginning = {.frame = (uintptr_t)__builtin_frame_address(0)};
    /* Until the thread has its state: a handler's event would make a second one. */
    uint64_t mask = sys_signals_block();
    rec_private_stack_run(begin, &beginning);
    if (beginning.thread && have_key)
        pthread_setspecific(key, beginning.thread); /* which may allocate, on the thread's stack */
    sys_signals_restore(mask);
    return beginning.thread;
}

struct rec_thread *rec_thread_beside(struct rec_thread *t)
{
    if (t->beside == NULL) {
        uint64_t locked = rec_lock(&lock);
        t->beside = make();
        rec_unlock(&lock, locked);
    }
    if (t->beside && t->beside->number != t->number) {
        t->beside->number = t->number;
        rec_rows_restart(t->beside);
    }
    return t->beside;
}

void rec_threads_name_all(struct rec_thread *self)
{
    uint32_t count = rec_spool_control()->lane_count;
    for (uint32_t i = 0; i < count; i++) {
        struct seep_lane *lane = rec_spool_lane(i);
        uint32_t thread = lane->holder_thread;
        char path[64], name[NAME_BYTES + 1] = "";
        struct text t = TEXT(path);
        text_add(&t, "/proc/self/task/");
        text_add_number(&t, lane->holder);
        text_add(&t, "/comm");
        long fd = sys_call(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC);
        if (sys_failed(fd))
            continue;
        long n = sys_call(SYS_read, fd, name, NAME_BYTES);
        sys_call(SYS_close, fd);
        while (n > 0 && name[n - 1] == '\n')
            n--;
        if (n > 0) {
            name[n] = '\0';
            write_name(self, SEEP_BESIDE_THREAD_NAME, thread, 0, name);
        }
    }
}

uintptr_t rec_threads_stack_of(int tid)
{
    for (const struct rec_thread *t = __atomic_load_n(&all, __ATOMIC_ACQUIRE); t; t = t->older)
        if (t->tid == tid && !t->ended && t->bounds.high)
            return t->bounds.low;
    return 0;
}

uint64_t rec_threads_bytes(void)
{
    /* of a state's memory most is never touched */
    return (uint64_t)made * (offsetof(struct rec_thread, last) + sizeof all->recent) +
           atomic_load_explicit(&rec_last_walk_bytes, memory_order_relaxed);
}
