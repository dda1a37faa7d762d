/* For two threads that each write a word and then read the other's, of whom one at least has to see
 * what the other wrote: both need a fence between the two. Where one side does this all the time
 * and the other hardly ever, the rare side pays for both. */
#ifndef BASE_FENCE_H
#define BASE_FENCE_H

#include <stdbool.h>

/* Does the system know how? Else both sides must use sequentially consistent exchanges. */
bool fence_known(void);

/* Every running thread of the process passes a fence meanwhile; only where fence_known. Takes some
 * microseconds, the first time milliseconds. */
void fence_all(void);

#endif
