/* SPDX-License-Identifier: MIT */
#include "model/text_pool.h"

#include "model/demangle.h"
#include "util/mem.h"

#include <stdalign.h>
#include <stdlib.h>
#include <string.h>

#define CHUNK_BYTES (64u << 10)

static uint64_t hash_text(const char *text, size_t length)
{
    uint64_t h = 0xcbf29ce484222325u; /* FNV-1a */
    for (size_t i = 0; i < length; i++)
        h = (h ^ (uint8_t)text[i]) * 0x100000001b3u;
    return h ^ h >> 32;
}

void *text_pool_alloc(struct text_pool *p, size_t bytes)
{
    const size_t align = alignof(max_align_t);
    bytes = (bytes + align - 1) & ~(align - 1);
    if (p->chunk == NULL || p->chunk_bytes - p->chunk_used < bytes) {
        size_t wanted = align + bytes > CHUNK_BYTES ? align + bytes : CHUNK_BYTES;
        char *chunk = mem_zalloc(1, wanted);
        memcpy(chunk, &p->chunk, sizeof p->chunk);
        p->chunk = chunk;
        p->chunk_used = align;
        p->chunk_bytes = wanted;
    }
    void *out = p->chunk + p->chunk_used;
    p->chunk_used += bytes;
    return out;
}

static void grow(struct text_pool *p)
{
    size_t count = p->slot_count ? p->slot_count * 2 : 1024;
    struct text_pool_slot *slots = mem_zalloc(count, sizeof *slots);
    for (size_t i = 0; i < p->slot_count; i++) {
        if (p->slots[i].text == NULL)
            continue;
        size_t at = p->slots[i].hash & (count - 1);
        while (slots[at].text)
            at = (at + 1) & (count - 1);
        slots[at] = p->slots[i];
    }
    free(p->slots);
    p->slots = slots;
    p->slot_count = count;
}

static struct text_pool_slot *slot_of(struct text_pool *p, const char *text)
{
    size_t length = strlen(text);
    uint64_t hash = hash_text(text, length);
    if ((p->used + 1) * 2 > p->slot_count)
        grow(p);
    size_t at = hash & (p->slot_count - 1);
    while (p->slots[at].text) {
        if (p->slots[at].hash == hash && strcmp(p->slots[at].text, text) == 0)
            return &p->slots[at];
        at = (at + 1) & (p->slot_count - 1);
    }
    char *copy = text_pool_alloc(p, length + 1);
    memcpy(copy, text, length + 1);
    p->slots[at] = (struct text_pool_slot){.text = copy, .hash = hash};
    p->used++;
    return &p->slots[at];
}

const char *text_pool_add(struct text_pool *p, const char *text)
{
    if (text == NULL)
        return NULL;
    size_t clean = 0;
    while ((unsigned char)text[clean] >= 0x20 && text[clean] != 0x7f)
        clean++;
    if (text[clean] == '\0')
        return slot_of(p, text)->text;
    char *copy = mem_strdup(text);
    for (char *c = copy + clean; *c; c++)
        if ((unsigned char)*c < 0x20 || *c == 0x7f)
            *c = '?';
    const char *out = slot_of(p, copy)->text;
    free(copy);
    return out;
}

const char *text_pool_demangled(struct text_pool *p, const char *mangled)
{
    struct text_pool_slot *slot = slot_of(p, mangled);
    if (slot->other)
        return slot->other;
    char *name = demangle(mangled);
    const char *out = text_pool_add(p, name);
    free(name);
    slot_of(p, mangled)->other = out; /* the table may have grown */
    return out;
}

void text_pool_release(struct text_pool *p)
{
    free(p->slots);
    while (p->chunk) {
        char *before;
        memcpy(&before, p->chunk, sizeof before);
        free(p->chunk);
        p->chunk = before;
    }
    memset(p, 0, sizeof *p);
}
