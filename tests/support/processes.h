/* The processes that a test's programs are: sleeps that nobody else has. */
#ifndef SUPPORT_PROCESSES_H
#define SUPPORT_PROCESSES_H

/* The beginning of their command lines, with the test's own pid as its argument; a digit for each
 * test, and one for each of its sleeps, make it whole: "sleep 31234.12". */
#define PROCESSES_NAP "sleep 3%d."

int processes(char digit); /* how many run */
void until_processes(char digit, int count);

void no_child_is_left(void); /* not even one to reap */

#endif
