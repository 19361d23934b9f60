/* SPDX-License-Identifier: MIT */
#include "cli.h"

#include "cmd/gate.h"
#include "cmd/options.h"
#include "cmd/progress.h"
#include "cmd/run_summary.h"
#include "run/ahead.h"
#include "run/collect.h"
#include "run/output_name.h"
#include "run/recorder.h"
#include "run/sampler.h"
#include "run/spools.h"
#include "run/streams.h"
#include "run/supervise.h"
#include "run/target.h"
#include "trace/stamp_clock.h"
#include "util/mem.h"
#include "util/strbuf.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define DEFAULT_NAMES_MAX 1000 /* default names of one pid that are tried */
#define WAIT_STEP_NS 100000000
#define DEFAULT_SPOOL_BYTES (UINT64_C(256) << 20)

static const struct cli_option options[] = {
    {"output", 'o', "FILE",
     "Write the trace to FILE; %p, %e, %h, %t and %% in it stand for the pid, the program, the "
     "host, the time in seconds and a %. Without it: seep.%e.%p.seep."},
    {"force", 'f', NULL, "Replace FILE if it exists."},
    {"wait", 0, NULL, "Wait for processes that outlive the program, and make traces of them too."},
    {"set", 0, "NAME=VALUE",
     "Set an option of the recorder, as in SPOOL_MAX=16g; may be given several times."},
    {"children", 0, "WHICH",
     "Record all processes that the program starts, none, or those whose executable's name matches "
     "one of the patterns in WHICH, separated by commas. Without it: all."},
    {"snapshot", 0, "WHEN",
     "Take a snapshot of the heap graph, for seep leaks to tell what can still be reached: at "
     "exit, "
     "at signal:SIGNAL, which the program is not to see, or at mark:NAME; never without it. May be "
     "given several times."},
    {"spool-size", 0, "SIZE",
     "Let what is recorded and not yet packed take up to SIZE on the disk, for each process; 256M "
     "if not given. 0: no limit, and nothing is packed while the program runs."},
    {"when-full", 0, "wait|drop",
     "What happens when the program records faster than that can be packed for long: it has to "
     "wait, or events are dropped and counted. Without it: wait."},
    {"quiet", 'q', NULL, "Say nothing unless something is wrong."},
    {"check", 0, NULL,
     "Be a gate for leaks at the end, as seep check is: leave with 23 where there are any and the "
     "program itself did not fail. The options that follow are those of the gate."},
    {NULL},
};

struct run {
    struct cli *cli;
    struct target target;
    char *library; /* owned, like all below */
    char run_id[33];
    struct trace_coding coding;
    uint64_t spool_bytes;
    char **settings;    /* NULL-ended */
    char **environment; /* NULL-ended */
    char *name;         /* the trace as the user would name it */
    char *file;         /* the same, absolute */
    struct supervise supervise;
    struct run_spools spools;
    struct sampler sampler;
    uint64_t sample_ns; /* when the sampler is to come again */
    struct streams streams;
    struct ahead ahead;
    struct progress progress;
    struct gate gate;
    int verdict; /* status that the gate leaves with, if there is one */
};

/* Prints the message and returns the status. */
static int failed(const struct run *r, int status, const struct err *err)
{
    cli_error(r->cli, "%s", err->message);
    return status;
}

/* ------------------------------------------------------------------ before the start */

/* A file of ours must never get the number of a standard stream that happens to be closed. They
 * are closed again in the program. */
static void fill_standard_descriptors(void)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", O_RDWR | O_CLOEXEC) < 0)
            return;
}

static int find_program(struct run *r)
{
    struct err err;
    switch (target_resolve(&r->target, r->cli->arguments[0], getenv("PATH"), target_user_self(),
                           &err)) {
    case TARGET_NOT_FOUND: return failed(r, CLI_RUN_NOT_FOUND, &err);
    case TARGET_REFUSED: return failed(r, CLI_RUN_REFUSED, &err);
    default: return CLI_OK;
    }
}

static bool make_run_id(char out[33])
{
    unsigned char random[16];
    if (getrandom(random, sizeof random, 0) != sizeof random)
        return false;
    for (size_t i = 0; i < sizeof random; i++)
        snprintf(out + 2 * i, 3, "%02x", random[i]);
    return true;
}

/* "SEEP_SNAPSHOT=exit,signal:USR2,mark:loaded", or nothing. */
static int add_snapshots(const struct run *r, struct strbuf *out)
{
    size_t position = 0;
    const char *when;
    while ((when = cli_next_value(r->cli, "snapshot", &position))) {
        if (!recorder_snapshot_is_known(when))
            return cli_usage_error(r->cli,
                                   "--snapshot %s: not a moment; there are exit, signal:SIGNAL, "
                                   "mark:NAME (without a comma), and never",
                                   when);
        strbuf_addf(out, "%s%s", out->length ? "," : "SEEP_SNAPSHOT=", when);
    }
    if (!out->length && cli_flag(r->cli, "check") && !r->gate.check.live)
        strbuf_adds(out, "SEEP_SNAPSHOT=exit");
    return CLI_OK;
}

/* The recorder's options: those given, and ours. */
static int make_environment(struct run *r)
{
    size_t count = 0, position = 0;
    r->settings = mem_zalloc(r->cli->given_count + 9, sizeof *r->settings);
    const char *setting;
    while ((setting = cli_next_value(r->cli, "set", &position))) {
        struct strbuf b = {0};
        struct err err;
        enum seep_err e = recorder_option(&b, setting, &err);
        r->settings[count++] = strbuf_detach(&b);
        if (e != SEEP_OK)
            return cli_usage_error(r->cli, "--set %s", err.message);
    }
    if (!make_run_id(r->run_id)) {
        cli_error(r->cli, "no random numbers: %s", strerror(errno));
        return CLI_RUN_FAILED;
    }
    struct strbuf id = {0};
    strbuf_addf(&id, "SEEP_RUN_ID=%s", r->run_id);
    r->settings[count++] = strbuf_detach(&id);
    r->settings[count++] = recorder_filters();
    struct strbuf namespace = {0};
    strbuf_addf(&namespace, "SEEP_MAIN_NAMESPACE=%" PRIu64, run_spools_pid_namespace());
    r->settings[count++] = strbuf_detach(&namespace);
    if (cli_value(r->cli, "children")) {
        struct strbuf which = {0};
        strbuf_addf(&which, "SEEP_CHILDREN=%s", cli_value(r->cli, "children"));
        r->settings[count++] = strbuf_detach(&which);
    }
    struct strbuf snapshots = {0};
    int status = add_snapshots(r, &snapshots);
    if (snapshots.length)
        r->settings[count++] = strbuf_detach(&snapshots);
    if (status != CLI_OK)
        return status;
    struct strbuf limit = {0}, when_full = {0};
    strbuf_addf(&limit, "SEEP_SPOOL_LIMIT=%" PRIu64, r->spool_bytes);
    r->settings[count++] = strbuf_detach(&limit);
    strbuf_addf(&when_full, "SEEP_WHEN_FULL=%s",
                cli_value(r->cli, "when-full") ? cli_value(r->cli, "when-full") : "wait");
    r->settings[count++] = strbuf_detach(&when_full);
    if (cli_flag(r->cli, "quiet"))
        r->settings[count++] = mem_strdup("SEEP_QUIET=1");
    struct err err;
    if (recorder_find_library(&r->library, &err) != SEEP_OK)
        return failed(r, CLI_RUN_FAILED, &err);
    r->environment = recorder_environment(environ, r->library, r->settings);
    return CLI_OK;
}

static bool exists(const char *path)
{
    struct stat st;
    return lstat(path, &st) == 0;
}

/* File systems whose permissions tell whether a file can be made: making and removing one each time
 * costs more than all else that is looked at before the start. */
static bool access_is_enough(const char *folder)
{
    struct statfs fs;
    if (statfs(folder, &fs) != 0)
        return false;
    switch ((unsigned long)fs.f_type) {
    case EXT4_SUPER_MAGIC:
    case XFS_SUPER_MAGIC:
    case BTRFS_SUPER_MAGIC:
    case TMPFS_MAGIC:
    case OVERLAYFS_SUPER_MAGIC: return true;
    default: return false;
    }
}

/* 0, or the errno of what was in the way. */
static int try_to_write(const struct run *r, const char *folder)
{
    struct strbuf probe = {0};
    strbuf_addf(&probe, "%s.seep-%s", folder, r->run_id);
    int fd = open(probe.text, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    int error = fd < 0 ? errno : 0;
    if (fd >= 0) {
        unlink(probe.text);
        close(fd);
    }
    strbuf_release(&probe);
    return error;
}

/* Sees to it that the trace can be made in the end: now is the time to say so. */
static int check_output(const struct run *r)
{
    struct stat st;
    if (lstat(r->file, &st) == 0) {
        if (!S_ISREG(st.st_mode) && !S_ISLNK(st.st_mode)) {
            cli_error(r->cli, "%s: not a regular file; it is left alone", r->name);
            return CLI_RUN_FAILED;
        }
        if (!cli_flag(r->cli, "force")) {
            cli_error(r->cli, "%s: exists; -f replaces it", r->name);
            return CLI_RUN_FAILED;
        }
    }
    char *folder = mem_strndup(r->file, (size_t)(strrchr(r->file, '/') + 1 - r->file));
    int error = faccessat(AT_FDCWD, folder, W_OK | X_OK, AT_EACCESS) == 0 ? 0 : errno;
    if (error == 0 && !access_is_enough(folder))
        error = try_to_write(r, folder);
    free(folder);
    if (error == 0)
        return CLI_OK;
    cli_error(r->cli, "%s: the trace cannot be written there: %s", r->name, strerror(error));
    return CLI_RUN_FAILED;
}

/* r->name and r->file, once the pid is known. */
static int name_output(struct run *r)
{
    struct utsname host;
    const char *pattern = cli_value(r->cli, "output");
    const char *slash = strrchr(r->target.path, '/');
    struct output_name_values values = {
        .pid = r->supervise.pid,
        .exe = slash ? slash + 1 : r->target.path,
        .host = uname(&host) == 0 ? host.nodename : "localhost",
        .realtime_s = (uint64_t)time(NULL),
    };
    for (unsigned attempt = 1; attempt <= DEFAULT_NAMES_MAX; attempt++) {
        free(r->name);
        free(r->file);
        r->name =
            pattern ? output_name_expand(pattern, &values) : output_name_default(&values, attempt);
        struct err err;
        r->file = output_name_absolute(r->name, &err);
        if (!r->file)
            return failed(r, CLI_RUN_FAILED, &err);
        if (pattern || !exists(r->file))
            break;
    }
    return check_output(r);
}

/* Everything up to the moment at which the program runs. */
static int start(struct run *r)
{
    struct err err;
    const char *pattern = cli_value(r->cli, "output");
    if (pattern && output_name_check(pattern, &err) != SEEP_OK)
        return cli_usage_error(r->cli, "%s", err.message);
    r->spool_bytes = DEFAULT_SPOOL_BYTES;
    if (!options_coding(r->cli, &r->coding) ||
        !options_bytes(r->cli, "spool-size", &r->spool_bytes))
        return CLI_RUN_FAILED;
    if (!gate_init(&r->gate, r->cli))
        return CLI_RUN_FAILED;
    const char *when_full = cli_value(r->cli, "when-full");
    if (when_full && strcmp(when_full, "wait") != 0 && strcmp(when_full, "drop") != 0)
        return cli_usage_error(r->cli, "--when-full=%s: wait or drop is wanted", when_full);
    int status = find_program(r);
    if (status == CLI_OK)
        status = make_environment(r);
    if (status != CLI_OK)
        return status;
    struct supervise_program program = {
        .path = r->target.path,
        .by_shell = r->target.by_shell,
        .argv = r->cli->arguments,
        .environment = r->environment,
    };
    if (supervise_start(&r->supervise, &program, &err) != SEEP_OK)
        return failed(r, CLI_RUN_FAILED, &err);
    status = name_output(r);
    if (status != CLI_OK)
        return status;
    run_spools_init(&r->spools, r->file, r->run_id);
    sampler_init(&r->sampler, &r->spools);
    streams_init(&r->streams, &r->spools, (uint32_t)r->supervise.pid, r->spool_bytes, r->coding);
    ahead_init(&r->ahead, &r->spools, (uint32_t)r->supervise.pid, r->spool_bytes == 0, r->coding);
    struct strbuf out = {0};
    strbuf_addf(&out, "SEEP_OUT=%s", r->file);
    int error = supervise_go(&r->supervise, out.text);
    strbuf_release(&out);
    if (error == 0)
        return CLI_OK;
    cli_error(r->cli, "%s: %s", r->target.path, strerror(error));
    return error == ENOENT || error == ENOTDIR ? CLI_RUN_NOT_FOUND : CLI_RUN_REFUSED;
}

/* ------------------------------------------------------------------ meanwhile */

/* What there is to do while the program runs; returns the nanoseconds after which to come again. */
static uint64_t tick(void *arg)
{
    struct run *r = arg;
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    uint64_t now = (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
    if (now >= r->sample_ns)
        r->sample_ns = now + sampler_tick(&r->sampler);
    uint64_t next = streams_tick(&r->streams), left = r->sample_ns - now;
    ahead_tick(&r->ahead);
    return next < left ? next : left;
}

/* ------------------------------------------------------------------ after the end */

static bool show_progress(void *arg, const char *what, double fraction)
{
    struct run *r = arg;
    r->progress.what = what;
    bool go_on = cli_flag(r->cli, "quiet") || progress_step(&r->progress, fraction);
    return !supervise_interrupted(&r->supervise) && go_on;
}

/* A process that executes another program at that moment has no environment to be known by: so two
 * looks have to agree. */
static void wait_for_others(struct run *r)
{
    for (int none = 0; none < 2 && !supervise_interrupted(&r->supervise);) {
        none = run_spools_living(&r->spools) > 0 ? 0 : none + 1;
        tick(r);
        nanosleep(&(struct timespec){.tv_nsec = WAIT_STEP_NS}, NULL);
    }
}

/* Judges all that was recorded; returns the status to leave with. */
static int judge(struct run *r, const struct collected *collected)
{
    if (!collected->main || collected->left) {
        cli_error(r->cli, "not checked: %s",
                  collected->left ? "not everything could be packed" : "nothing was recorded");
        return CLI_INCOMPLETE;
    }
    size_t count = collected->other_count + 1;
    char **paths = mem_zalloc(count, sizeof *paths);
    paths[0] = mem_strdup(r->name);
    for (size_t i = 1; i < count; i++)
        paths[i] = run_summary_beside(r->name, collected->others[i - 1].path);
    int status = gate_judge(&r->gate, r->cli, (const char *const *)paths, count, stderr);
    for (size_t i = 0; i < count; i++)
        free(paths[i]);
    free(paths);
    return status == CLI_FAILED ? CLI_RUN_FAILED : status;
}

static void make_traces(struct run *r, uint32_t main_pid)
{
    struct collect_options how = {
        .overwrite = cli_flag(r->cli, "force"),
        .coding = r->coding,
        .progress = show_progress,
        .progress_arg = r,
        .streams = &r->streams,
        .ahead = &r->ahead,
    };
    struct collected collected;
    struct err err;
    progress_begin(&r->progress, "");
    enum seep_err e = collect(&collected, &r->spools, main_pid, &how, &err);
    progress_end(&r->progress);
    progress_begin(&r->progress, "");
    struct run_summary summary = {
        .program = r->cli->arguments[0],
        .file = r->name,
        .seep = program_invocation_name,
        .collected = &collected,
        .main_pid = main_pid,
        .checked = cli_flag(r->cli, "check"),
    };
    if (!cli_flag(r->cli, "quiet")) {
        run_summary_print(&summary, &how);
        progress_end(&r->progress);
    }
    if (e == SEEP_ERR_INTERRUPTED)
        cli_error(r->cli, "interrupted while packing; nothing recorded is lost");
    else if (e != SEEP_OK)
        cli_error(r->cli, "%s", err.message);
    if (e != SEEP_OK)
        run_summary_print_left(&summary);
    if (cli_flag(r->cli, "check"))
        r->verdict = judge(r, &collected);
    collected_release(&collected);
}

static void release(struct run *r)
{
    ahead_release(&r->ahead);
    streams_release(&r->streams);
    sampler_release(&r->sampler);
    run_spools_release(&r->spools);
    target_release(&r->target);
    recorder_environment_free(r->environment);
    recorder_environment_free(r->settings);
    free(r->library);
    free(r->name);
    free(r->file);
    gate_release(&r->gate);
}

static int run(struct cli *cli)
{
    if (cli->argument_count == 0)
        return cli_usage_error(cli, "which program is to be recorded?");
    struct run r = {.cli = cli};
    fill_standard_descriptors();
    stamp_clock_prepare();
    int status = start(&r);
    if (status != CLI_OK) {
        if (r.supervise.signals_fd > 0)
            supervise_release(&r.supervise);
        release(&r);
        return status;
    }
    uint32_t main_pid = (uint32_t)r.supervise.pid;
    struct supervise_end end;
    supervise_wait(&r.supervise, tick, &r, &end);
    sampler_finish(&r.sampler, main_pid, &end);
    supervise_drain(&r.supervise);
    if (cli_flag(cli, "wait"))
        wait_for_others(&r);
    make_traces(&r, main_pid);
    supervise_release(&r.supervise);
    release(&r);
    if (!WIFSIGNALED(end.status)) /* the program's own failure wins */
        return WEXITSTATUS(end.status) ? WEXITSTATUS(end.status) : r.verdict;
    supervise_die(WTERMSIG(end.status));
    return CLI_SIGNAL_BASE + WTERMSIG(end.status);
}

const struct cli_command cmd_run = {
    .name = "run",
    .summary = "run a program and record its allocations",
    .arguments = "[--] PROGRAM [ARGUMENT...]",
    .description =
        "Runs PROGRAM and records every allocation of it and of the processes it starts. Input, "
        "output, signals, terminal and exit status are the program's own; at its end, two or three "
        "lines on standard error say where the trace is and what to do with it.\n"
        "FILE is the trace of PROGRAM's process; those of its children, and of what it was before "
        "it executed something else, stand beside it as STEM.PID.N.EXE.seep.\n"
        "Exit status: the program's; 125 if seep failed before it ran, 126 if the program cannot "
        "be "
        "executed or recorded, 127 if it was not found.",
    .options = (const struct cli_option *const[]){options, options_packing, gate_options,
                                                  options_sites, NULL},
    .stop_at_argument = true,
    .failure = CLI_RUN_FAILED,
    .run = run,
};
