/* SPDX-License-Identifier: MIT */
#include "util/human.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

struct human human_count(uint64_t value)
{
    char digits[24];
    int length = snprintf(digits, sizeof digits, "%" PRIu64, value);
    struct human h;
    char *to = h.text;
    for (int i = 0; i < length; i++) {
        if (i > 0 && (length - i) % 3 == 0)
            *to++ = ',';
        *to++ = digits[i];
    }
    *to = '\0';
    return h;
}

/* Three significant digits at most, none of them a needless zero. */
static void print_scaled(struct human *h, double value, const char *unit)
{
    if (value < 99.95) {
        snprintf(h->text, sizeof h->text, "%.1f", value);
        size_t length = strlen(h->text);
        if (h->text[length - 1] == '0')
            h->text[length - 2] = '\0';
    } else {
        snprintf(h->text, sizeof h->text, "%.0f", value);
    }
    size_t length = strlen(h->text);
    snprintf(h->text + length, sizeof h->text - length, " %s", unit);
}

struct human human_bytes(uint64_t bytes)
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    struct human h;
    if (bytes < 1024) {
        snprintf(h.text, sizeof h.text, "%d B", (int)bytes);
        return h;
    }
    double value = (double)bytes;
    size_t unit = 0;
    while (value >= 1023.5 && unit + 1 < sizeof units / sizeof units[0]) { /* 1024 when rounded */
        value /= 1024;
        unit++;
    }
    print_scaled(&h, value, units[unit]);
    return h;
}

/* "2 min 5 s": `ns` in whole `small`s, rounded, in two units. */
static struct human print_two(uint64_t ns, uint64_t small_ns, unsigned small_per_big,
                              const char *big, const char *small)
{
    struct human h;
    uint64_t count = ns / small_ns + (ns % small_ns >= small_ns / 2);
    uint64_t whole = count / small_per_big, rest = count % small_per_big;
    int length = snprintf(h.text, sizeof h.text, "%" PRIu64 " %s", whole, big);
    if (rest)
        snprintf(h.text + length, sizeof h.text - (size_t)length, " %" PRIu64 " %s", rest, small);
    return h;
}

struct human human_ns(uint64_t ns)
{
    const uint64_t second = 1000000000;
    struct human h;
    if (ns == 0)
        snprintf(h.text, sizeof h.text, "0 s");
    else if (ns < 1000)
        snprintf(h.text, sizeof h.text, "%d ns", (int)ns);
    else if (ns < 999500)
        print_scaled(&h, (double)ns / 1e3, "\xc2\xb5s");
    else if (ns < 999500000)
        print_scaled(&h, (double)ns / 1e6, "ms");
    else if (ns < 9995000000)
        snprintf(h.text, sizeof h.text, "%.2f s", (double)ns / 1e9);
    else if (ns < 60 * second - second / 20)
        print_scaled(&h, (double)ns / 1e9, "s");
    else if (ns < 3600 * second - second / 2)
        return print_two(ns, second, 60, "min", "s");
    else if (ns < 86400 * second - 30 * second)
        return print_two(ns, 60 * second, 60, "h", "min");
    else
        return print_two(ns, 3600 * second, 24, "d", "h");
    return h;
}

struct human human_percent(double percent)
{
    struct human h;
    if (percent <= 0)
        snprintf(h.text, sizeof h.text, "0 %%");
    else if (percent < 0.1)
        snprintf(h.text, sizeof h.text, "<0.1 %%");
    else if (percent < 9.95)
        print_scaled(&h, percent, "%");
    else if (percent < 99.5 || percent >= 100)
        snprintf(h.text, sizeof h.text, "%.0f %%", percent);
    else
        snprintf(h.text, sizeof h.text, ">99 %%");
    return h;
}
