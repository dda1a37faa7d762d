#include "asking.h"

#include <setjmp.h>

#include <cmocka.h>

#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PARAMS_MAX 16

struct waiting {
    struct answer answer;
    sem_t done;
};

static void on_reply(void *user, const struct neap_reply *reply)
{
    struct waiting *w = user;
    w->answer.code = reply->code;
    w->answer.text = calloc(reply->len + 1, 1);
    if (reply->text)
        memcpy(w->answer.text, reply->text, reply->len);
    snprintf(w->answer.message, sizeof w->answer.message, "%s",
             reply->message ? reply->message : "");
    snprintf(w->answer.param, sizeof w->answer.param, "%s", reply->param ? reply->param : "");
    sem_post(&w->done);
}

struct answer asking(struct executor *x, struct neap_ask ask, const char *const *params)
{
    struct waiting w = {0};
    struct neap_error err = {0};
    struct neap_param read[PARAMS_MAX];
    char names[PARAMS_MAX][64];
    size_t count = 0;
    for (; params && params[count]; count++) {
        const char *equals = strchr(params[count], '=');
        snprintf(names[count], sizeof names[count], "%.*s", (int)(equals - params[count]),
                 params[count]);
        read[count] = (struct neap_param){names[count], equals + 1};
    }
    ask.size = sizeof ask;
    ask.params = read;
    ask.n_params = count;
    sem_init(&w.done, 0, 0);
    if (neap_ask(x->n, &ask, &w, on_reply, &err))
        fail_msg("%s", err.message);
    sem_wait(&w.done);
    sem_destroy(&w.done);
    return w.answer;
}

void answer_free(struct answer *answer)
{
    free(answer->text);
    answer->text = NULL;
}

const char *asking_text(struct executor *x, int code, struct neap_ask ask,
                        const char *const *params)
{
    static _Thread_local char text[1 << 20];
    struct answer answer = asking(x, ask, params);
    snprintf(text, sizeof text, "%s", *answer.text ? answer.text : answer.message);
    const int got = answer.code;
    answer_free(&answer);
    if (got != code)
        fail_msg("question %d: code %d, not %d: %s", ask.what, got, code, text);
    return text;
}

void assert_has(const char *document, const char *text)
{
    if (!strstr(document, text))
        fail_msg("no '%s' in %.2000s", text, document);
}

void assert_lacks(const char *document, const char *text)
{
    if (strstr(document, text))
        fail_msg("'%s' in %.2000s", text, document);
}

void asking_until(struct executor *x, uint64_t id, const char *text)
{
    for (int left = 4000; !strstr(ASK(x, NEAP_ASK_JOB, .id = id), text); executor_pause(&left))
        ;
}
