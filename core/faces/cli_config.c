/* neap config: every setting, its value and where that comes from. */
#include "faces/cli.h"

#include "base/buf.h"
#include "faces/cli_output.h"
#include "faces/cli_session.h"

static void put_row(void *user, const char *section, const char *key, const char *value,
                    const char *origin)
{
    buf_format(user, "[%s] %s = %s  # %s\n", section, key, value ? value : "", origin);
}

int cli_config(const struct cli_args *args)
{
    struct session s;
    struct output out;
    const struct session_plan plan = {.flags = NEAP_SERVICE | NEAP_MEMORY, .system_config = true};
    output_open(&out, NULL);
    const int status = session_open(&s, args, &plan);
    if (status == CLI_OK)
        neap_config_rows(s.n, output_buf(&out), put_row);
    const int written = output_end(&out, "config");
    session_close(&s, -1);
    return written ? written : status;
}
