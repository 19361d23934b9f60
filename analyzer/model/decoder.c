/* SPDX-License-Identifier: MIT */
#include "model/decoder.h"

#include <dlfcn.h>
#include <pthread.h>
#include <string.h>

static struct decoder decoder;
static bool loaded;

/* ISO C knows no conversion from the pointer that dlsym() returns to one to a function. */
static bool find(void *library, const char *name, void *function)
{
    void *found = dlsym(library, name);
    memcpy(function, &found, sizeof found);
    return found != NULL;
}

static void load(void)
{
    void *library = dlopen(DECODER_LIBRARY, RTLD_LAZY | RTLD_LOCAL);
    loaded = library != NULL && find(library, "cs_open", &decoder.open) &&
             find(library, "cs_close", &decoder.close) &&
             find(library, "cs_malloc", &decoder.malloc) &&
             find(library, "cs_free", &decoder.free) &&
             find(library, "cs_disasm_iter", &decoder.disasm_iter);
}

const struct decoder *decoder_load(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, load);
    return loaded ? &decoder : NULL;
}
