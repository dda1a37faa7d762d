/* Checking what neap_ask is asked; on the caller's thread. */
#ifndef NEAP_ASK_H
#define NEAP_ASK_H

#include "engine/ask.h"

/* Fills `ask` from the request. False: ask->message (and ask->param) says what is wrong. */
bool ask_read(struct ask *ask, const struct neap_ask *request);
void ask_free(struct ask *ask);
/* Filter terms alone. NEAP_EINVAL. */
int filter_read(struct filter *filter, const struct neap_param *params, size_t n_params,
                struct neap_error *err);
/* Tasks: answered here. */
int ask_tasks(neap *n, struct ask *ask);

#endif
