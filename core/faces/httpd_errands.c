#include "faces/httpd_errands.h"

#include "base/thread.h"

enum kind { ERRAND, QUIT };

void httpd_errand(struct httpd_request *r, void (*run)(struct httpd_request *r))
{
    pthread_mutex_lock(&r->lock);
    const bool post = !r->run_errand;
    if (post)
        r->run_errand = run;
    else
        r->next_errand = run;
    pthread_mutex_unlock(&r->lock);
    if (!post)
        return;
    httpd_hold(r);
    r->errand.kind = ERRAND;
    mailbox_post(&r->h->errands, &r->errand);
}

static void run_all(struct httpd_request *r)
{
    void (*run)(struct httpd_request * r) = r->run_errand;
    while (run) {
        run(r);
        pthread_mutex_lock(&r->lock);
        run = r->run_errand = r->next_errand;
        r->next_errand = NULL;
        pthread_mutex_unlock(&r->lock);
    }
    httpd_drop(r);
}

static void *errands(void *httpd)
{
    struct httpd *h = httpd;
    struct list messages;
    list_init(&messages);
    for (bool quit = false; !quit;) {
        mailbox_wait(&h->errands, INT64_MAX);
        mailbox_drain(&h->errands, &messages);
        for (struct list *at; (at = list_shift(&messages));) {
            struct message *message = LIST_ENTRY(at, struct message, link);
            if (message->kind == QUIT) {
                quit = true;
                continue;
            }
            run_all(LIST_ENTRY(at, struct httpd_request, errand.link));
        }
    }
    return NULL;
}

int httpd_errands_start(struct httpd *h)
{
    const int failed = thread_start(&h->errands_thread, 0, errands, h);
    h->has_errands = !failed;
    return failed;
}

void httpd_errands_stop(struct httpd *h)
{
    if (!h->has_errands)
        return;
    h->quit.kind = QUIT;
    mailbox_post(&h->errands, &h->quit);
    pthread_join(h->errands_thread, NULL);
    h->has_errands = false;
}
