/* SPDX-License-Identifier: MIT */
#include "replay/child.h"

#include "replay/memory_calls.h"
#include "util/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define SCRIPT_FD 3
#define OUTCOME_FD 4

static size_t outcome_bytes(const struct script *script)
{
    return sizeof(struct seep_replay_outcome) +
           script->header.sample_count * sizeof(((struct seep_replay_outcome *)0)->samples[0]);
}

/* In the forked child. */
static void become(const struct child_request *r, int outcome, char **environment)
{
    char script_text[16], outcome_text[16], mode[16], speed[16];
    prctl(PR_SET_PDEATHSIG, SIGKILL); /* nobody would read what a replay finds out after seep */
    snprintf(script_text, sizeof script_text, "%d", SCRIPT_FD);
    snprintf(outcome_text, sizeof outcome_text, "%d", OUTCOME_FD);
    snprintf(mode, sizeof mode, "%d", (int)r->mode);
    snprintf(speed, sizeof speed, "%u", r->speed_percent);
    bool counted = r->counted && memory_calls_offer();
    const char *more = r->free_running ? "free" : counted ? "counted" : NULL;
    char *arguments[] = {(char *)(uintptr_t)r->program, script_text, outcome_text, mode, speed,
                         (char *)(uintptr_t)more,       NULL};
    /* out of the way of each other first */
    int a = fcntl(r->script->fd, F_DUPFD, 10), b = fcntl(outcome, F_DUPFD, 10);
    if (a >= 0 && b >= 0 && dup2(a, SCRIPT_FD) >= 0 && dup2(b, OUTCOME_FD) >= 0) {
        close(a);
        close(b);
        execve(r->program, arguments, environment);
    }
    _exit(127);
}

static bool start(pid_t *pid, const struct child_request *r, int outcome,
                  const struct candidate *candidate)
{
    char **environment = candidate_environment(candidate, r->beside ? r->beside : "", r->cpus,
                                               r->here_cpus, r->speed_percent);
    *pid = fork();
    if (*pid == 0)
        become(r, outcome, environment);
    candidate_environment_free(environment);
    return *pid > 0;
}

static enum seep_err judge(int status, const struct seep_replay_outcome *o,
                           const struct candidate *c, const char *program, struct err *err)
{
    if (WIFSIGNALED(status) && (WTERMSIG(status) == SIGINT || WTERMSIG(status) == SIGTERM))
        return err_set(err, SEEP_ERR_INTERRUPTED, ERR_NO_OFFSET, "interrupted");
    if (WIFSIGNALED(status))
        return err_set(err, SEEP_ERR_IO, ERR_NO_OFFSET, "the replay with %s was ended by signal %d",
                       c->name, WTERMSIG(status));
    if (WEXITSTATUS(status) == 127)
        return err_set(err, SEEP_ERR_IO, ERR_NO_OFFSET, "%s cannot be started", program);
    if (!o->done)
        return err_set(err, SEEP_ERR_IO, ERR_NO_OFFSET, "the replay with %s broke off", c->name);
    if (c->library && strstr(o->library, "/libc.so"))
        return err_set(err, SEEP_ERR_USAGE, ERR_NO_OFFSET,
                       "%s does not serve malloc: preloaded, it leaves it to the C library",
                       c->library);
    return SEEP_OK;
}

enum seep_err child_run(struct seep_replay_outcome **out, const struct child_request *r,
                        const struct candidate *candidate, struct err *err)
{
    size_t bytes = outcome_bytes(r->script);
    int fd = memfd_create("seep-replay", MFD_CLOEXEC), status = 0;
    struct seep_replay_outcome *shared = MAP_FAILED;
    enum seep_err code = SEEP_OK;
    pid_t pid;
    *out = NULL;
    if (fd >= 0 && ftruncate(fd, (off_t)bytes) == 0)
        shared = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (shared == MAP_FAILED || !start(&pid, r, fd, candidate)) {
        code = err_set(err, SEEP_ERR_IO, ERR_NO_OFFSET, "a replay cannot be started: %s",
                       strerror(errno));
        goto done;
    }
    uint64_t counts[SEEP_REPLAY_MEMORY_CALLS] = {0};
    bool traced = memory_calls_follow(pid, counts, &status);
    code = judge(status, shared, candidate, r->program, err);
    if (!code) {
        *out = mem_alloc(bytes);
        memcpy(*out, shared, bytes);
        memcpy((*out)->memory_calls, counts, sizeof counts);
        (*out)->memory_calls_known = traced;
    }
done:
    if (shared != MAP_FAILED)
        munmap(shared, bytes);
    if (fd >= 0)
        close(fd);
    return code;
}

uint64_t child_quantile_ns(const struct seep_replay_outcome *o, enum seep_replay_timed what,
                           double share)
{
    uint64_t total = 0, seen = 0;
    for (uint32_t i = 0; i < SEEP_REPLAY_BUCKETS; i++)
        total += o->timed[what][i];
    for (uint32_t i = 0; i < SEEP_REPLAY_BUCKETS && total; i++) {
        seen += o->timed[what][i];
        if ((double)seen >= share * (double)total)
            return (uint64_t)((double)seep_replay_bucket_ticks(i) * (double)o->wall_ns /
                              (double)(o->ticks ? o->ticks : 1));
    }
    return 0;
}
