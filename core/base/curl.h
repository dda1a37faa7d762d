/* libcurl, opened on first use: linking it would make every start five times as long. What we call
 * of it is a table of function pointers with the names of the functions. */
#ifndef BASE_CURL_H
#define BASE_CURL_H

#include <curl/curl.h>

#include "neap.h"

#define CURL_LIBRARY "libcurl.so.4"

struct curl { /* constant once open */
    CURLcode (*global_init)(long flags);
    void (*global_cleanup)(void);
    curl_version_info_data *(*version_info)(CURLversion age);
    CURL *(*easy_init)(void);
    void (*easy_cleanup)(CURL *easy);
    CURLcode (*easy_setopt)(CURL *easy, CURLoption option, ...);
    CURLcode (*easy_getinfo)(CURL *easy, CURLINFO info, ...);
    CURLcode (*easy_send)(CURL *easy, const void *data, size_t len, size_t *sent);
    CURLcode (*easy_recv)(CURL *easy, void *data, size_t len, size_t *received);
    const char *(*easy_strerror)(CURLcode code);
    struct curl_slist *(*slist_append)(struct curl_slist *list, const char *text);
    void (*slist_free_all)(struct curl_slist *list);
    CURLM *(*multi_init)(void);
    CURLMcode (*multi_cleanup)(CURLM *multi);
    CURLMcode (*multi_setopt)(CURLM *multi, CURLMoption option, ...);
    CURLMcode (*multi_add_handle)(CURLM *multi, CURL *easy);
    CURLMcode (*multi_remove_handle)(CURLM *multi, CURL *easy);
    CURLMcode (*multi_socket_action)(CURLM *multi, curl_socket_t s, int events, int *running);
    CURLMcode (*multi_assign)(CURLM *multi, curl_socket_t s, void *of_socket);
    CURLMsg *(*multi_info_read)(CURLM *multi, int *left);
    CURLMcode (*multi_perform)(CURLM *multi, int *running);
    CURLMcode (*multi_poll)(CURLM *multi, struct curl_waitfd fds[], unsigned count, int timeout_ms,
                            int *ready);
};

/* Any thread, any number of times. NEAP_EIO: it is not installed, or too old. The library stays in
 * the process; curl_close once for each open. */
int curl_open(struct curl *curl, struct neap_error *err);
void curl_close(const struct curl *curl);

/* The word for what went wrong, as scripts get it: "timeout" "resolve" "connect" "tls" "url"
 * "redirects" "login" "protocol" "io". */
const char *curl_word(CURLcode code);

#endif
