/* SPDX-License-Identifier: MIT
 *
 * The lines of source around those that allocate, as far as the files are on this machine. */
#include "page/section.h"
#include "report/json.h"
#include "util/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define AROUND 6                       /* lines shown before and after */
#define MOST_BYTES ((size_t)512 << 10) /* of all snippets */
#define MOST_LINES 2000                /* distinct places looked at, the heaviest first */
#define LINE_COLUMNS 400
#define FILE_BYTES ((long)16 << 20)

/* A line that calls what allocates. */
struct source_line {
    const char *file, *module;
    uint32_t line;
    uint64_t weight; /* bytes allocated through it */
};

static int by_place(const void *a, const void *b)
{
    const struct source_line *x = a, *y = b;
    int c = strcmp(x->file, y->file);
    return c ? c : x->line < y->line ? -1 : x->line > y->line;
}

static int heaviest_first(const void *a, const void *b)
{
    const struct source_line *x = a, *y = b;
    return x->weight != y->weight ? (x->weight > y->weight ? -1 : 1) : by_place(a, b);
}

/* The lines of all frames, each once, with the bytes that were allocated through it. */
static struct source_line *collect(const struct page_job *job, size_t *count)
{
    const struct places *p = &job->places;
    uint64_t *through = mem_zalloc(p->count, sizeof *through);
    struct source_line *lines = mem_alloc(((size_t)p->count + 1) * sizeof *lines);
    size_t n = 0, kept = 0;
    for (size_t i = 0; i < job->lives.count; i++)
        through[job->lives.rows[i].key] += job->lives.rows[i].bytes;
    for (uint32_t i = p->count; i-- > 1;) {
        const struct symbol_frame *f = p->items[i].frame;
        through[p->items[i].parent] += through[i];
        if (f && f->file && f->line && through[i])
            lines[n++] = (struct source_line){f->file, f->module, f->line, through[i]};
    }
    free(through);
    qsort(lines, n, sizeof *lines, by_place);
    for (size_t i = 1; i < n; i++) {
        if (by_place(&lines[kept], &lines[i]) == 0)
            lines[kept].weight += lines[i].weight;
        else
            lines[++kept] = lines[i];
    }
    *count = n ? kept + 1 : 0;
    qsort(lines, *count, sizeof *lines, heaviest_first);
    return lines;
}

static FILE *open_below(const char *directory, size_t length, const char *file)
{
    struct strbuf path = {0};
    while (strncmp(file, "../", 3) == 0)
        file += 3;
    strbuf_add(&path, directory, length);
    strbuf_addc(&path, '/');
    strbuf_adds(&path, file);
    FILE *f = fopen(path.text, "re");
    strbuf_release(&path);
    return f;
}

/* As it is named; below the given directories; below those that the module lies in. */
static FILE *open_source(const struct page_job *job, const struct source_line *line)
{
    FILE *f = line->file[0] == '/' ? fopen(line->file, "re") : NULL;
    for (const char *const *d = job->source_dirs; !f && d && *d; d++)
        f = open_below(*d, strlen(*d), line->file);
    for (size_t end = line->module ? strlen(line->module) : 0; !f && line->file[0] != '/' && end;) {
        while (end && line->module[end - 1] != '/')
            end--;
        end -= end > 0;
        f = end ? open_below(line->module, end, line->file) : NULL;
    }
    return f;
}

/* A text file, whole; NULL: not found, or not to be read. */
static char *read_source(const struct page_job *job, const struct source_line *line)
{
    FILE *f = open_source(job, line);
    char *text = NULL;
    if (!f)
        return NULL;
    long length = fseek(f, 0, SEEK_END) == 0 ? ftell(f) : -1;
    if (length >= 0 && length <= FILE_BYTES && fseek(f, 0, SEEK_SET) == 0) {
        text = mem_alloc((size_t)length + 1);
        text[fread(text, 1, (size_t)length, f)] = '\0';
    }
    fclose(f);
    return text;
}

static void add_lines(struct strbuf *out, const char *text, const uint8_t *wanted, uint32_t last)
{
    bool first = true;
    uint32_t number = 1;
    for (const char *at = text; *at && number <= last; number++) {
        const char *end = strchrnul(at, '\n');
        if (wanted[number]) {
            size_t length = (size_t)(end - at);
            strbuf_addf(out, "%s[%u,", first ? "" : ",", number);
            json_add_text(out, at, length < LINE_COLUMNS ? length : LINE_COLUMNS);
            strbuf_addc(out, ']');
            first = false;
        }
        at = end + (*end != '\0');
    }
}

/* One file: `lines` are all of it. */
static void add_file(struct strbuf *out, const struct page_job *job,
                     const struct source_line *lines, size_t count)
{
    uint32_t last = 0;
    char *text = out->length < MOST_BYTES ? read_source(job, &lines[0]) : NULL;
    if (!text)
        return;
    for (size_t i = 0; i < count; i++)
        if (lines[i].line > last)
            last = lines[i].line;
    last = last < UINT32_MAX - AROUND ? last + AROUND : last;
    uint32_t most = 1;
    for (const char *at = text; (at = strchr(at, '\n')); at++)
        most++;
    last = last < most ? last : most;
    uint8_t *wanted = mem_zalloc((size_t)last + 1, 1);
    for (size_t i = 0; i < count; i++) {
        uint32_t from = lines[i].line > AROUND ? lines[i].line - AROUND : 1;
        for (uint32_t n = from; n <= last && n - from <= 2 * AROUND; n++)
            wanted[n] = 1;
    }
    strbuf_adds(out, out->length > 1 ? ",\n" : "\n");
    json_add_text(out, lines[0].file, strlen(lines[0].file));
    strbuf_adds(out, ":[");
    add_lines(out, text, wanted, last);
    strbuf_addc(out, ']');
    free(wanted);
    free(text);
}

static enum seep_err make(struct page_job *job, struct strbuf *out, struct err *err)
{
    size_t count;
    struct source_line *lines = collect(job, &count);
    (void)err;
    if (count > MOST_LINES)
        count = MOST_LINES;
    qsort(lines, count, sizeof *lines, by_place);
    strbuf_addc(out, '{');
    for (size_t i = 0, next; i < count; i = next) {
        for (next = i; next < count && strcmp(lines[next].file, lines[i].file) == 0;)
            next++;
        add_file(out, job, &lines[i], next - i);
    }
    strbuf_adds(out, "}\n");
    free(lines);
    return SEEP_OK;
}

const struct page_section section_sources = {"sources", make};
