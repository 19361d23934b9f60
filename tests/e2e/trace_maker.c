/* SPDX-License-Identifier: MIT
 *
 * Makes a trace of a script on standard input, for tests that need one to their own measure:
 * trace_maker FILE. One thing per line, words separated by blanks; times are nanoseconds, numbers
 * decimal or 0x...:
 *
 *   fact KEY TEXT               a text fact; KEY is the number of an enum seep_fact
 *   thread NUMBER TID NAME
 *   module START END PATH
 *   root ID                     a stack's outermost node; ID is the script's own number for it
 *   node ID PARENT PC
 *   alloc NAME TIME THREAD STACK ADDRESS SIZE USABLE CALL    NAME: any word, to name the block by
 *   realloc NAME TIME THREAD STACK ADDRESS SIZE USABLE
 *   free NAME TIME THREAD
 *   failed TIME THREAD STACK SIZE
 *   mark TIME TEXT              the rest of the line, with \xHH for any byte
 *   lost COUNT                  in the summary: after recording stopped because the disk was full
 */
#include "seep/trace_codec.h"
#include "model/calls.h"
#include "trace/trace_writer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LIMIT 4096

struct maker {
    struct trace_writer *writer;
    struct err err;
    uint8_t facts[LIMIT];
    size_t fact_bytes;
    bool facts_told;
    uint32_t nodes[LIMIT]; /* the script's ids to the writer's */
    char names[LIMIT][32];
    uint32_t slots[LIMIT];
    size_t name_count;
    struct trace_summary summary;
};

static void die(const char *what, const char *line)
{
    fprintf(stderr, "trace_maker: %s: %s\n", what, line);
    exit(1);
}

static uint64_t number(const char *line)
{
    const char *word = strtok(NULL, " ");
    if (!word)
        die("a number is missing", line);
    return strtoull(word, NULL, 0);
}

static uint32_t node(struct maker *m, const char *line)
{
    uint64_t id = number(line);
    if (id >= LIMIT)
        die("no such stack", line);
    return m->nodes[id];
}

static size_t block(struct maker *m, const char *name)
{
    size_t i = 0;
    while (i < m->name_count && strcmp(m->names[i], name) != 0)
        i++;
    if (i == LIMIT)
        die("too many blocks", name);
    if (i == m->name_count)
        snprintf(m->names[m->name_count++], sizeof m->names[0], "%s", name);
    return i;
}

/* The rest of the line with \xHH replaced. */
static size_t rest(char *out)
{
    const char *from = strtok(NULL, "");
    size_t length = 0;
    for (from = from ? from : ""; *from; length++) {
        if (strncmp(from, "\\x", 2) == 0) {
            char digits[3] = {from[2], from[3], 0};
            out[length] = (char)strtoul(digits, NULL, 16);
            from += 4;
        } else {
            out[length] = *from++;
        }
    }
    out[length] = '\0';
    return length;
}

static void write_event(struct maker *m, struct trace_event *ev, const char *line)
{
    if (!m->facts_told &&
        trace_writer_facts(m->writer, m->facts, m->fact_bytes, &m->err) != SEEP_OK)
        die(m->err.message, line);
    m->facts_told = true;
    if (trace_writer_event(m->writer, ev, &m->err) != SEEP_OK)
        die(m->err.message, line);
    m->summary.duration_ns = ev->time_ns;
    m->summary.events += ev->type != TRACE_BESIDE && ev->type != TRACE_FAILED;
}

static void read_block(struct trace_event *ev, const char *line)
{
    ev->after.address = number(line);
    ev->after.size = number(line);
    ev->after.usable = number(line);
}

static void take_event(struct maker *m, const char *word, const char *line)
{
    struct trace_event ev = {0};
    size_t which = 0;
    if (strcmp(word, "failed") != 0) {
        const char *name = strtok(NULL, " ");
        which = block(m, name ? name : "");
    }
    ev.time_ns = number(line);
    ev.thread = (uint32_t)number(line);
    if (strcmp(word, "free") != 0)
        ev.stack = node(m, line);
    if (strcmp(word, "alloc") == 0) {
        ev.type = TRACE_ALLOC;
        read_block(&ev, line);
        ev.call = (uint8_t)call_by_name(strtok(NULL, " "));
    } else if (strcmp(word, "realloc") == 0) {
        ev.type = TRACE_REALLOC;
        ev.slot = m->slots[which];
        ev.call = SEEP_CALL_REALLOC;
        read_block(&ev, line);
    } else if (strcmp(word, "free") == 0) {
        ev.type = TRACE_FREE;
        ev.slot = m->slots[which];
        ev.call = SEEP_CALL_FREE;
    } else {
        ev.type = TRACE_FAILED;
        ev.failed_size = number(line);
    }
    write_event(m, &ev, line);
    m->slots[which] = ev.slot;
}

static void take_mark(struct maker *m, const char *line)
{
    uint8_t payload[LIMIT] = {1}; /* thread 1 */
    struct trace_event ev = {.type = TRACE_BESIDE, .time_ns = number(line), .thread = 1};
    size_t length = rest((char *)payload + 1);
    ev.beside = (struct trace_beside){SEEP_BESIDE_MARK, payload, length + 1};
    write_event(m, &ev, line);
}

static void take_fact(struct maker *m, const char *line)
{
    char text[LIMIT];
    uint8_t *p = m->facts + m->fact_bytes;
    p = seep_put_varint(p, number(line));
    size_t length = rest(text);
    p = seep_put_varint(p, length);
    memcpy(p, text, length);
    m->fact_bytes = (size_t)(p - m->facts) + length;
}

static void take_thread(struct maker *m, const char *line)
{
    char name[LIMIT];
    struct trace_thread thread = {.end_ns = UINT64_MAX, .name = name};
    thread.number = (uint32_t)number(line);
    thread.tid = (uint32_t)number(line);
    rest(name);
    trace_writer_thread(m->writer, &thread);
}

static void take_module(struct maker *m, const char *line)
{
    char path[LIMIT];
    struct trace_module module = {
        .path = path, .generation_from = 1, .generation_to = UINT32_MAX, .unload_ns = UINT64_MAX};
    module.start = module.base = number(line);
    module.end = number(line);
    rest(path);
    trace_writer_module(m->writer, &module);
}

static void take_node(struct maker *m, const char *line, bool is_root)
{
    uint64_t id = number(line);
    if (id >= LIMIT)
        die("stack numbers are below 4096", line);
    uint32_t parent = is_root ? 0 : node(m, line);
    m->nodes[id] = trace_writer_stack(m->writer, parent, is_root ? 1 : number(line),
                                      is_root ? SEEP_ROW_ROOT : 0);
}

static void take(struct maker *m, const char *word, const char *line)
{
    if (strcmp(word, "fact") == 0)
        take_fact(m, line);
    else if (strcmp(word, "thread") == 0)
        take_thread(m, line);
    else if (strcmp(word, "module") == 0)
        take_module(m, line);
    else if (strcmp(word, "root") == 0 || strcmp(word, "node") == 0)
        take_node(m, line, word[0] == 'r');
    else if (strcmp(word, "mark") == 0)
        take_mark(m, line);
    else if (strcmp(word, "lost") == 0) {
        m->summary.lost_stopped = number(line);
        m->summary.stop_reason = SEEP_STOP_DISK_FULL;
    } else
        take_event(m, word, line);
}

int main(int argc, char **argv)
{
    static struct maker m;
    char line[LIMIT], whole[LIMIT];
    m.summary.wait_status = -1;
    if (argc != 2 || trace_writer_open(&m.writer, argv[1], NULL, &m.err) != SEEP_OK)
        die("cannot write", m.err.message);
    while (fgets(line, sizeof line, stdin)) {
        line[strcspn(line, "\n")] = '\0';
        snprintf(whole, sizeof whole, "%s", line);
        const char *word = strtok(line, " ");
        if (word && word[0] != '#')
            take(&m, word, whole);
    }
    if (trace_writer_finish(m.writer, &m.summary, &m.err) != SEEP_OK)
        die("cannot finish", m.err.message);
    return 0;
}
