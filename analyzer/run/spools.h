/* SPDX-License-Identifier: MIT
 *
 * The spools of one run: every process image that records with our run id makes one beside the
 * trace to be, STEM.PID.N.EXE.spool. They are found by looking into the directory. */
#ifndef RUN_SPOOLS_H
#define RUN_SPOOLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

struct run_spool {
    char *path; /* owned */
    uint32_t pid;
    uint64_t pid_namespace; /* that the pid is of; 0: unknown, taken for ours */
    uint64_t start_ns;      /* when its recording began */
    char *fork_parent; /* owned; name of the spool of the process it was forked from; "": none */
    bool known;        /* complete enough to be told whose it is; the fields above are set */
    bool hidden;       /* no living process of that pid records there: it has ended, or has another
                          pid in our eyes (a pid namespace) */
    bool foreign;      /* of another run */
    bool later;        /* it is not the first image of its process */
    bool replaced;     /* the process went on in a later image */
};

struct run_spools {
    const char *file;       /* the trace to be, absolute; not owned */
    const char *run_id;     /* not owned */
    uint64_t begin_ns;      /* when the run began */
    uint64_t pid_namespace; /* of what we start */
    struct run_spool *all;  /* owned; in the order found */
    size_t count, capacity;
    uint32_t *slots;         /* owned; hash table: index in `all` + 1, by path */
    size_t slot_count;       /* a power of two */
    struct timespec changed; /* of the directory, when it was read last */
    bool settled;            /* a later change would show in that time */
};

/* Both texts must outlive *s. */
void run_spools_init(struct run_spools *s, const char *file, const char *run_id);
void run_spools_release(struct run_spools *s);

/* Finds what has come since. Cheap where the directory has not changed. */
void run_spools_scan(struct run_spools *s);

/* The pid namespace in which the processes that we start live, by the number of its inode. */
uint64_t run_spools_pid_namespace(void);

/* The last image of `pid`, a process of that namespace; NULL if it recorded none. */
struct run_spool *run_spools_last_image(const struct run_spools *s, uint32_t pid);

/* Processes of the run that are alive, recorded or about to be: those with our run id in their
 * environment, and those of spools whose process is alive. Looks at every process that may have
 * begun since the run did. */
size_t run_spools_living(struct run_spools *s);

/* Whether the spool's process is alive and still the image that the spool records. */
bool run_spool_is_running(const struct run_spool *spool);

#endif
