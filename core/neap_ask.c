/* Questions and orders of a host's, asked without waiting. */
#include "neap_ask.h"

#include "base/error.h"
#include "base/mem.h"
#include "base/text.h"
#include "neap_private.h"

#include <string.h>

static const char *code_text(int code)
{
    switch (code) {
    case NEAP_ENOENT:
        return "no such thing";
    case NEAP_ECLOSED:
        return "the executor is closing";
    case NEAP_EIO:
        return "the store failed: nobody knows what of it is on the disk";
    case NEAP_ECONFLICT:
        return "its state does not allow it";
    default:
        return "it failed";
    }
}

static void reply(struct ask *ask, int code)
{
    const bool has_text = (code == NEAP_OK || code == NEAP_ETIME) && ask->call.reply.len > 0;
    const char *message = *ask->message ? ask->message : code_text(code);
    struct buf said = {0}; /* it may repeat what was asked, and be cut anywhere */
    text_put_utf8(&said, message, strlen(message));
    const struct neap_reply answer = {
        .code = code,
        .text = has_text ? buf_string(&ask->call.reply) : NULL,
        .len = ask->call.reply.len,
        .message = has_text ? NULL : buf_string(&said),
        .param = ask->param,
    };
    ask->done(ask->user, &answer);
    buf_close(&said);
    ask_free(ask);
}

static void asked(struct call *call) /* on the engine's thread */
{
    reply((struct ask *)(void *)call, call->rc);
}

int neap_ask(neap *n, const struct neap_ask *request, void *user, neap_reply_fn *done,
             struct neap_error *err)
{
    if (!request || request->size != sizeof *request || !done)
        return error_set(err, NEAP_EINVAL, "ask.size is not that of this libneap (%s)",
                         NEAP_VERSION);
    int rc = host_enter(n, err);
    if (rc)
        return rc;
    struct ask *ask = mem_zero(1, sizeof *ask);
    ask->user = user;
    ask->done = done;
    ask->call.message.kind = ENGINE_CALL_ASK;
    ask->call.done = asked;
    if (request->what == NEAP_ASK_METRICS) /* it reads files: not on the engine's thread */
        procfs_read(&ask->process);
    if (!ask_read(ask, request))
        reply(ask, NEAP_EINVAL);
    else if (ask->what == NEAP_ASK_TASKS || ask->what == NEAP_ASK_TASK)
        reply(ask, ask_tasks(n, ask));
    else
        mailbox_post(engine_mailbox(n->engine), &ask->call.message);
    host_leave(n);
    return NEAP_OK;
}
