/* Calls into neap that wait for its engine: a thread of their own makes them, so that neither
 * libmicrohttpd's nor the ticker stands still while a disk is slow. */
#ifndef FACES_HTTPD_ERRANDS_H
#define FACES_HTTPD_ERRANDS_H

#include "faces/httpd_request.h"

/* Any thread. `run` is called once on the errands' thread; the request is held until then. While
 * one of the request's is under way at most one more waits. */
void httpd_errand(struct httpd_request *r, void (*run)(struct httpd_request *r));

int httpd_errands_start(struct httpd *h); /* 0, or an errno */
void httpd_errands_stop(struct httpd *h); /* after all that were given have been run */

#endif
