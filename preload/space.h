/* SPDX-License-Identifier: MIT
 *
 * What happens when a packer that follows the process falls behind: the spool has a size that it
 * may reach (SPOOL_LIMIT), and beyond it either threads wait, each behind a row that is written and
 * no longer in progress, so that nobody waits for them; or events are dropped (WHEN_FULL). Without
 * a packer, or when it is gone, neither: then only SPOOL_MAX ends the recording. */
#ifndef REC_SPACE_H
#define REC_SPACE_H

#include <stdbool.h>

void rec_space_init(void);

/* There is less than there should be. */
bool rec_space_is_short(void);

/* Events are to be dropped, until there is space again. */
bool rec_space_drops(void);

/* Waits until there is space, the packer is gone, or recording has stopped. To be called with no
 * row in progress, outside of everything of ours. */
void rec_space_wait(void);

#endif
