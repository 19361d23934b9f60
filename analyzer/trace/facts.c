/* SPDX-License-Identifier: MIT */
#include "trace/facts.h"

#include "trace/bytes.h"

enum kind { INTEGER32, INTEGER64, TEXT, LIST };

static const struct fact_row {
    enum seep_fact key;
    enum kind kind;
    size_t offset;
} rows[] = {
    {SEEP_FACT_PID, INTEGER32, offsetof(struct trace_facts, pid)},
    {SEEP_FACT_PARENT_PID, INTEGER32, offsetof(struct trace_facts, parent_pid)},
    {SEEP_FACT_IMAGE, INTEGER32, offsetof(struct trace_facts, image)},
    {SEEP_FACT_EXE, TEXT, offsetof(struct trace_facts, exe)},
    {SEEP_FACT_COMMAND, LIST, offsetof(struct trace_facts, command)},
    {SEEP_FACT_ENVIRONMENT, LIST, offsetof(struct trace_facts, environment)},
    {SEEP_FACT_HOST, TEXT, offsetof(struct trace_facts, host)},
    {SEEP_FACT_KERNEL, TEXT, offsetof(struct trace_facts, kernel)},
    {SEEP_FACT_LIBC, TEXT, offsetof(struct trace_facts, libc)},
    {SEEP_FACT_CPUS, INTEGER32, offsetof(struct trace_facts, cpus)},
    {SEEP_FACT_PAGE_BYTES, INTEGER32, offsetof(struct trace_facts, page_bytes)},
    {SEEP_FACT_THP, TEXT, offsetof(struct trace_facts, thp)},
    {SEEP_FACT_START_REALTIME_NS, INTEGER64, offsetof(struct trace_facts, start_realtime_ns)},
    {SEEP_FACT_RUN_ID, TEXT, offsetof(struct trace_facts, run_id)},
    {SEEP_FACT_ALLOCATOR, TEXT, offsetof(struct trace_facts, allocator)},
    {SEEP_FACT_ALLOCATOR_VERSION, TEXT, offsetof(struct trace_facts, allocator_version)},
    {SEEP_FACT_ALLOCATOR_PATH, TEXT, offsetof(struct trace_facts, allocator_path)},
    {SEEP_FACT_RECORDER_VERSION, TEXT, offsetof(struct trace_facts, recorder_version)},
    {SEEP_FACT_OPTIONS, LIST, offsetof(struct trace_facts, options)},
    {SEEP_FACT_FORK_PARENT_PID, INTEGER32, offsetof(struct trace_facts, fork_parent_pid)},
    {SEEP_FACT_FORK_NS, INTEGER64, offsetof(struct trace_facts, fork_ns)},
    {SEEP_FACT_PARENT_TRACE, TEXT, offsetof(struct trace_facts, parent_trace)},
    {SEEP_FACT_WORKING_DIRECTORY, TEXT, offsetof(struct trace_facts, working_directory)},
    {SEEP_FACT_START_NS, INTEGER64, offsetof(struct trace_facts, start_ns)},
    {SEEP_FACT_CUT_OF, TEXT, offsetof(struct trace_facts, cut_of)},
    {SEEP_FACT_CUT_FROM, TEXT, offsetof(struct trace_facts, cut_from)},
    {SEEP_FACT_CUT_TO, TEXT, offsetof(struct trace_facts, cut_to)},
    {SEEP_FACT_CUT_FIRST, INTEGER64, offsetof(struct trace_facts, cut_first)},
    {SEEP_FACT_CUT_FROM_NS, INTEGER64, offsetof(struct trace_facts, cut_from_ns)},
    {SEEP_FACT_CUT_TO_NS, INTEGER64, offsetof(struct trace_facts, cut_to_ns)},
    {SEEP_FACT_PROCESSES, INTEGER32, offsetof(struct trace_facts, processes)},
};
#define ROWS (sizeof rows / sizeof *rows)

static void free_list(char **list)
{
    for (char **item = list; item && *item; item++)
        free(*item);
    free(list);
}

/* NUL-separated texts; a final NUL more or less makes no difference. */
static char **read_list(const char *text, size_t length)
{
    char **list = NULL;
    size_t count = 0, capacity = 0;
    const char *end = text + length;
    while (text < end) {
        size_t n = strnlen(text, (size_t)(end - text));
        MEM_GROW(list, capacity, count + 1);
        list[count++] = mem_strndup(text, n);
        text += n + 1;
    }
    MEM_GROW(list, capacity, count + 1);
    list[count] = NULL;
    return list;
}

static void set(struct trace_facts *f, const struct fact_row *row, const uint8_t *at, size_t length)
{
    char *field = (char *)f + row->offset;
    struct cursor c = cursor_at(at, length);
    switch (row->kind) {
    case INTEGER32: *(uint32_t *)field = (uint32_t)cursor_varint(&c); break;
    case INTEGER64: *(uint64_t *)field = cursor_varint(&c); break;
    case TEXT:
        free(*(char **)field);
        *(char **)field = mem_strndup((const char *)at, length);
        break;
    case LIST:
        free_list(*(char ***)field);
        *(char ***)field = read_list((const char *)at, length);
        break;
    }
}

bool facts_decode(struct trace_facts *f, const uint8_t *bytes, size_t length)
{
    static const uint8_t nothing[1];
    *f = (struct trace_facts){0};
    for (size_t i = 0; i < ROWS; i++)
        set(f, &rows[i], nothing, 0);
    struct cursor c = cursor_at(bytes, length);
    while (!cursor_done(&c)) {
        uint64_t key = cursor_varint(&c);
        uint64_t fact_bytes = cursor_varint(&c);
        const uint8_t *at = cursor_take(&c, fact_bytes);
        for (size_t i = 0; at && !c.bad && i < ROWS; i++)
            if (rows[i].key == key)
                set(f, &rows[i], at, (size_t)fact_bytes);
    }
    return !c.bad;
}

void facts_put(struct bytes *out, enum seep_fact fact, const void *value, size_t length)
{
    bytes_varint(out, fact);
    bytes_varint(out, length);
    bytes_add(out, value, length);
}

void facts_put_text(struct bytes *out, enum seep_fact fact, const char *text)
{
    if (text && text[0])
        facts_put(out, fact, text, strlen(text));
}

void facts_put_number(struct bytes *out, enum seep_fact fact, uint64_t value)
{
    uint8_t number[SEEP_VARINT_MAX];
    facts_put(out, fact, number, (size_t)(seep_put_varint(number, value) - number));
}

void facts_put_wanted(struct bytes *out, const struct bytes *stored, bool (*wanted)(uint64_t fact))
{
    struct cursor c = cursor_of(stored);
    while (!cursor_done(&c)) {
        uint64_t key = cursor_varint(&c), length = cursor_varint(&c);
        const uint8_t *value = cursor_take(&c, length);
        if (value && !c.bad && wanted(key))
            facts_put(out, (enum seep_fact)key, value, (size_t)length);
    }
}

void facts_release(struct trace_facts *f)
{
    if (!f)
        return;
    for (size_t i = 0; i < ROWS; i++) {
        char *field = (char *)f + rows[i].offset;
        if (rows[i].kind == TEXT)
            free(*(char **)field);
        else if (rows[i].kind == LIST)
            free_list(*(char ***)field);
    }
    *f = (struct trace_facts){0};
}
