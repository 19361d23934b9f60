/* SPDX-License-Identifier: MIT */
#include "stack_memo.h"

_Static_assert(STACK_MEMO_WORDS <= UINT8_MAX,
               "struct rec_stack_memo_entry counts them in one byte");

/* The first eight bytes of the SHA-256 of "seep stack memo N", made odd. */
const uint64_t rec_stack_memo_keys[STACK_MEMO_WORDS] = {
    0x9b4bbcd8be6d711bu, 0x2d0a2176b9b9158fu, 0x3ef9d7bb6d31654bu, 0xa930c2d788a7aad7u,
    0x518d2a4c587e2611u, 0x956c2e30c9eb86b1u, 0x7e6d7755484f39d3u, 0x11673cb0684493a5u,
    0x8681e6045c6cd7adu, 0x4d110fc94cddaa2du, 0xae705f5f4c300b99u, 0x2ef3825ada537f8fu,
    0x199fcea4e8bc624bu, 0x20b737eefc3c605du, 0x2b0360bbc8afa3abu, 0x5f7098f1fa23771du,
    0x0475628572fb6cdfu, 0xffa5f9f7a315b88fu, 0x0c10c87033ea704fu, 0x63fc7cc922b048fdu,
    0x4ff2164566c0cb67u, 0x665e88c17b732981u, 0x24a7867f62142439u, 0xe9169a3307eda2b1u,
    0x08f499ba16196021u, 0x4ce7d7ff5e21366fu, 0x6fa35142eadcf223u, 0xa836c2d857d73c37u,
    0x52ab3655e2fcc46bu, 0xc8445a4b996c47b3u, 0x13199ea653dfd815u, 0xcd3029811da4c6bbu,
    0x2e61b65d1b2fbe29u, 0x7f131e72facfd0e1u, 0xbdb904400c379ca5u, 0x1ae004e709cf4131u,
    0xb43ec9f6d961f101u, 0xcb4e02cbe35cbff7u, 0x4a1c77f518d6c5f1u, 0x7c56231fb4c33769u,
    0x57d253280e7b2ffdu, 0x3de178e0ef206c6du, 0xd577dd5fcd1bc5b7u, 0x3f1f2aab79646e0bu,
    0x68c42d7916f883e5u, 0xbf892672919c88f3u, 0x09878a4a56033f3du, 0x0d6802dd40a4c6b7u,
    0x8008b47fb7a799c1u, 0xba9de033221bfecbu, 0x9e65eb0ef5337d67u, 0x55efbd6f39828dddu,
    0xb154349dbdc5ff75u, 0x972f2eeae7c9882fu, 0x2089325ea6cbc8a7u, 0x73f25f16ff71d25du,
    0x47d57b4399319395u, 0xee6f72d519adfe89u, 0x1376d6380572af23u, 0x384cdfa354644a5du,
    0x53c6fa146b283f4fu, 0x3541eefe11db77f9u, 0x988fcc45ae7c5ab7u, 0xdcdee49f5c741b75u,
    0x8d566652ff281171u, 0xf2a811d3b5717e85u, 0x973ea3f1c3cc60cdu, 0x07e6b140093ddb07u,
    0xa350426722d7bb4bu, 0xc4bf607ab0718863u, 0x43d18d1f16987f0bu, 0x7542c15a74aaf9fdu,
    0xd4ed0a51db3b0437u, 0x09ed2c403ae5d21bu, 0x7b30d80ba9395a03u, 0x60eee39b893c80ebu,
    0xe9fab62855900371u, 0x83b26efc7a7ecab3u, 0xc2ae0674e998b527u, 0x05d3d5de446f817bu,
    0x6bf8eadce4ed1959u, 0xbaec104e9eb46fc1u, 0xb33e1d21fd10f40du, 0x64c3844471f13b23u,
    0x6bfb7bbc37fbb083u, 0x0429330a08c8a45du, 0x958839c7d7e32a09u, 0xf5803c923857dadbu,
    0x836cb3e3ee092b23u, 0x3208a7a9c16967edu, 0xd5827f9573ef0ca5u, 0x74e79314d2a055d3u,
    0x00fb1cbbee816825u, 0x09eb13bf90a644cfu, 0x7b3f088111923503u, 0xf7ae9f985d9a908bu,
};

/* Fills in the words. False: they do not fit, or one is none of the stack's. */
static bool keep_words(struct rec_stack_memo_entry *e, struct rec_stack_memo_words *to,
                       const struct step_word *words, unsigned count)
{
    if (count > STACK_MEMO_WORDS)
        return false;
    for (unsigned i = 0; i < count; i++) {
        uintptr_t above = words[i].address - e->sp;
        if (above % 8 != 0 || above / 8 > UINT16_MAX)
            return false;
        to->place[i] = (uint16_t)(above / 8);
    }
    e->words = (uint8_t)count;
    e->words_hash = stack_memo_hash_words(e->sp, to->place, count);
    return true;
}

/* A handler that leaves for good finds no entry known that is half written. */
static inline void set_state(struct rec_stack_memo_entry *e, enum stack_memo_state state)
{
    __asm__ volatile("" ::: "memory");
    e->state = state;
    __asm__ volatile("" ::: "memory");
}

void rec_stack_memo_learn(struct rec_stack_memo *memo, const struct rec_context *at,
                          const struct rec_last_walk *last, uint64_t hash, uint32_t id)
{
    unsigned place = stack_memo_place(at);
    struct rec_stack_memo_entry *e = &memo->entries[place];
    if (e->pc != at->pc || e->sp != at->sp || e->hash != hash) {
        set_state(e, STACK_MEMO_MET);
        e->pc = at->pc;
        e->sp = at->sp;
        e->hash = hash;
        return;
    }
    if (e->state == STACK_MEMO_UNFIT)
        return;
    set_state(e, STACK_MEMO_MET);
    const struct rec_last_frame *leaf = &last->frames[last->leaf];
    if (!keep_words(e, &memo->words[place], last->words, leaf->words)) {
        set_state(e, STACK_MEMO_UNFIT);
        return;
    }
    if (e->generation == 0) /* never used */
        atomic_fetch_add_explicit(&rec_last_walk_bytes, sizeof *e + sizeof *memo->words,
                                  memory_order_relaxed);
    e->fp = at->fp;
    e->reach = last->reach;
    e->id = id;
    e->generation = last->generation;
    e->guessed = (uint16_t)last->guessed;
    e->cut = last->cut;
    e->fp_live = leaf->fp_live;
    set_state(e, STACK_MEMO_KNOWN);
}
