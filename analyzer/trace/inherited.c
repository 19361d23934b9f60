/* SPDX-License-Identifier: MIT */
#include "trace/inherited.h"

#include "trace/address_map.h"
#include "trace/bytes.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

/* Takes the block at `address` out; the last one takes its place. */
static void take_out(struct inherited *in, struct address_map *places, uint64_t address)
{
    struct address_entry *entry = address_map_find(places, address);
    if (entry == NULL)
        return;
    uint32_t place = entry->slot;
    address_map_remove(places, entry);
    if (place != --in->count) {
        in->blocks[place] = in->blocks[in->count];
        address_map_find(places, in->blocks[place].address)->slot = place;
    }
}

static void take_block(struct inherited *in, struct address_map *places, struct cursor *c)
{
    struct inherited_block b = {.address = cursor_varint(c)};
    b.size = cursor_varint(c);
    b.usable = cursor_varint(c);
    b.alignment = (uint32_t)cursor_bounded(c, UINT32_MAX);
    b.made_ns = cursor_varint(c);
    b.order = cursor_varint(c);
    b.stack = (uint32_t)cursor_bounded(c, INHERITED_STACK - 1);
    b.tid = (uint32_t)cursor_bounded(c, UINT32_MAX);
    b.call = (uint8_t)cursor_bounded(c, UINT8_MAX);
    if (c->bad || in->count >= SEEP_LIVE_MAX)
        return;
    take_out(in, places, b.address);
    MEM_GROW(in->blocks, in->capacity, in->count + 1);
    address_map_put(places, b.address, (uint32_t)in->count);
    in->blocks[in->count++] = b;
}

static void take_node(struct inherited *in, struct cursor *c)
{
    struct inherited_node n = {.id = (uint32_t)cursor_bounded(c, INHERITED_STACK - 1)};
    n.parent = (uint32_t)cursor_bounded(c, INHERITED_STACK - 1);
    n.pc = cursor_varint(c);
    n.flags = (uint8_t)cursor_bounded(c, UINT8_MAX);
    MEM_GROW(in->nodes, in->node_capacity, in->node_count + 1);
    in->nodes[in->node_count++] = n;
}

static void take_module(struct inherited *in, struct cursor *c)
{
    uint64_t length = cursor_varint(c);
    const uint8_t *at = cursor_take(c, length);
    struct bytes record = {0};
    if (at != NULL)
        bytes_add(&record, at, (size_t)length);
    c->bad |= at == NULL || !dict_take_modules(&in->modules, &record);
    bytes_release(&record);
}

/* False where the file is not whole. */
static bool take_records(struct inherited *in, struct cursor *c)
{
    struct address_map places;
    bool whole = false;
    address_map_init(&places);
    in->fork_ns = cursor_varint(c);
    in->generation = (uint32_t)cursor_bounded(c, INT32_MAX);
    while (!whole && !cursor_done(c)) {
        switch (cursor_u8(c)) {
        case INHERITED_NODE: take_node(in, c); break;
        case INHERITED_BLOCK: take_block(in, &places, c); break;
        case INHERITED_GONE: take_out(in, &places, cursor_varint(c)); break;
        case INHERITED_MODULE: take_module(in, c); break;
        case INHERITED_END: whole = true; break;
        default: c->bad = true;
        }
    }
    address_map_release(&places);
    return whole && !c->bad;
}

static int compare_age(const void *a, const void *b)
{
    const struct inherited_block *x = a, *y = b;
    if (x->made_ns != y->made_ns)
        return x->made_ns < y->made_ns ? -1 : 1;
    return x->order < y->order ? -1 : x->order > y->order;
}

bool inherited_is_there(const struct spool *spool)
{
    return faccessat(spool->directory, INHERITED_FILE, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

void inherited_read(struct inherited *in, const struct spool *spool)
{
    *in = (struct inherited){0};
    struct stat st;
    int fd =
        openat(spool->directory, INHERITED_FILE, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0)
        return;
    struct bytes file = {0};
    if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size > 8) {
        file.length = (size_t)st.st_size;
        file.data = mem_alloc(file.length);
        struct cursor c = cursor_of(&file);
        if (spool_pread(fd, file.data, file.length, 0) &&
            memcmp(cursor_take(&c, 8), INHERITED_MAGIC, 8) == 0)
            in->known = take_records(in, &c);
    }
    close(fd);
    bytes_release(&file);
    if (!in->known)
        inherited_release(in);
    else if (in->count > 0)
        qsort(in->blocks, in->count, sizeof *in->blocks, compare_age);
}

void inherited_release(struct inherited *in)
{
    free(in->blocks);
    free(in->nodes);
    dict_release(&in->modules);
    *in = (struct inherited){0};
}
