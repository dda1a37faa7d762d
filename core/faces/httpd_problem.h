/* Errors as RFC 9457 tells them: application/problem+json, with `errors` that point at what is
 * wrong. Owned by one thread; zeroed is empty. */
#ifndef FACES_HTTPD_PROBLEM_H
#define FACES_HTTPD_PROBLEM_H

#include <stdbool.h>

#include "base/buf.h"

#define HTTPD_PROBLEM_TYPE "application/problem+json"

struct httpd_problem {
    int status;         /* 0: nothing is wrong */
    const char *code;   /* a word for programs: "invalid" "not_found" ...; constant text */
    struct buf detail;  /* for people */
    struct buf errors;  /* members of the array `errors` */
    int retry_after_s;  /* 0: says nothing */
    const char *header; /* one more for the answer, "Allow" say, with the value in `value` */
    struct buf value;
};

/* What a wrong thing is part of. */
enum httpd_part { PART_BODY /* a JSON pointer */, PART_QUERY, PART_HEADER, PART_PATH };

/* Sets status and detail. The word comes from the status where `code` is not set after it. */
__attribute__((format(printf, 3, 4))) void httpd_problem_set(struct httpd_problem *p, int status,
                                                             const char *format, ...);
/* Adds one thing that is wrong. The first sets status (422, of the query 400) and detail, too. */
__attribute__((format(printf, 4, 5))) void httpd_problem_add(struct httpd_problem *p,
                                                             enum httpd_part part, const char *name,
                                                             const char *format, ...);
/* From a negative code of the library. */
void httpd_problem_of(struct httpd_problem *p, int code, const char *message);

bool httpd_problem_any(const struct httpd_problem *p);
void httpd_problem_put(const struct httpd_problem *p, struct buf *out); /* the JSON */
void httpd_problem_close(struct httpd_problem *p);

const char *httpd_phrase(int status); /* "Not Found" */

#endif
