/* libmicrohttpd, opened on first use: linking it would make every start of the program longer. What
 * we call of it is a table of function pointers with the names of the functions. */
#ifndef FACES_HTTPD_LIB_H
#define FACES_HTTPD_LIB_H

#include <microhttpd.h>

#include "neap.h"

#define HTTPD_LIBRARY "libmicrohttpd.so.12"

struct httpd_lib { /* constant once open */
    const char *(*get_version)(void);
    struct MHD_Daemon *(*start_daemon)(unsigned int flags, uint16_t port,
                                       MHD_AcceptPolicyCallback accept, void *accept_cls,
                                       MHD_AccessHandlerCallback handler, void *handler_cls, ...);
    const union MHD_DaemonInfo *(*get_daemon_info)(struct MHD_Daemon *daemon,
                                                   enum MHD_DaemonInfoType what, ...);
    enum MHD_Result (*get_timeout)(struct MHD_Daemon *daemon, MHD_UNSIGNED_LONG_LONG *timeout_ms);
    enum MHD_Result (*run)(struct MHD_Daemon *daemon);
    MHD_socket (*quiesce_daemon)(struct MHD_Daemon *daemon);
    void (*stop_daemon)(struct MHD_Daemon *daemon);
    void (*suspend_connection)(struct MHD_Connection *connection);
    void (*resume_connection)(struct MHD_Connection *connection);
    enum MHD_Result (*queue_response)(struct MHD_Connection *connection, unsigned int status,
                                      struct MHD_Response *response);
    struct MHD_Response *(*create_response_from_buffer)(size_t size, void *buffer,
                                                        enum MHD_ResponseMemoryMode mode);
    struct MHD_Response *(*create_response_from_callback)(uint64_t size, size_t block_size,
                                                          MHD_ContentReaderCallback reader,
                                                          void *cls,
                                                          MHD_ContentReaderFreeCallback free);
    enum MHD_Result (*add_response_header)(struct MHD_Response *response, const char *header,
                                           const char *content);
    void (*destroy_response)(struct MHD_Response *response);
    const union MHD_ConnectionInfo *(*get_connection_info)(struct MHD_Connection *connection,
                                                           enum MHD_ConnectionInfoType what, ...);
    int (*get_connection_values_n)(struct MHD_Connection *connection, enum MHD_ValueKind kind,
                                   MHD_KeyValueIteratorN iterator, void *cls);
};

/* NEAP_EIO: it is not installed, or too old. The library stays in the process. */
int httpd_lib_open(struct httpd_lib *lib, struct neap_error *err);

#endif
