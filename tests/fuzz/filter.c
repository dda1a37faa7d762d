/* Lines name=value as terms of a filter, and a job made of the first bytes: a term is taken or
 * refused with words, all terms together mean what they mean one by one, and a pattern matches what
 * the plainest way to match says. */
#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "model/filter.h"
#include "neap.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define NOW_MS INT64_C(1800000000000)
#define TERMS 12
#define HEAD 8

static const char *const words[] = {"mail.send", "default", "a",     "mail.send-all", "",
                                    "timeout",   "error",   "no go", "mail.mail.send"};
#define WORDS (sizeof words / sizeof *words)

static bool glob(const char *pattern, const char *text)
{
    if (!*pattern)
        return !*text;
    if (*pattern == '*')
        return glob(pattern + 1, text) || (*text && glob(pattern, text + 1));
    return *pattern == *text && glob(pattern + 1, text + 1);
}

static void check_glob(const char *pattern)
{
    size_t stars = 0;
    for (const char *p = pattern; *p; p++)
        stars += *p == '*';
    for (size_t i = 0; i < WORDS && stars < 6; i++) /* the plain way takes its time */
        assert(filter_glob(pattern, words[i]) == glob(pattern, words[i]));
}

struct terms {
    char *text; /* cut into names and values */
    const char *names[TERMS], *values[TERMS];
    size_t count;
};

static void read_terms(struct terms *terms, const uint8_t *data, size_t size)
{
    terms->text = malloc(size + 1);
    assert(terms->text);
    memcpy(terms->text, data, size);
    terms->text[size] = 0;
    char *rest = NULL;
    for (char *line = strtok_r(terms->text, "\n", &rest); line && terms->count < TERMS;
         line = strtok_r(NULL, "\n", &rest)) {
        char *value = strchr(line, '=');
        if (!value)
            continue;
        *value++ = 0;
        terms->names[terms->count] = line;
        terms->values[terms->count++] = value;
    }
}

static bool matches_one(const char *name, const char *value, const struct filter_job *job)
{
    struct filter one = {0};
    struct buf why = {0};
    assert(filter_term(&one, name, value, NOW_MS, &why) == FILTER_OK);
    assert(why.len == 0 && one.n_terms == 1);
    assert(filter_term(&one, name, value, NOW_MS, &why) == FILTER_BAD); /* given twice */
    const bool matches = filter_matches(&one, job);
    filter_close(&one);
    buf_close(&why);
    return matches;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < HEAD)
        return 0;
    const struct filter_job job = {
        .id = data[0],
        .parent = data[1] % 4,
        .state = data[2] % NEAP_STATES,
        .priority = (int8_t)data[3],
        .task = words[data[4] % WORDS],
        .queue = words[data[5] % WORDS],
        .code = data[6] & 1 ? words[data[6] % WORDS] : NULL,
        .message = data[6] & 1 ? words[data[7] % WORDS] : NULL,
        .submitted_ms = NOW_MS - (int64_t)(data[7] * data[7]) * 1000,
    };
    struct terms terms = {0};
    struct filter all = {0};
    struct buf why = {0};
    bool want = true, good = true;
    read_terms(&terms, data + HEAD, size - HEAD);
    for (size_t i = 0; i < terms.count && good; i++) {
        const enum filter_result rc =
            filter_term(&all, terms.names[i], terms.values[i], NOW_MS, &why);
        good = rc == FILTER_OK;
        assert((rc == FILTER_BAD) == (why.len > 0));
        if (good)
            want = matches_one(terms.names[i], terms.values[i], &job) && want;
        check_glob(terms.values[i]);
    }
    if (good)
        assert(filter_matches(&all, &job) == want);
    filter_close(&all);
    buf_close(&why);
    free(terms.text);
    return 0;
}
