#include "faces/map_input.h"

#include "neap.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define READ_BYTES (64 * 1024)
#define COUNT_MAX_BYTES (INT64_C(1) << 30) /* a larger file is not counted beforehand */

void map_input_list(struct map_input *in, const char *const *list, size_t count)
{
    *in = (struct map_input){.fd = -1, .list = list, .n_list = count};
}

void map_input_fd(struct map_input *in, int fd, char separator, bool skip_blank)
{
    *in = (struct map_input){.fd = fd, .separator = separator, .skip_blank = skip_blank};
}

void map_input_close(struct map_input *in)
{
    buf_close(&in->data);
}

static bool blank(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (!strchr(" \t\r\n", text[i]) || !text[i])
            return false;
    return true;
}

/* Takes the piece up to `end` (a separator, or the end of all) and steps over it. */
static bool take(struct map_input *in, size_t end, const char **text, size_t *len)
{
    *text = in->data.data + in->at;
    *len = end - in->at;
    in->at = end < in->data.len ? end + 1 : end;
    in->scanned = 0;
    const bool rest_of_long = in->skipping;
    in->skipping = false;
    return !rest_of_long && !(in->skip_blank && blank(*text, *len));
}

static enum map_input_status next_listed(struct map_input *in, const char **text, size_t *len)
{
    if (in->next == in->n_list)
        return INPUT_END;
    *text = in->list[in->next++];
    *len = strlen(*text);
    return *len > NEAP_VALUE_MAX ? INPUT_LONG : INPUT_ITEM;
}

/* The piece has not ended with what was read so far. */
static enum map_input_status unended(struct map_input *in, const char **text, size_t *len)
{
    in->scanned = in->data.len - in->at;
    if (!in->skipping && in->scanned > NEAP_VALUE_MAX) {
        *text = in->data.data + in->at;
        *len = in->scanned;
        in->at = in->data.len;
        in->scanned = 0;
        in->skipping = true;
        return INPUT_LONG;
    }
    if (in->skipping) {
        in->at = in->data.len;
        in->scanned = 0;
    }
    return INPUT_WAIT;
}

enum map_input_status map_input_next(struct map_input *in, const char **text, size_t *len)
{
    if (in->fd < 0)
        return next_listed(in, text, len);
    for (;;) {
        const char *from = in->data.data + in->at + in->scanned;
        const size_t left = in->data.len - in->at - in->scanned;
        const char *found = left ? memchr(from, in->separator, left) : NULL;
        if (!found && !in->ended)
            return in->error ? INPUT_ERROR : unended(in, text, len);
        if (!found && in->at == in->data.len)
            return INPUT_END;
        if (take(in, found ? (size_t)(found - in->data.data) : in->data.len, text, len))
            return *len > NEAP_VALUE_MAX ? INPUT_LONG : INPUT_ITEM;
    }
}

void map_input_read(struct map_input *in)
{
    const size_t left = in->data.len - in->at;
    if (in->at && left)
        memmove(in->data.data, in->data.data + in->at, left);
    in->data.len = left;
    in->at = 0;
    buf_reserve(&in->data, READ_BYTES);
    const ssize_t n = read(in->fd, in->data.data + left, READ_BYTES);
    if (n > 0)
        in->data.len += (size_t)n;
    else if (n == 0)
        in->ended = true;
    else if (errno != EINTR && errno != EAGAIN)
        in->error = errno;
}

static int64_t count_separators(const struct map_input *in, off_t at)
{
    static const size_t piece = READ_BYTES;
    struct buf data = {0};
    int64_t count = 0;
    ssize_t n;
    char last = in->separator;
    buf_reserve(&data, piece);
    while ((n = pread(in->fd, data.data, piece, at)) > 0) {
        for (const char *p = data.data, *end = p + n;
             (p = memchr(p, in->separator, (size_t)(end - p))); p++)
            count++;
        last = data.data[n - 1];
        at += n;
    }
    buf_close(&data);
    return n < 0 ? -1 : count + (last != in->separator);
}

int64_t map_input_count(const struct map_input *in)
{
    struct stat st;
    if (in->fd < 0)
        return (int64_t)in->n_list;
    const off_t at = lseek(in->fd, 0, SEEK_CUR);
    if (in->skip_blank || at < 0 || fstat(in->fd, &st) != 0 || !S_ISREG(st.st_mode) ||
        st.st_size - at > COUNT_MAX_BYTES)
        return -1;
    return count_separators(in, at);
}
