/* SPDX-License-Identifier: MIT
 *
 * The golden traces of tests/golden/trace: the sound ones read as the lists beside them, of which
 * those of sound.seep and of vN/ were made of what was told and not of what was read; the bad ones
 * read as expected.txt says. Those in vN/ were written when version N was the newest, and stay. */
#include "trace_text.h"

#include "trace/trace_reader.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static void sound(void **state)
{
    const char *name = *state;
    char trace[64], list[64];
    snprintf(trace, sizeof trace, "%s.seep", name);
    snprintf(list, sizeof list, "%s.txt", name);
    char *text = NULL;
    size_t length = 0;
    FILE *out = open_memstream(&text, &length);
    struct trace_reader *reader;
    struct trace_event ev;
    struct err err;
    if (trace_reader_open(&reader, trace, &err))
        fail_msg("%s", err.message);
    while (trace_reader_next(reader, &ev, NULL) == SEEP_OK)
        trace_text_event(out, &ev);
    fclose(out);
    trace_reader_free(reader);

    FILE *golden = fopen(list, "r");
    assert_non_null(golden);
    char line[16384];
    const char *at = text;
    while (fgets(line, sizeof line, golden)) {
        size_t n = strlen(line);
        if (strncmp(at, line, n) != 0)
            fail_msg("expected %s     read %.*s", line, (int)strcspn(at, "\n"), at);
        at += n;
    }
    assert_string_equal(at, "");
    fclose(golden);
    free(text);
}

/* One line: the error, or what was read and what was not. */
static void describe(const char *name, char *line, size_t size)
{
    struct trace_reader *reader;
    struct trace_event ev;
    struct err err;
    if (trace_reader_open(&reader, name, &err)) {
        if (err.offset == ERR_NO_OFFSET)
            snprintf(line, size, "%s", err.message);
        else
            snprintf(line, size, "%s @%" PRIu64, err.message, err.offset);
        return;
    }
    uint64_t events = 0, gaps = 0, lost = 0, records = 0;
    while (trace_reader_next(reader, &ev, NULL) == SEEP_OK) {
        events += ev.type != TRACE_BESIDE && ev.type != TRACE_GAP;
        records += ev.type == TRACE_BESIDE;
        gaps += ev.type == TRACE_GAP;
        lost += ev.lost_events;
    }
    const struct trace_summary *s = trace_reader_summary(reader);
    assert_int_equal(s->lost_damaged, lost);
    snprintf(line, size,
             "%s: %" PRIu64 " events, %" PRIu64 " records, %" PRIu64 " gaps, %" PRIu64 " lost%s%s",
             name, events, records, gaps, lost, s->truncated ? ", truncated" : "",
             s->damaged ? ", damaged" : "");
    trace_reader_free(reader);
}

static void bad(void **state)
{
    (void)state;
    FILE *expected = fopen("expected.txt", "r");
    assert_non_null(expected);
    char line[2048], got[2048];
    int count = 0, wrong = 0;
    while (fgets(line, sizeof line, expected)) {
        line[strcspn(line, "\n")] = 0;
        char name[256];
        snprintf(name, sizeof name, "%.*s", (int)strcspn(line, ":"), line);
        describe(name, got, sizeof got);
        if (strcmp(line, got) != 0) {
            wrong++;
            print_error("expected %s\n     got %s\n", line, got);
        }
        count++;
    }
    fclose(expected);
    assert_int_equal(wrong, 0);
    assert_true(count > 15);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        {"sound", sound, .initial_state = (void *)"sound"},
        {"window", sound, .initial_state = (void *)"window"},
        {"merged", sound, .initial_state = (void *)"merged"},
        {"version 1: varied", sound, .initial_state = (void *)"v1/varied"},
        {"version 1: steady", sound, .initial_state = (void *)"v1/steady"},
        cmocka_unit_test(bad),
    };
    if (chdir(GOLDEN "/trace") != 0)
        return 1;
    return cmocka_run_group_tests_name("trace_golden", tests, NULL, NULL);
}
