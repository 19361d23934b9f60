/* SPDX-License-Identifier: MIT
 *
 * What ./dev demo records: a small order service that leaks (sessions of customers who walk away),
 * grows (a log nobody trims) and fragments (receipts kept between large pages that are freed).
 *
 * mark: orders served
 * mark: receipts printed
 * leak: blocks=4000 bytes=384000 stack=session_open < serve < main
 * leak: blocks=80000 bytes=5120000 stack=log_append < order < serve < main
 * leak: blocks=20000 bytes=800000 stack=receipt_keep < print_receipts < main
 */
#include <seep/seep.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { REQUESTS = 80000, PAGES = 20000 };

struct session {
    int customer;
    char basket[92];
};

struct log_entry {
    struct log_entry *older;
    char text[56];
};

struct receipt {
    int number;
    char line[36];
};

static struct log_entry *log_newest;
static struct receipt *receipts[PAGES];
static unsigned long checksum;

__attribute__((noinline)) static struct session *session_open(int customer)
{
    struct session *s = malloc(sizeof *s);
    s->customer = customer;
    memset(s->basket, customer & 0xff, sizeof s->basket);
    return s;
}

__attribute__((noinline)) static void session_close(struct session *s)
{
    checksum += (unsigned long)s->customer;
    free(s);
}

/* The log only ever grows. */
__attribute__((noinline)) static void log_append(int customer)
{
    struct log_entry *e = malloc(sizeof *e);
    e->older = log_newest;
    snprintf(e->text, sizeof e->text, "order of customer %d", customer);
    log_newest = e;
    checksum++;
}

__attribute__((noinline)) static void order(struct session *s)
{
    char *form = NULL;
    size_t length = 0;
    for (int item = 1; item <= 4; item++) { /* a form that grows item by item */
        form = realloc(form, length + 48);
        length += (size_t)snprintf(form + length, 48, "item %d of %d\n", item, s->customer);
    }
    checksum += length;
    free(form);
    log_append(s->customer);
    checksum++;
}

__attribute__((noinline)) static void serve(int customer)
{
    struct session *s = session_open(customer);
    order(s);
    if (customer % 20 != 7) /* some just walk away, and their session is lost */
        session_close(s);
}

__attribute__((noinline)) static struct receipt *receipt_keep(int number)
{
    struct receipt *r = malloc(sizeof *r);
    r->number = number;
    snprintf(r->line, sizeof r->line, "receipt %d", number);
    return r;
}

/* Each receipt lands behind the page it was printed from; the pages go, the receipts stay. */
__attribute__((noinline)) static void print_receipts(void)
{
    char **pages = malloc(PAGES * sizeof *pages);
    for (int i = 0; i < PAGES; i++) {
        pages[i] = malloc(1500);
        memset(pages[i], ' ', 1500);
        receipts[i] = receipt_keep(i);
    }
    for (int i = 0; i < PAGES; i++)
        free(pages[i]);
    free(pages);
    checksum++;
}

int main(void)
{
    for (int customer = 0; customer < REQUESTS; customer++)
        serve(customer);
    seep_mark("orders served");
    print_receipts();
    seep_mark("receipts printed");
    printf("%d orders, %d receipts, checksum %lu\n", REQUESTS, PAGES, checksum);
    return 0;
}
