/* SPDX-License-Identifier: MIT */
#include "facts.h"

#include "clock.h"
#include "glibc.h"
#include "options.h"
#include "real.h"
#include "seep/trace_codec.h"
#include "seep/trace_format.h"
#include "sys.h"
#include "text.h"
#include "thread.h"

#include <fcntl.h>
#include <sys/auxv.h>
#include <sys/utsname.h>

#define EXE_NAME_MAX 48

static char exe_name[EXE_NAME_MAX];
static char exe_path[REC_OPTION_TEXT_MAX];

/* Variables that change how memory is allocated, or what is recorded. */
static const char *const chosen_variables[] = {
    "MALLOC_",   "GLIBC_TUNABLES=", "LD_PRELOAD=",   "JE_MALLOC_CONF=", "MALLOC_CONF=",
    "TCMALLOC_", "MIMALLOC_",       "PYTHONMALLOC=", "GLIBCXX_",        "HEAPPROFILE=",
};

size_t rec_read_file(const char *path, char *out, size_t room)
{
    size_t length = 0;
    long fd = sys_call(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC);
    if (!sys_failed(fd)) {
        long n;
        while (length + 1 < room &&
               (n = sys_call(SYS_read, fd, out + length, room - 1 - length)) > 0)
            length += (size_t)n;
        sys_call(SYS_close, fd);
    }
    out[length] = '\0';
    return length;
}

void rec_facts_init(void)
{
    long n = sys_call(SYS_readlinkat, AT_FDCWD, "/proc/self/exe", exe_path, sizeof exe_path - 1);
    exe_path[sys_failed(n) ? 0 : n] = '\0';
    struct text t = TEXT(exe_name);
    for (const char *p = text_base_name(exe_path); *p; p++) {
        char c = *p;
        bool safe = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                    c == '.' || c == '_' || c == '+' || c == '-';
        text_addc(&t, safe ? c : '_');
    }
    if (t.length == 0)
        text_add(&t, "unknown");
}

const char *rec_facts_exe_name(void)
{
    return exe_name;
}

uint64_t rec_facts_pid_namespace(void)
{
    char link[64]; /* pid:[4026531836] */
    uint64_t inode = 0;
    long n = sys_call(SYS_readlinkat, AT_FDCWD, "/proc/self/ns/pid", link, sizeof link);
    for (long i = 0; i < n; i++)
        if (link[i] >= '0' && link[i] <= '9')
            inode = inode * 10 + (uint64_t)(link[i] - '0');
    return inode;
}

struct blob {
    uint8_t *at, *end;
};

static void add(struct blob *b, enum seep_fact fact, const void *bytes, size_t length)
{
    if ((size_t)(b->end - b->at) < length + 2 * SEEP_VARINT_MAX)
        return;
    b->at = seep_put_varint(b->at, fact);
    b->at = seep_put_varint(b->at, length);
    for (size_t i = 0; i < length; i++)
        *b->at++ = ((const uint8_t *)bytes)[i];
}

static void add_text(struct blob *b, enum seep_fact fact, const char *text)
{
    if (*text)
        add(b, fact, text, text_length(text));
}

static void add_number(struct blob *b, enum seep_fact fact, uint64_t v)
{
    uint8_t bytes[SEEP_VARINT_MAX];
    add(b, fact, bytes, (size_t)(seep_put_varint(bytes, v) - bytes));
}

/* The word in brackets of ".../enabled": "always [madvise] never". */
static void add_thp(struct blob *b)
{
    char line[128];
    rec_read_file("/sys/kernel/mm/transparent_hugepage/enabled", line, sizeof line);
    const char *from = line;
    while (*from && *from != '[')
        from++;
    if (*from == '\0')
        return;
    const char *to = ++from;
    while (*to && *to != ']')
        to++;
    add(b, SEEP_FACT_THP, from, (size_t)(to - from));
}

static void add_cpus(struct blob *b)
{
    uint64_t mask[128] = {0}; /* 8,192 processors */
    uint64_t count = 0;
    sys_call(SYS_sched_getaffinity, 0, sizeof mask, mask);
    for (size_t i = 0; i < sizeof mask / sizeof mask[0]; i++)
        count += (uint64_t)__builtin_popcountll(mask[i]);
    add_number(b, SEEP_FACT_CPUS, count);
}

/* Parent's pid, the fourth field of /proc/self/stat, is getppid(): 0 where it lies outside our pid
 * namespace. */
static void add_process(struct blob *b, uint32_t image, struct rec_origin origin, char *scratch,
                        size_t room)
{
    add_number(b, SEEP_FACT_PID, (uint64_t)sys_call(SYS_getpid));
    add_number(b, SEEP_FACT_PID_NAMESPACE, rec_facts_pid_namespace());
    add_number(b, SEEP_FACT_PARENT_PID, (uint64_t)sys_call(SYS_getppid));
    add_number(b, SEEP_FACT_IMAGE, image);
    add_text(b, SEEP_FACT_EXE, exe_path);
    add_text(b, SEEP_FACT_RUN_ID, rec_option_text(REC_OPTION_RUN_ID));
    if (origin.fork_parent_pid) {
        uint8_t stamp[8];
        seep_put_u64(stamp, origin.fork_stamp);
        add_number(b, SEEP_FACT_FORK_PARENT_PID, origin.fork_parent_pid);
        add(b, SEEP_FACT_FORK_STAMP, stamp, sizeof stamp);
        add_text(b, SEEP_FACT_FORK_PARENT, origin.fork_parent);
        add_number(b, SEEP_FACT_FORK_GENERATION, origin.fork_generation);
        add(b, SEEP_FACT_FORK_LANES, scratch,
            (size_t)(rec_threads_put_fork((uint8_t *)scratch, (uint8_t *)scratch + room) -
                     (uint8_t *)scratch));
    }
}

/* Lists: NUL-separated. `scratch` holds what the kernel says, at most `room` bytes. */
static void add_command(struct blob *b, char *scratch, size_t room)
{
    size_t n = rec_read_file("/proc/self/cmdline", scratch, room);
    add(b, SEEP_FACT_COMMAND, scratch, n && scratch[n - 1] == '\0' ? n - 1 : n);
}

static void add_environment(struct blob *b, char *scratch, size_t room)
{
    size_t n = rec_read_file("/proc/self/environ", scratch, room);
    size_t kept = 0;
    for (size_t at = 0; at < n;) {
        size_t length = text_length(scratch + at);
        for (size_t i = 0; i < sizeof chosen_variables / sizeof chosen_variables[0]; i++) {
            if (!text_starts(scratch + at, chosen_variables[i]))
                continue;
            for (size_t k = 0; k <= length; k++)
                scratch[kept++] = scratch[at + k];
            break;
        }
        at += length + 1;
    }
    if (kept)
        add(b, SEEP_FACT_ENVIRONMENT, scratch, kept - 1);
}

static void add_options(struct blob *b, char *scratch, size_t room)
{
    struct text t = {.bytes = scratch, .room = room};
    const char *name, *value;
    for (unsigned i = 0; rec_option_changed(i, &name, &value); i++) {
        if (i)
            t.length++; /* keeps the NUL as the separator */
        text_add(&t, name);
        text_addc(&t, '=');
        text_add(&t, value);
    }
    if (t.length)
        add(b, SEEP_FACT_OPTIONS, scratch, t.length);
}

size_t rec_facts_encode(uint8_t *out, size_t room, uint32_t image, struct rec_origin origin)
{
    /* The second half of the room is scratch. */
    struct blob b = {out, out + room / 2};
    char *scratch = (char *)out + room / 2;
    size_t scratch_room = room - room / 2;
    add_process(&b, image, origin, scratch, scratch_room);
    struct utsname uts;
    if (!sys_failed(sys_call(SYS_uname, &uts))) {
        add_text(&b, SEEP_FACT_HOST, uts.nodename);
        struct text t = {.bytes = scratch, .room = scratch_room};
        text_add(&t, uts.sysname);
        text_addc(&t, ' ');
        text_add(&t, uts.release);
        text_addc(&t, ' ');
        text_add(&t, uts.machine);
        add_text(&b, SEEP_FACT_KERNEL, scratch);
    }
    struct text libc = {.bytes = scratch, .room = scratch_room};
    text_add(&libc, "glibc ");
    text_add(&libc, gnu_get_libc_version());
    add_text(&b, SEEP_FACT_LIBC, scratch);
    add_cpus(&b);
    add_number(&b, SEEP_FACT_PAGE_BYTES, getauxval(AT_PAGESZ));
    add_thp(&b);
    add_number(&b, SEEP_FACT_START_REALTIME_NS, rec_clock_ns(CLOCK_REALTIME));
    const struct rec_allocator *allocator = rec_real_allocator();
    add_text(&b, SEEP_FACT_ALLOCATOR, allocator->name);
    add_text(&b, SEEP_FACT_ALLOCATOR_VERSION, allocator->version);
    add_text(&b, SEEP_FACT_ALLOCATOR_PATH, allocator->path);
    add_text(&b, SEEP_FACT_RECORDER_VERSION, SEEP_VERSION);
    long n = sys_call(SYS_getcwd, scratch, scratch_room);
    if (!sys_failed(n))
        add_text(&b, SEEP_FACT_WORKING_DIRECTORY, scratch);
    add_command(&b, scratch, scratch_room);
    add_environment(&b, scratch, scratch_room);
    add_options(&b, scratch, scratch_room);
    return (size_t)(b.at - out);
}
