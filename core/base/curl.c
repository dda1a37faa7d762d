#include "base/curl.h"

#include "base/error.h"
#include "base/library.h"

#include <stddef.h>

#define OLDEST 0x075500 /* 7.85.0: protocols named as text, global_init safe in threads */

#define SYMBOL(name)                                                                               \
    {                                                                                              \
        "curl_" #name, offsetof(struct curl, name)                                                 \
    }

static const struct library_symbol symbols[] = {
    SYMBOL(global_init),      SYMBOL(global_cleanup),      SYMBOL(version_info),
    SYMBOL(easy_init),        SYMBOL(easy_cleanup),        SYMBOL(easy_setopt),
    SYMBOL(easy_getinfo),     SYMBOL(easy_send),           SYMBOL(easy_recv),
    SYMBOL(easy_strerror),    SYMBOL(slist_append),        SYMBOL(slist_free_all),
    SYMBOL(multi_init),       SYMBOL(multi_cleanup),       SYMBOL(multi_setopt),
    SYMBOL(multi_add_handle), SYMBOL(multi_remove_handle), SYMBOL(multi_socket_action),
    SYMBOL(multi_assign),     SYMBOL(multi_info_read),     SYMBOL(multi_perform),
    SYMBOL(multi_poll),
};

int curl_open(struct curl *curl, struct neap_error *err)
{
    const int rc = library_open(CURL_LIBRARY, "libcurl is not installed (Debian: libcurl4)",
                                symbols, sizeof symbols / sizeof *symbols, curl, err);
    if (rc)
        return rc;
    const curl_version_info_data *version = curl->version_info(CURLVERSION_NOW);
    if (version->version_num < OLDEST || !(version->features & CURL_VERSION_THREADSAFE))
        return error_set(err, NEAP_EIO, "libcurl %s is too old: 7.85 is needed", version->version);
    if (curl->global_init(CURL_GLOBAL_DEFAULT))
        return error_set(err, NEAP_EIO, "libcurl does not start");
    return NEAP_OK;
}

void curl_close(const struct curl *curl)
{
    curl->global_cleanup();
}

const char *curl_word(CURLcode code)
{
    switch (code) {
    case CURLE_OPERATION_TIMEDOUT:
        return "timeout";
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY:
        return "resolve";
    case CURLE_COULDNT_CONNECT:
    case CURLE_PROXY:
        return "connect";
    case CURLE_URL_MALFORMAT:
        return "url";
    case CURLE_TOO_MANY_REDIRECTS:
        return "redirects";
    case CURLE_LOGIN_DENIED:
    case CURLE_AUTH_ERROR:
        return "login";
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CIPHER:
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_USE_SSL_FAILED:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_ISSUER_ERROR:
    case CURLE_SSL_INVALIDCERTSTATUS:
        return "tls";
    case CURLE_SEND_ERROR:
    case CURLE_RECV_ERROR:
    case CURLE_GOT_NOTHING:
    case CURLE_PARTIAL_FILE:
    case CURLE_WRITE_ERROR:
        return "io";
    default:
        return "protocol";
    }
}
