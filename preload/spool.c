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
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/uio.h>

#define CONTROL_BYTES (sizeof(struct seep_control) + SEEP_LANE_LIMIT * sizeof(struct seep_lane))
#define DESCRIPTOR_HIGH 960 /* below the usual soft limit of 1024, above what programs use */
#define DESCRIPTOR_LOW 128  /* where the limit is lower, descriptors are the program's alone */

enum file { FILE_HOME, FILE_CONTROL, FILE_ROWS, FILE_SNAPSHOTS, FILE_COUNT };

static struct spool_file {
    const char *name;
    int descriptor; /* -1: none is kept, it is opened for each use */
    uint64_t device, inode;
} files[FILE_COUNT] = {
    [FILE_HOME] = {"the directory itself", -1, 0, 0},
    [FILE_CONTROL] = {"control", -1, 0, 0},
    [FILE_ROWS] = {"rows", -1, 0, 0},
    [FILE_SNAPSHOTS] = {"snapshots", -1, 0, 0},
};

static char directory[REC_OPTION_TEXT_MAX];
static uint64_t place_device, place_inode; /* the directory in which spools are made */
static struct seep_control *control;
static bool control_is_blank; /* rec_spool_blank() */
static uint64_t tails_offset; /* in the control file */

/* ------------------------------------------------------------------ descriptors */

static void close_descriptor(int fd)
{
    if (fd >= 0)
        sys_call(SYS_close, fd);
}

static bool is_ours(const struct spool_file *f, int fd)
{
    struct stat st;
    return fd >= 0 && !sys_failed(sys_call(SYS_fstat, fd, &st)) && st.st_dev == f->device &&
           st.st_ino == f->inode;
}

/* Keeps a descriptor for later, out of the program's way. Where its limit leaves no such place none
 * is kept: the program is to find as many free as without us. Returns the descriptor to use now,
 * for put_back(). */
static int keep(struct spool_file *f, int fd)
{
    struct rlimit limit = {.rlim_cur = 1024};
    sys_call(SYS_prlimit64, 0, RLIMIT_NOFILE, 0, &limit);
    long want = limit.rlim_cur < DESCRIPTOR_HIGH + 16 ? (long)limit.rlim_cur - 16 : DESCRIPTOR_HIGH;
    f->descriptor = -1;
    if (want < DESCRIPTOR_LOW)
        return fd;
    long high = want > fd ? sys_call(SYS_fcntl, fd, F_DUPFD_CLOEXEC, want) : fd;
    if (sys_failed(high))
        return fd;
    if (high != fd)
        close_descriptor(fd);
    return f->descriptor = (int)high;
}

static void put_back(const struct spool_file *f, int fd)
{
    if (fd != f->descriptor)
        close_descriptor(fd);
}

/* A descriptor of the spool's directory, or a negative errno. It is opened by path only if it was
 * lost, and is then the same directory or none: after chroot() the path may lead elsewhere. */
static int take_home(void)
{
    struct spool_file *f = &files[FILE_HOME];
    if (is_ours(f, f->descriptor))
        return f->descriptor;
    long fd =
        sys_call(SYS_openat, AT_FDCWD, directory, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (sys_failed(fd))
        return (int)fd;
    if (!is_ours(f, (int)fd)) {
        close_descriptor((int)fd);
        return -ESTALE;
    }
    return keep(f, (int)fd);
}

/* A descriptor that is certainly the spool's file, or -1; put_back() when done. */
static int take(struct spool_file *f)
{
    if (is_ours(f, f->descriptor))
        return f->descriptor;
    int home = take_home();
    if (home < 0)
        return -1;
    long fd = sys_call(SYS_openat, home, f->name, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    put_back(&files[FILE_HOME], home);
    if (sys_failed(fd))
        return -1;
    if (!is_ours(f, (int)fd)) {
        close_descriptor((int)fd);
        return -1;
    }
    return keep(f, (int)fd);
}

/* ------------------------------------------------------------------ making the directory */

/* Lets the owner in whatever the umask was. */
static void set_mode(int fd, unsigned mode)
{
    char path[40];
    struct text t = TEXT(path);
    text_add(&t, "/proc/self/fd/");
    text_add_number(&t, (uint64_t)fd);
    sys_call(SYS_fchmodat, AT_FDCWD, path, mode);
}

long rec_spool_place(const char *path)
{
    const char *name = text_base_name(path);
    struct stat st;
    long fd = -EBADF;
    if (is_ours(&files[FILE_HOME], files[FILE_HOME].descriptor))
        fd = sys_call(SYS_openat, files[FILE_HOME].descriptor, "..",
                      O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (sys_failed(fd)) {
        char place[REC_OPTION_TEXT_MAX];
        struct text t = TEXT(place);
        for (const char *c = path; c < name; c++)
            text_addc(&t, *c);
        fd = sys_call(SYS_openat, AT_FDCWD, place, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    }
    if (sys_failed(fd))
        return fd;
    long result = sys_call(SYS_fstat, fd, &st);
    if (!sys_failed(result) && place_inode == 0) {
        place_device = st.st_dev;
        place_inode = st.st_ino;
    }
    if (!sys_failed(result) && (st.st_dev != place_device || st.st_ino != place_inode))
        result = -ESTALE;
    if (!sys_failed(result))
        return fd;
    close_descriptor((int)fd);
    return result;
}

/* Makes the directory within `place` and opens it. Nothing that somebody else put there under that
 * name in the meantime is taken for it. */
static long make_home(int place, const char *name)
{
    struct spool_file *f = &files[FILE_HOME];
    struct stat st;
    long result = sys_call(SYS_mkdirat, place, name, 0700);
    if (sys_failed(result))
        return result;
    long fd = sys_call(SYS_openat, place, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (sys_failed(fd))
        return fd;
    result = sys_call(SYS_fstat, fd, &st);
    if (!sys_failed(result) && st.st_uid != (uint64_t)sys_call(SYS_geteuid))
        result = -EPERM;
    if (sys_failed(result)) {
        close_descriptor((int)fd);
        return result;
    }
    if ((st.st_mode & 07777) != 0700)
        set_mode((int)fd, 0700);
    f->device = st.st_dev;
    f->inode = st.st_ino;
    return keep(f, (int)fd);
}

static long create_file(int home, struct spool_file *f)
{
    long fd = sys_call(SYS_openat, home, f->name,
                       O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (sys_failed(fd))
        return fd;
    struct stat st;
    long result = sys_call(SYS_fstat, fd, &st);
    if (sys_failed(result)) {
        close_descriptor((int)fd);
        return result;
    }
    if ((st.st_mode & 07777) != 0600)
        sys_call(SYS_fchmod, fd, 0600);
    f->device = st.st_dev;
    f->inode = st.st_ino;
    return keep(f, (int)fd);
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

/* Behind the lanes. Every file costs its making and its removal, which for a process of a
 * millisecond is much: so the facts and the tails have none of their own. */
static long write_facts(int fd, const void *facts, size_t bytes)
{
    uint64_t offset = CONTROL_BYTES;
    long result = within_file_limit(offset + bytes)
                      ? sys_call(SYS_pwrite64, fd, facts, bytes, offset)
                      : -EFBIG;
    if (sys_failed(result))
        return result;
    control->facts_offset = offset;
    control->facts_bytes = bytes;
    tails_offset = (offset + bytes + SEEP_ROWS_ALIGN - 1) / SEEP_ROWS_ALIGN * SEEP_ROWS_ALIGN;
    return result == (long)bytes ? 0 : -ENOSPC;
}

/* Maps the control file, whose first page is reserved. The pages of lanes are reserved as lanes are
 * taken: the whole array would be a megabyte of disk for a program with one thread. */
static long map_control(int fd)
{
    long result = reserve(fd, 0, SEEP_ROWS_ALIGN);
    if (!sys_failed(result))
        result =
            within_file_limit(CONTROL_BYTES) ? sys_call(SYS_ftruncate, fd, CONTROL_BYTES) : -EFBIG;
    if (sys_failed(result))
        return result;
    void *mapped = map(fd, 0, CONTROL_BYTES);
    if (mapped == NULL)
        return -ENOMEM;
    control = mapped;
    control_is_blank = false;
    return 0;
}

static long create_files(int home, const void *facts, size_t facts_bytes)
{
    for (int i = FILE_CONTROL; i < FILE_COUNT; i++) {
        long fd = create_file(home, &files[i]);
        if (sys_failed(fd))
            return fd;
        long result = i == FILE_CONTROL ? map_control((int)fd) : 0;
        if (i == FILE_CONTROL && !sys_failed(result))
            result = write_facts((int)fd, facts, facts_bytes);
        put_back(&files[i], (int)fd);
        if (sys_failed(result))
            return result;
    }
    return 0;
}

/* Takes back what was made of a spool that could not be finished: it must not lie about as if it
 * were one. */
static void remove_files(int place, int home)
{
    for (int i = FILE_CONTROL; i < FILE_COUNT; i++) {
        sys_call(SYS_unlinkat, home, files[i].name, 0);
        close_descriptor(files[i].descriptor);
        files[i].descriptor = -1;
    }
    sys_call(SYS_unlinkat, place, text_base_name(directory), AT_REMOVEDIR);
    close_descriptor(home);
    files[FILE_HOME].descriptor = -1;
    if (control && !control_is_blank) {
        sys_call(SYS_munmap, control, CONTROL_BYTES);
        control = NULL;
    }
}

long rec_spool_create(const char *path, const void *facts, size_t facts_bytes)
{
    long place = rec_spool_place(path);
    if (sys_failed(place))
        return place;
    struct spool_file parents = files[FILE_HOME];
    long home = make_home((int)place, text_base_name(path));
    if (!sys_failed(home)) {
        if (is_ours(&parents, parents.descriptor))
            close_descriptor(parents.descriptor);
        struct text t = TEXT(directory);
        text_add(&t, path);
        long result = create_files((int)home, facts, facts_bytes);
        if (sys_failed(result))
            remove_files((int)place, (int)home);
        else
            put_back(&files[FILE_HOME], (int)home);
        home = result;
    }
    close_descriptor((int)place);
    return sys_failed(home) ? home : 0;
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

static bool reserve_in(struct spool_file *f, uint64_t offset, uint64_t bytes)
{
    int fd = take(f);
    if (fd < 0)
        return false;
    bool reserved = !sys_failed(reserve(fd, offset, bytes));
    put_back(f, fd);
    return reserved;
}

/* Reserves the page of `control` that lane `index` lies in. */
static bool reserve_lane(uint32_t index)
{
    uint64_t offset = sizeof(struct seep_control) + (uint64_t)index * sizeof(struct seep_lane);
    if (offset % SEEP_ROWS_ALIGN >= sizeof(struct seep_lane) || offset < SEEP_ROWS_ALIGN)
        return true; /* a lane that starts within a page already reserved */
    return reserve_in(&files[FILE_CONTROL], offset / SEEP_ROWS_ALIGN * SEEP_ROWS_ALIGN,
                      SEEP_ROWS_ALIGN);
}

uint64_t rec_spool_tail_offset(uint32_t index)
{
    return tails_offset + (uint64_t)index * SEEP_TAIL_MAX_BYTES;
}

uint8_t *rec_spool_tail_map(uint32_t index, size_t reserved)
{
    uint64_t offset = rec_spool_tail_offset(index);
    struct spool_file *f = &files[FILE_CONTROL];
    if (!reserve_lane(index) || !reserve_in(f, offset, reserved))
        return NULL;
    int fd = take(f);
    if (fd < 0)
        return NULL;
    void *tail = map(fd, offset, SEEP_TAIL_MAX_BYTES);
    put_back(f, fd);
    return tail;
}

bool rec_spool_tail_grow(uint32_t index, size_t old_bytes, size_t bytes)
{
    return reserve_in(&files[FILE_CONTROL], rec_spool_tail_offset(index) + old_bytes,
                      bytes - old_bytes);
}

static enum seep_stop write_parts(int fd, struct iovec parts[2], uint64_t offset)
{
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
    if (cap && rec_spool_used(control) > cap)
        return SEEP_STOP_CAP;
    if (!within_file_limit(offset + total))
        return SEEP_STOP_FILE_LIMIT;
    int fd = take(&files[FILE_ROWS]);
    if (fd < 0)
        return SEEP_STOP_IO;
    enum seep_stop stop =
        write_parts(fd, (struct iovec[]){{&header, sizeof header}, {(void *)rows, bytes}}, offset);
    put_back(&files[FILE_ROWS], fd);
    return stop;
}

bool rec_spool_is_locked(void)
{
    struct spool_file *f = &files[FILE_CONTROL];
    int fd = take(f);
    if (fd < 0)
        return false;
    bool locked = sys_call(SYS_flock, fd, LOCK_SH | LOCK_NB) == -EWOULDBLOCK;
    if (!locked)
        sys_call(SYS_flock, fd, LOCK_UN);
    put_back(f, fd);
    return locked;
}

void rec_spool_snapshot(uint32_t kind, uint64_t now_ns, const void *bytes, uint32_t length)
{
    struct {
        uint64_t ns;
        uint32_t kind, length;
    } head = {now_ns, kind, length};
    struct spool_file *f = &files[FILE_SNAPSHOTS];
    int fd = take(f);
    struct stat st;
    if (fd < 0)
        return;
    if (sys_failed(sys_call(SYS_fstat, fd, &st)) ||
        !within_file_limit((uint64_t)st.st_size + sizeof head + length))
        goto done;
    struct iovec parts[] = {{&head, sizeof head}, {(void *)bytes, length}};
    /* In one piece at the end, which `seep run` may be moving at the same time. */
    if (sys_failed(sys_call(SYS_pwritev2, fd, parts, 2, -1, -1, RWF_APPEND)))
        sys_call(SYS_pwritev, fd, parts, 2, st.st_size, 0);
done:
    put_back(f, fd);
}

static const char *graph_name(char (*out)[24], uint32_t number)
{
    struct text t = TEXT(*out);
    text_add(&t, "graph.");
    text_add_number(&t, number);
    return *out;
}

int rec_spool_graph_file(uint32_t number)
{
    int home = take_home();
    if (home < 0)
        return home;
    char name[24];
    struct spool_file f = {.name = graph_name(&name, number), .descriptor = -1};
    long fd = create_file(home, &f);
    if (!sys_failed(fd))
        sys_call(SYS_flock, fd, LOCK_EX | LOCK_NB);
    put_back(&files[FILE_HOME], home);
    return (int)fd;
}

void rec_spool_graph_remove(uint32_t number)
{
    int home = take_home();
    char name[24];
    if (home < 0)
        return;
    sys_call(SYS_unlinkat, home, graph_name(&name, number), 0);
    put_back(&files[FILE_HOME], home);
}

void rec_spool_forget(void)
{
    for (int i = FILE_CONTROL; i < FILE_COUNT; i++) {
        if (is_ours(&files[i], files[i].descriptor))
            close_descriptor(files[i].descriptor);
        files[i].descriptor = -1;
        files[i].device = files[i].inode = 0; /* nor is it opened again */
    }
    if (!control_is_blank)
        control = NULL;
}

void rec_spool_blank(void)
{
    if (control) {
        sys_memory_blank(control, CONTROL_BYTES);
        control_is_blank = true;
    }
    rec_spool_forget();
}
