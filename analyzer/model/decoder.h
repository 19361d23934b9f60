/* SPDX-License-Identifier: MIT
 *
 * The instruction decoder, capstone's library: loaded when first asked for. Its tables hold
 * pointers, so that the loader has to write to a megabyte of them; every command would pay two
 * milliseconds for that at its start, and few decode anything. */
#ifndef MODEL_DECODER_H
#define MODEL_DECODER_H

#include <capstone/capstone.h>

/* Capstone's functions of the same names. */
struct decoder {
    cs_err (*open)(cs_arch arch, cs_mode mode, csh *handle);
    cs_err (*close)(csh *handle);
    cs_insn *(*malloc)(csh handle);
    void (*free)(cs_insn *insn, size_t count);
    bool (*disasm_iter)(csh handle, const uint8_t **code, size_t *size, uint64_t *address,
                        cs_insn *insn);
};

/* The library of the interface that we are compiled for. */
#define DECODER_NUMBER_TEXT(number) #number
#define DECODER_LIBRARY_OF(major) "libcapstone.so." DECODER_NUMBER_TEXT(major)
#define DECODER_LIBRARY DECODER_LIBRARY_OF(CS_API_MAJOR)

/* NULL where the library cannot be loaded. */
const struct decoder *decoder_load(void);

#endif
