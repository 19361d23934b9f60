/* SPDX-License-Identifier: MIT */
#include "spool.h"

#include "seep/crc32c.h"
#include "facts.h"
#include "options.h"
#include "sys.h"
#include "text.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/uio.h>

#define CONTROL_BYTES (sizeof(struct seep_control) + SEEP_LANE_LIMIT * sizeof(struct seep_lane))
#define DESCRIPTOR_HIGH 960 /* below the usual soft limit of 1024, above what programs use */

enum file { FILE_ROWS, FILE_TAILS, FILE_SNAPSHOTS, FILE_COUNT };

static struct spool_file {
    const char *name;
    int descriptor;
    uint64_t device, inode;
} files[FILE_COUNT] = {{.name = "rows"}, {.name = "tails"}, {.name = "snapshots"}};

static char directory[REC_OPTION_TEXT_MAX];
static struct seep_control *control;

static bool join(char *out, size_t room, const char *name)
{
    struct text t = {.bytes = out, .room = room};
    text_add(&t, directory);
    text_addc(&t, '/');
    text_add(&t, name);
    return t.length + 1 < room;
}

/* Moves a descriptor out of the program's way; -errno leaves it where it is. */
static int move_high(int fd)
{
    struct rlimit limit = {.rlim_cur = 1024};
    sys_call(SYS_prlimit64, 0, RLIMIT_NOFILE, 0, &limit);
    long want = limit.rlim_cur < DESCRIPTOR_HIGH + 16 ? (long)limit.rlim_cur - 16 : DESCRIPTOR_HIGH;
    long high = want > fd ? sys_call(SYS_fcntl, fd, F_DUPFD_CLOEXEC, want) : -EMFILE;
    if (sys_failed(high))
        return fd;
    sys_call(SYS_close, fd);
    return (int)high;
}

static long open_file(const char *name, int flags)
{
    char path[REC_OPTION_TEXT_MAX + 32];
    if (!join(path, sizeof path, name))
        return -ENAMETOOLONG;
    return sys_call(SYS_openat, AT_FDCWD, path, flags | O_CLOEXEC | O_NOFOLLOW, 0600);
}

static bool is_ours(const struct spool_file *f, int fd)
{
    struct stat st;
    return fd >= 0 && !sys_failed(sys_call(SYS_fstat, fd, &st)) && st.st_dev == f->device &&
           st.st_ino == f->inode;
}

/* A descriptor that is certainly the spool's file, or -1. */
static int descriptor(struct spool_file *f)
{
    if (is_ours(f, f->descriptor))
        return f->descriptor;
    long fd = open_file(f->name, O_RDWR);
    if (sys_failed(fd))
        return -1;
    if (!is_ours(f, (int)fd)) {
        sys_call(SYS_close, fd);
        return -1;
    }
    return f->descriptor = move_high((int)fd);
}

static long create_file(struct spool_file *f)
{
    long fd = open_file(f->name, O_RDWR | O_CREAT | O_EXCL);
    if (sys_failed(fd))
        return fd;
    struct stat st;
    long result = sys_call(SYS_fstat, fd, &st);
    f->descriptor = move_high((int)fd);
    f->device = st.st_dev;
    f->inode = st.st_ino;
    return result;
}

/* True if RLIMIT_FSIZE allows a file to reach `end`. Beyond it the kernel would send SIGXFSZ. */
static bool within_file_limit(uint64_t end)
{
    struct rlimit limit = {.rlim_cur = RLIM_INFINITY};
    sys_call(SYS_prlimit64, 0, RLIMIT_FSIZE, 0, &limit);
    return end <= limit.rlim_cur;
}

/* Backs [offset, offset + bytes) of a file with space on disk. 0 or negative errno. */
static long reserve(int fd, uint64_t offset, uint64_t bytes)
{
    if (!within_file_limit(offset + bytes))
        return -EFBIG;
    long result = sys_call(SYS_fallocate, fd, 0, offset, bytes);
    if (result != -EOPNOTSUPP && result != -ENOSYS)
        return result;
    static const char zeros[4096];
    for (uint64_t done = 0; done < bytes; done += sizeof zeros) {
        result = sys_call(SYS_pwrite64, fd, zeros, sizeof zeros, offset + done);
        if (sys_failed(result))
            return result;
    }
    return 0;
}

static void *map(int fd, uint64_t offset, size_t bytes)
{
    long p = sys_call(SYS_mmap, 0, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, offset);
    if (sys_failed(p))
        return NULL;
    sys_call(SYS_madvise, p, bytes, MADV_DONTFORK);
    return (void *)p;
}

static long write_process_file(const void *facts, size_t bytes)
{
    long fd = open_file("process", O_WRONLY | O_CREAT | O_EXCL);
    if (sys_failed(fd))
        return fd;
    struct iovec parts[] = {{(void *)SEEP_SPOOL_MAGIC, 8}, {(void *)facts, bytes}};
    long result = within_file_limit(8 + bytes) ? sys_call(SYS_writev, fd, parts, 2) : -EFBIG;
    sys_call(SYS_close, fd);
    return sys_failed(result) ? result : result == (long)(8 + bytes) ? 0 : -ENOSPC;
}

long rec_spool_create(const char *path, const void *facts, size_t facts_bytes)
{
    struct text t = TEXT(directory);
    text_add(&t, path);
    long result = sys_call(SYS_mkdirat, AT_FDCWD, directory, 0700);
    if (sys_failed(result))
        return result;
    struct spool_file page = {.name = "control"};
    result = create_file(&page);
    if (sys_failed(result))
        return result;
    /* Lanes beyond the first pages are reserved by rec_spool_lane() users as they are taken: the
     * whole array would be a megabyte of disk for a program with one thread. */
    result = reserve(page.descriptor, 0, SEEP_ROWS_ALIGN);
    if (!sys_failed(result))
        result = sys_call(SYS_ftruncate, page.descriptor, CONTROL_BYTES);
    void *mapped = sys_failed(result) ? NULL : map(page.descriptor, 0, CONTROL_BYTES);
    sys_call(SYS_close, page.descriptor);
    if (sys_failed(result))
        return result;
    if (mapped == NULL)
        return -ENOMEM;
    for (int i = 0; i < FILE_COUNT; i++) {
        result = create_file(&files[i]);
        if (sys_failed(result))
            return result;
    }
    result = write_process_file(facts, facts_bytes);
    if (sys_failed(result))
        return result;
    control = mapped;
    return 0;
}

struct seep_control *rec_spool_control(void)
{
    return control;
}

struct seep_lane *rec_spool_lane(uint32_t index)
{
    return (struct seep_lane *)(control + 1) + index;
}

const char *rec_spool_path(void)
{
    return directory;
}

/* Reserves the page of `control` that lane `index` lies in. */
static bool reserve_lane(uint32_t index)
{
    uint64_t offset = sizeof(struct seep_control) + (uint64_t)index * sizeof(struct seep_lane);
    if (offset % SEEP_ROWS_ALIGN >= sizeof(struct seep_lane) || offset < SEEP_ROWS_ALIGN)
        return true; /* a lane that starts within a page already reserved */
    long fd = open_file("control", O_RDWR);
    if (sys_failed(fd))
        return false;
    long result = reserve((int)fd, offset / SEEP_ROWS_ALIGN * SEEP_ROWS_ALIGN, SEEP_ROWS_ALIGN);
    sys_call(SYS_close, fd);
    return !sys_failed(result);
}

uint8_t *rec_spool_tail_map(uint32_t index, size_t reserved)
{
    uint64_t offset = (uint64_t)index * SEEP_TAIL_MAX_BYTES;
    int fd = descriptor(&files[FILE_TAILS]);
    if (fd < 0 || !reserve_lane(index) || sys_failed(reserve(fd, offset, reserved)))
        return NULL;
    return map(fd, offset, SEEP_TAIL_MAX_BYTES);
}

bool rec_spool_tail_grow(uint32_t index, size_t old_bytes, size_t bytes)
{
    uint64_t offset = (uint64_t)index * SEEP_TAIL_MAX_BYTES;
    int fd = descriptor(&files[FILE_TAILS]);
    return fd >= 0 && !sys_failed(reserve(fd, offset + old_bytes, bytes - old_bytes));
}

enum seep_stop rec_spool_write_rows(uint32_t lane, uint32_t sequence, uint32_t thread,
                                    const uint8_t *rows, uint32_t bytes)
{
    struct seep_rows_header header = {
        .magic = SEEP_ROWS_MAGIC,
        .lane = lane,
        .sequence = sequence,
        .bytes = bytes,
        .thread = thread,
    };
    uint64_t total = sizeof header + bytes;
    header.space_bytes =
        (uint32_t)((total + SEEP_ROWS_ALIGN - 1) / SEEP_ROWS_ALIGN * SEEP_ROWS_ALIGN);
    header.checksum = seep_crc32c(0, &header, offsetof(struct seep_rows_header, checksum));
    uint64_t cap = rec_option_number(REC_OPTION_SPOOL_MAX);
    uint64_t offset = __atomic_fetch_add(&control->rows_end, header.space_bytes, __ATOMIC_RELAXED);
    if (cap && offset + header.space_bytes > cap)
        return SEEP_STOP_CAP;
    if (!within_file_limit(offset + total))
        return SEEP_STOP_FILE_LIMIT;
    int fd = descriptor(&files[FILE_ROWS]);
    if (fd < 0)
        return SEEP_STOP_IO;
    struct iovec parts[] = {{&header, sizeof header}, {(void *)rows, bytes}};
    for (int part = 0; part < 2;) {
        long n = sys_call(SYS_pwritev, fd, &parts[part], 2 - part, offset, 0);
        if (n == -EINTR || n == -EAGAIN)
            continue;
        if (n <= 0)
            return n == -ENOSPC || n == -EDQUOT || n == 0 ? SEEP_STOP_DISK_FULL
                   : n == -EFBIG                          ? SEEP_STOP_FILE_LIMIT
                                                          : SEEP_STOP_IO;
        offset += (uint64_t)n;
        for (; part < 2 && n >= (long)parts[part].iov_len; part++)
            n -= (long)parts[part].iov_len;
        if (part < 2) {
            parts[part].iov_base = (char *)parts[part].iov_base + n;
            parts[part].iov_len -= (size_t)n;
        }
    }
    return SEEP_STOP_NONE;
}

void rec_spool_snapshot(uint32_t kind, uint64_t now_ns, const void *bytes, uint32_t length)
{
    struct {
        uint64_t ns;
        uint32_t kind, length;
    } head = {now_ns, kind, length};
    int fd = descriptor(&files[FILE_SNAPSHOTS]);
    struct stat st;
    if (fd < 0 || sys_failed(sys_call(SYS_fstat, fd, &st)) ||
        !within_file_limit((uint64_t)st.st_size + sizeof head + length))
        return;
    struct iovec parts[] = {{&head, sizeof head}, {(void *)bytes, length}};
    /* In one piece at the end, which `seep run` may be moving at the same time. */
    if (sys_failed(sys_call(SYS_pwritev2, fd, parts, 2, -1, -1, RWF_APPEND)))
        sys_call(SYS_pwritev, fd, parts, 2, st.st_size, 0);
}

void rec_spool_forget(void)
{
    for (int i = 0; i < FILE_COUNT; i++) {
        if (is_ours(&files[i], files[i].descriptor))
            sys_call(SYS_close, files[i].descriptor);
        files[i].descriptor = -1;
    }
    control = NULL;
}
