/* SPDX-License-Identifier: MIT
 *
 * A filter, for counting by the loader's symbols would miss the C library's own calls. */
#include "counted.h"

#include "seep/replay_script.h"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#define TELL(number, what)                                                                         \
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number, 0, 1),                                             \
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRACE | (what))

bool counted_begin(void)
{
    struct sock_filter rules[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        TELL(SYS_mmap, SEEP_REPLAY_MMAP),
        TELL(SYS_munmap, SEEP_REPLAY_MUNMAP),
        TELL(SYS_mremap, SEEP_REPLAY_MREMAP),
        TELL(SYS_madvise, SEEP_REPLAY_MADVISE),
        TELL(SYS_brk, SEEP_REPLAY_BRK),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    const struct sock_fprog filter = {sizeof rules / sizeof rules[0], rules};
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
           prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) == 0;
}
