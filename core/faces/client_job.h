/* A job's document, for people. */
#ifndef FACES_CLIENT_JOB_H
#define FACES_CLIENT_JOB_H

#include "faces/cli_output.h"
#include "faces/client.h"
#include "faces/client_format.h"
#include "faces/table.h"
#include "neap.h"

/* An id as the daemon writes it, in any case. False: it is none. */
bool client_job_id(const char *text, char id[NEAP_ID_CHARS + 1]);
/* The same, having said so. */
bool client_job_id_given(const char *command, const char *text, char id[NEAP_ID_CHARS + 1]);

/* Rows of a list. */
void client_job_table(struct table *t, bool wide);
void client_job_row(struct table *t, const json_t *job, int64_t now_ms, bool wide);

/* All of a document; `now_ms` for "2m ago". */
void client_job_show(struct buf *out, struct json_text document, int64_t now_ms);

/* Waits until the job has ended, at most until the monotonic clock says until_ms (-1: for ever).
 * CLI_OK with its document; CLI_REFUSED where it has not ended by then (nothing is said). */
int client_job_wait(struct client *c, const char *id, int64_t until_ms, struct buf *document);
/* Its result on `out`, as `neap run` prints it, or its error on standard error; CLI_OK or
 * CLI_FAILED. */
int client_job_print(struct client *c, const struct buf *document, struct output *out);
int client_job_status(const struct buf *document); /* CLI_OK completed, CLI_FAILED not */
bool client_job_ended(const json_t *job);

/* What the job prints from *offset on, as it comes. `put` gets the text; *ended: no more will come.
 */
int client_job_log(struct client *c, const char *id, bool wait, int64_t *offset, struct buf *text,
                   bool *ended);

#endif
