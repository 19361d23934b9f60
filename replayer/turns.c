/* SPDX-License-Identifier: MIT
 *
 * Threads take turns, so that the allocator sees all calls in the order in which they were
 * recorded, each by the thread that made it. Rejected: an order per block only. Which thread's free
 * memory a call finds depends on what the others did just before, and with it how much each arena
 * holds.
 *
 * One thread runs at a time, so that what follows needs no locks: it is handed on with the turn.
 *
 * Threads that ran at once when recorded take turns call by call, and to wake one takes as long as
 * a hundred calls. So that whoever runs goes on in the next one's guise (guise.h), and wakes it
 * only for what it must do itself: its first turn, to start and to end threads. */
#include "counted.h"
#include "guise.h"
#include "perform.h"
#include "pool.h"

#include <limits.h>
#include <linux/futex.h>
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define BUFFER_OPS 16384
#define SPINS 64 /* about 3 us: less than it takes to sleep and be woken */
#define STACK_BYTES (256u << 10)
#define KEPT_NS 2000000u /* shorter gaps are the program's own pace */

enum turn { TURN_WAITING, TURN_GIVEN, TURN_ASLEEP };

struct worker {
    _Atomic uint32_t turn; /* enum turn */
    pthread_t thread;
    void *guise; /* NULL: the thread is to be woken for its turns */
};

static struct {
    struct worker *workers;
    struct seep_replay_op ops[BUFFER_OPS];
    size_t at, end;
    uint64_t next_op; /* index of what the buffer is filled with next */
    struct performed done;
    bool guises;
    uint64_t waited_ns; /* the last point that was waited for, from the start */
    pthread_attr_t attributes;
    bool ended; /* a thread has: `last` is to be joined by who has the turn next */
    pthread_t last;
} run;

static const struct seep_replay_op *next_op(void)
{
    if (run.at == run.end) {
        off_t offset = (off_t)(run.next_op * sizeof run.ops[0]);
        uint64_t left = replay.header->op_count - run.next_op;
        size_t want = left < BUFFER_OPS ? (size_t)left : BUFFER_OPS;
        ssize_t n = pread(replay.script, run.ops, want * sizeof run.ops[0], offset);
        if (n < (ssize_t)sizeof run.ops[0])
            replay_die("the script ends too early");
        run.at = 0;
        run.end = (size_t)n / sizeof run.ops[0];
        run.next_op += run.end;
    }
    return &run.ops[run.at++];
}

static long futex(_Atomic uint32_t *word, int operation, uint32_t value)
{
    return syscall(SYS_futex, word, operation, value, NULL, NULL, 0);
}

static void give_turn(uint32_t thread)
{
    struct worker *w = &run.workers[thread];
    if (atomic_exchange(&w->turn, TURN_GIVEN) == TURN_ASLEEP)
        futex(&w->turn, FUTEX_WAKE_PRIVATE, 1);
}

static void take_turn(uint32_t thread)
{
    struct worker *w = &run.workers[thread];
    for (int i = 0; i < SPINS && atomic_load(&w->turn) != TURN_GIVEN; i++) {
#if defined(__x86_64__)
        _mm_pause();
#endif
    }
    uint32_t waiting = TURN_WAITING;
    if (atomic_compare_exchange_strong(&w->turn, &waiting, TURN_ASLEEP))
        while (atomic_load(&w->turn) != TURN_GIVEN)
            futex(&w->turn, FUTEX_WAIT_PRIVATE, TURN_ASLEEP);
    atomic_store(&w->turn, TURN_WAITING);
    if (run.ended) {
        /* its caches are given back to the allocator before the next call, as they were */
        pthread_join(run.last, NULL);
        run.ended = false;
    }
}

/* A replay that is late catches up in gaps, but keeps half of each: there allocators give memory
 * back, and programs rest before they are looked at for the last time. */
static void wait_until(uint64_t ns)
{
    uint64_t gap = (ns - run.waited_ns) * 100 / replay.speed_percent;
    run.waited_ns = ns;
    if (replay.mode != SEEP_REPLAY_MEMORY)
        return;
    uint64_t until = replay.start_ns + ns * 100 / replay.speed_percent, now = own_now_ns();
    if (now > until && now - until > replay.outcome->late_ns)
        replay.outcome->late_ns = now - until;
    if (gap >= KEPT_NS && until < now + gap / 2)
        until = now + gap / 2;
    if (until <= now)
        return;
    struct timespec t = {(time_t)(until / 1000000000u), (long)(until % 1000000000u)};
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL) != 0)
        continue;
}

static uint64_t usable_bytes(void)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < replay.header->slot_count; i++)
        sum += pool_usable_bytes(replay.slots[i]);
    return sum;
}

static void take_sample(uint32_t number)
{
    if (replay.mode == SEEP_REPLAY_MEMORY && number < replay.header->sample_count) {
        replay.outcome->samples[number] = own_rss_bytes();
        replay.outcome->sample_count = number + 1;
        if (number + 1 == replay.header->sample_count)
            replay.outcome->usable_bytes = usable_bytes();
    }
}

static void *worker(void *number);

static void start(uint32_t thread)
{
    if (pthread_create(&run.workers[thread].thread, &run.attributes, worker,
                       (void *)(uintptr_t)thread) != 0)
        replay_die("a thread cannot be made");
}

/* `self` goes on as `to`: in its guise, or, where there is none or `itself` is wanted, by waking it
 * and waiting for another turn of its own. Returns as whom it goes on. */
static uint32_t change(uint32_t self, uint32_t to, bool itself)
{
    if (!itself && run.workers[to].guise) {
        guise_take(run.workers[to].guise);
        return to;
    }
    if (run.guises)
        guise_take(run.workers[self].guise);
    if (to != self) {
        give_turn(to);
        take_turn(self);
    }
    return self;
}

static bool is_done_by_itself(uint8_t kind)
{
    return kind == SEEP_REPLAY_START || kind == SEEP_REPLAY_FINISH || kind == SEEP_REPLAY_END;
}

/* Until the thread, or the whole, ends; it has the turn. */
static void carry_out(uint32_t self, bool timed)
{
    uint32_t acts_as = self;
    if (run.guises)
        run.workers[self].guise = guise_own();
    for (;;) {
        const struct seep_replay_op *op = next_op();
        if (acts_as != self && is_done_by_itself(op->kind)) {
            run.at--;
            acts_as = change(self, acts_as, true);
            continue;
        }
        switch (op->kind) {
        case SEEP_REPLAY_MALLOC:
        case SEEP_REPLAY_CALLOC:
        case SEEP_REPLAY_ALIGNED:
        case SEEP_REPLAY_REALLOC:
        case SEEP_REPLAY_FREE:
            if (timed)
                perform_as(op, &run.done, true);
            else
                perform_as(op, &run.done, false);
            break;
        case SEEP_REPLAY_POOL_MALLOC:
        case SEEP_REPLAY_POOL_REALLOC:
        case SEEP_REPLAY_POOL_FREE: pool_perform(op); break;
        case SEEP_REPLAY_MOVE: perform_move(op); break;
        case SEEP_REPLAY_TOUCH:
        case SEEP_REPLAY_GROWN: perform_pages(op); break;
        case SEEP_REPLAY_TURN: acts_as = change(self, op->slot, false); break;
        case SEEP_REPLAY_START: start(op->slot); break;
        case SEEP_REPLAY_FINISH:
            run.ended = true;
            run.last = pthread_self();
            give_turn(next_op()->slot);
            return;
        case SEEP_REPLAY_WAIT: wait_until(op->value); break;
        case SEEP_REPLAY_SAMPLE: take_sample(op->slot); break;
        case SEEP_REPLAY_END: return;
        default: replay_die("the script makes no sense");
        }
    }
}

static void *worker(void *number)
{
    uint32_t self = (uint32_t)(uintptr_t)number;
    take_turn(self);
    carry_out(self, replay.mode == SEEP_REPLAY_LATENCY);
    return NULL;
}

void turns_run(void)
{
    const struct seep_replay_header *h = replay.header;
    size_t bytes = h->thread_count * sizeof *run.workers;
    run.workers = mmap(NULL, bytes + 1, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    if (run.workers == MAP_FAILED)
        replay_die("no memory");
    memset(&run.ops, 1, sizeof run.ops); /* resident from here on */
    memset(&run.done, 0, sizeof run.done);
    pthread_attr_init(&run.attributes);
    pthread_attr_setstacksize(&run.attributes, STACK_BYTES);
    run.next_op = sizeof *h / sizeof run.ops[0];
    run.guises = guise_is_there();

    if (replay.counted && !counted_begin())
        replay_die("system calls cannot be counted");
    own_reset_peak();
    replay.outcome->base_rss_bytes = own_rss_bytes();
    replay.start_ns = own_now_ns();
    carry_out(h->main_thread, replay.mode == SEEP_REPLAY_LATENCY);

    for (size_t i = 0; i < sizeof run.done.calls / sizeof run.done.calls[0]; i++)
        replay.outcome->calls[i] = run.done.calls[i];
    replay.outcome->failed = run.done.failed;
    memcpy(replay.outcome->timed, run.done.timed, sizeof run.done.timed);
}
