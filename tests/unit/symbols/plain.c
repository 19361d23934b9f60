/* Code for the symboliser to name, in C: static and inlined functions, loops, a switch, a computed
 * call, a part the compiler thinks cold. Built as a program and as a library. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct list {
    struct list *next;
    long value;
};

static inline struct list *push(struct list *head, long value)
{
    struct list *node = malloc(sizeof *node);
    if (node == NULL) {
        fprintf(stderr, "no memory for %ld\n", value);
        exit(3);
    }
    node->next = head;
    node->value = value;
    return node;
}

static inline struct list *push_twice(struct list *head, long value)
{
    head = push(head, value);
    if (value % 3 == 0)
        head = push(head, -value);
    return head;
}

static long twice(long value)
{
    return value * 2;
}

static long negate(long value)
{
    return -value;
}

__attribute__((noinline)) static long apply(long (*function)(long), const struct list *head)
{
    long sum = 0;
    for (; head; head = head->next)
        sum += function(head->value);
    return sum;
}

__attribute__((noinline, cold)) static void complain(const char *what)
{
    fprintf(stderr, "plain: %s\n", what);
}

long plain_work(int count)
{
    struct list *head = NULL;
    for (int i = 0; i < count; i++) {
        long local = strtol("12", NULL, 10);
        {
            long inner = local + i;
            head = push_twice(head, inner);
        }
    }
    if (head == NULL)
        complain("nothing to do");
    long sum = 0;
    switch (count % 4) {
    case 0: sum = apply(twice, head); break;
    case 1: sum = apply(negate, head); break;
    default: sum = apply(labs, head);
    }
    while (head) {
        struct list *next = head->next;
        free(head);
        head = next;
    }
    return sum;
}

#ifdef PROGRAM
int main(int argc, char **argv)
{
    printf("%ld\n", plain_work(argc > 1 ? atoi(argv[1]) : 8));
    return 0;
}
#endif
