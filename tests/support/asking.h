/* neap_ask for tests: asks and waits for the answer. */
#ifndef TESTS_SUPPORT_ASKING_H
#define TESTS_SUPPORT_ASKING_H

#include "executor.h"

struct answer {
    int code;
    char *text;        /* the document, or "" */
    char message[512]; /* or "" */
    char param[64];    /* or "" */
};

/* `params`: "name=value", NULL at the end; NULL: none. Good until the next answer_free. */
struct answer asking(struct executor *x, struct neap_ask ask, const char *const *params);
void answer_free(struct answer *answer);

/* Asks, fails the test unless the code is `code`, and returns the document, or for an error the
 * message. Good until the next call on this thread. */
const char *asking_text(struct executor *x, int code, struct neap_ask ask,
                        const char *const *params);
#define ASK(x, what_, ...)                                                                         \
    asking_text(x, NEAP_OK, (struct neap_ask){.what = (what_), __VA_ARGS__}, NULL)
#define ASK_WITH(x, what_, ...)                                                                    \
    asking_text(x, NEAP_OK, (struct neap_ask){.what = (what_)},                                    \
                (const char *const[]){__VA_ARGS__, NULL})
#define ASK_FAILS(x, code_, what_, ...)                                                            \
    asking_text(x, code_, (struct neap_ask){.what = (what_), __VA_ARGS__}, NULL)
#define ASK_WITH_FAILS(x, code_, what_, ...)                                                       \
    asking_text(x, code_, (struct neap_ask){.what = (what_)},                                      \
                (const char *const[]){__VA_ARGS__, NULL})

/* Fails the test unless the text is in there, or while it is. */
void assert_has(const char *document, const char *text);
void assert_lacks(const char *document, const char *text);
/* Asks for the job until its document has the text; fails after 20 s. */
void asking_until(struct executor *x, uint64_t id, const char *text);

#endif
