#include "model/mail.h"

#include "base/text.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#define LINE 76             /* where lines are folded */
#define HARD_LINE 998       /* what no line may exceed */
#define WORD_BYTES 45       /* of text in one encoded word: 60 characters of base64 */
#define FIRST_WORD_BYTES 24 /* the header's name stands before it */
#define BASE64_BYTES 57     /* in a line of 76 */

static const char nothing[] = "";

/* --- checks ----------------------------------------------------------------------------------- */

static bool is_ascii(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)text[i] >= 0x80)
            return false;
    return true;
}

bool mail_header_text(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (((unsigned char)text[i] < 0x20 && text[i] != '\t') || text[i] == 0x7f)
            return false;
    return true;
}

static bool is_token(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (!isalnum((unsigned char)text[i]) && !strchr("!#$%&'*+-.^_`{|}~", text[i]))
            return false;
    return len > 0;
}

bool mail_type(const char *text)
{
    const size_t len = strlen(text);
    const char *slash = strchr(text, '/');
    if (!slash || len > 200 || !is_ascii(text, len) || !mail_header_text(text, len))
        return false;
    const size_t subtype = strcspn(slash + 1, " ;");
    return is_token(text, (size_t)(slash - text)) && is_token(slash + 1, subtype);
}

bool mail_header_name(const char *name)
{
    static const char *const ours[] = {"from",    "to",   "cc",         "bcc",         "reply-to",
                                       "subject", "date", "message-id", "mime-version"};
    for (size_t i = 0; i < sizeof ours / sizeof *ours; i++)
        if (strcasecmp(name, ours[i]) == 0)
            return false;
    return strncasecmp(name, "content-", 8) != 0 && strlen(name) <= 70 &&
           is_token(name, strlen(name));
}

/* --- addresses -------------------------------------------------------------------------------- */

static bool is_spec(const char *text, size_t len)
{
    const char *at = memrchr(text, '@', len);
    if (!at || at == text || len > MAIL_ADDRESS_MAX || !is_ascii(text, len))
        return false;
    const size_t user = (size_t)(at - text), host = len - user - 1;
    for (size_t i = 0; i < user; i++)
        if (!is_token(&text[i], 1) && text[i] != '/' && text[i] != '=' && text[i] != '?')
            return false;
    for (size_t i = 0; i < host; i++)
        if (!isalnum((unsigned char)at[1 + i]) && !strchr("-.[]:_", at[1 + i]))
            return false;
    return user <= 64 && host > 0;
}

static void trim(const char **text, size_t *len)
{
    for (; *len && isspace((unsigned char)**text); ++*text)
        --*len;
    while (*len && isspace((unsigned char)(*text)[*len - 1]))
        --*len;
}

/* A name without quotes may hold no character that ends it. */
static bool is_name(const char *text, size_t len)
{
    if (len >= 2 && text[0] == '"' && text[len - 1] == '"') {
        for (size_t i = 1; i + 1 < len; i++) {
            if (text[i] == '\\' && i + 2 < len)
                i++;
            else if (text[i] == '"' || text[i] == '\\')
                return false;
        }
        return true;
    }
    for (size_t i = 0; i < len; i++)
        if (strchr("<>\",;", text[i]))
            return false;
    return true;
}

bool mail_address_parse(const char *text, size_t len, struct mail_address *out)
{
    *out = (struct mail_address){.name = nothing};
    if (!mail_header_text(text, len))
        return false;
    trim(&text, &len);
    const char *open = memrchr(text, '<', len);
    if (!open) {
        out->spec = text;
        out->spec_len = len;
        return is_spec(text, len);
    }
    out->name = text;
    out->name_len = (size_t)(open - text);
    trim(&out->name, &out->name_len);
    out->spec = open + 1;
    out->spec_len = len - (size_t)(open - text) - 1;
    if (out->spec_len < 2 || out->spec[--out->spec_len] != '>')
        return false;
    return out->name_len <= MAIL_NAME_MAX && is_name(out->name, out->name_len) &&
           is_spec(out->spec, out->spec_len);
}

/* --- encodings -------------------------------------------------------------------------------- */

static void put_base64(struct buf *out, const char *data, size_t len)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const unsigned char *at = (const unsigned char *)data;
    for (; len >= 3; len -= 3, at += 3) {
        const char four[4] = {digits[at[0] >> 2], digits[(at[0] & 3) << 4 | at[1] >> 4],
                              digits[(at[1] & 15) << 2 | at[2] >> 6], digits[at[2] & 63]};
        buf_put(out, four, 4);
    }
    if (len == 2) {
        const char four[4] = {digits[at[0] >> 2], digits[(at[0] & 3) << 4 | at[1] >> 4],
                              digits[(at[1] & 15) << 2], '='};
        buf_put(out, four, 4);
    } else if (len == 1) {
        const char four[4] = {digits[at[0] >> 2], digits[(at[0] & 3) << 4], '=', '='};
        buf_put(out, four, 4);
    }
}

static void put_base64_lines(struct buf *out, const char *data, size_t len)
{
    for (size_t at = 0; at < len; at += BASE64_BYTES) {
        put_base64(out, data + at, len - at < BASE64_BYTES ? len - at : BASE64_BYTES);
        buf_text(out, "\r\n");
    }
}

static void put_hex(struct buf *out, char mark, unsigned char byte)
{
    static const char digits[] = "0123456789ABCDEF";
    const char three[3] = {mark, digits[byte >> 4], digits[byte & 15]};
    buf_put(out, three, 3);
}

/* At `text`: 1 for LF, 2 for CRLF, else 0. */
static size_t line_end(const char *text, size_t left)
{
    if (text[0] == '\n')
        return 1;
    return left > 1 && text[0] == '\r' && text[1] == '\n' ? 2 : 0;
}

static void put_quoted_printable(struct buf *out, const char *text, size_t len)
{
    size_t column = 0;
    for (size_t i = 0; i < len;) {
        const size_t end = line_end(text + i, len - i);
        if (end) {
            buf_text(out, "\r\n");
            column = 0;
            i += end;
            continue;
        }
        const unsigned char c = (unsigned char)text[i++];
        const bool last = i == len || line_end(text + i, len - i);
        const bool plain = (c > 0x20 && c < 0x7f && c != '=') || ((c == ' ' || c == '\t') && !last);
        if (column + (plain ? 1 : 3) > LINE - 1) {
            buf_text(out, "=\r\n");
            column = 0;
        }
        column += plain ? 1 : 3;
        if (plain)
            buf_byte(out, c);
        else
            put_hex(out, '=', c);
    }
    if (column)
        buf_text(out, "\r\n");
}

/* --- headers ---------------------------------------------------------------------------------- */

static void put_encoded_words(struct buf *out, const char *text, size_t len)
{
    struct buf clean = {0};
    text_put_utf8(&clean, text, len);
    for (size_t at = 0; at < clean.len;) {
        const size_t most = at ? WORD_BYTES : FIRST_WORD_BYTES;
        size_t n = clean.len - at < most ? clean.len - at : most;
        while (at + n < clean.len && ((unsigned char)clean.data[at + n] & 0xC0) == 0x80)
            n--; /* between characters only */
        buf_text(out, at ? "\r\n =?UTF-8?B?" : "=?UTF-8?B?");
        put_base64(out, clean.data + at, n);
        buf_text(out, "?=");
        at += n;
    }
    buf_close(&clean);
}

static bool needs_encoding(const char *text, size_t len)
{
    size_t word = 0;
    for (size_t i = 0; i < len; i++) {
        word = text[i] == ' ' ? 0 : word + 1;
        if (word > HARD_LINE - LINE)
            return true;
    }
    return !is_ascii(text, len) || memmem(text, len, "=?", 2) ||
           (len && (isspace((unsigned char)text[0]) || isspace((unsigned char)text[len - 1])));
}

/* After "Name: ": folded at spaces. */
static void put_unstructured(struct buf *out, const char *text, size_t len)
{
    if (needs_encoding(text, len)) {
        put_encoded_words(out, text, len);
        return;
    }
    size_t column = 20;
    for (size_t i = 0; i < len;) {
        const char *space = memchr(text + i + 1, ' ', len - i - 1);
        const size_t n = (space ? (size_t)(space - text) : len) - i;
        if (i && column + n > LINE && text[i] == ' ' && n > 1) {
            buf_text(out, "\r\n");
            column = 0;
        }
        buf_put(out, text + i, n);
        column += n;
        i += n;
    }
}

static void put_header(struct buf *out, const char *name, const char *value)
{
    buf_format(out, "%s: ", name);
    put_unstructured(out, value, strlen(value));
    buf_text(out, "\r\n");
}

/* `text` with its quotes and backslashes taken off, into `out`. */
static void unquote(struct buf *out, const char *text, size_t len)
{
    if (len < 2 || text[0] != '"') {
        buf_put(out, text, len);
        return;
    }
    for (size_t i = 1; i + 1 < len; i++) {
        if (text[i] == '\\')
            i++;
        buf_byte(out, (uint8_t)text[i]);
    }
}

static void put_quoted(struct buf *out, const char *text, size_t len)
{
    buf_byte(out, '"');
    for (size_t i = 0; i < len; i++) {
        if (text[i] == '"' || text[i] == '\\')
            buf_byte(out, '\\');
        buf_byte(out, (uint8_t)text[i]);
    }
    buf_byte(out, '"');
}

static void put_address(struct buf *out, const struct mail_address *address)
{
    struct buf name = {0};
    unquote(&name, address->name, address->name_len);
    if (name.len && needs_encoding(name.data, name.len))
        put_encoded_words(out, name.data, name.len);
    else if (name.len)
        put_quoted(out, name.data, name.len);
    if (name.len)
        buf_byte(out, ' ');
    buf_byte(out, '<');
    buf_put(out, address->spec, address->spec_len);
    buf_byte(out, '>');
    buf_close(&name);
}

static void put_addresses(struct buf *out, const char *name, const struct mail_address *list,
                          size_t count)
{
    for (size_t i = 0; i < count; i++) {
        buf_text(out, i ? ",\r\n " : name);
        put_address(out, &list[i]);
    }
    if (count)
        buf_text(out, "\r\n");
}

static void put_date(struct buf *out, int64_t date_s)
{
    static const char days[] = "SunMonTueWedThuFriSat";
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    struct tm tm;
    const time_t time = (time_t)date_s;
    gmtime_r(&time, &tm);
    buf_format(out, "Date: %.3s, %02d %.3s %d %02d:%02d:%02d +0000\r\n", days + 3 * tm.tm_wday,
               tm.tm_mday, months + 3 * tm.tm_mon, tm.tm_year + 1900, tm.tm_hour, tm.tm_min,
               tm.tm_sec);
}

/* --- parts ------------------------------------------------------------------------------------ */

static bool is_plain(const struct mail_text *text) /* goes as it is, with CRLF at the line ends */
{
    size_t line = 0;
    for (size_t i = 0; i < text->len; i++) {
        const unsigned char c = (unsigned char)text->data[i];
        line = c == '\n' ? 0 : line + 1;
        if (line > LINE + 2 || c >= 0x7f || (c < 0x20 && c != '\n' && c != '\t'))
            return false;
    }
    return true;
}

static void put_text(struct buf *out, const char *subtype, const struct mail_text *text)
{
    const bool plain = is_plain(text);
    buf_format(out, "Content-Type: text/%s; charset=UTF-8\r\nContent-Transfer-Encoding: %s\r\n\r\n",
               subtype, plain ? "7bit" : "quoted-printable");
    if (!plain) {
        put_quoted_printable(out, text->data, text->len);
        return;
    }
    for (size_t i = 0; i < text->len; i++) {
        if (text->data[i] == '\n')
            buf_byte(out, '\r');
        buf_byte(out, (uint8_t)text->data[i]);
    }
    if (text->len && text->data[text->len - 1] != '\n')
        buf_text(out, "\r\n");
}

static void put_filename(struct buf *out, const char *name)
{
    const size_t len = strlen(name);
    if (is_ascii(name, len)) {
        buf_text(out, "; filename=");
        put_quoted(out, name, len);
        return;
    }
    buf_text(out, ";\r\n filename*=UTF-8''"); /* RFC 2231 */
    struct buf clean = {0};
    text_put_utf8(&clean, name, len);
    for (size_t i = 0; i < clean.len; i++) {
        if (isalnum((unsigned char)clean.data[i]) || strchr("-._", clean.data[i]))
            buf_byte(out, (uint8_t)clean.data[i]);
        else
            put_hex(out, '%', (unsigned char)clean.data[i]);
    }
    buf_close(&clean);
}

static void put_file(struct buf *out, const struct mail_file *file)
{
    buf_format(out, "Content-Type: %s\r\nContent-Transfer-Encoding: base64\r\n",
               file->type ? file->type : "application/octet-stream");
    buf_text(out, "Content-Disposition: attachment");
    put_filename(out, file->name);
    buf_text(out, "\r\n\r\n");
    put_base64_lines(out, file->data.data, file->data.len);
}

/* The text, the HTML or a choice of both. */
static void put_content(struct buf *out, const struct mail *mail)
{
    if (!mail->html.data) {
        put_text(out, "plain", &mail->text);
        return;
    }
    if (!mail->text.data) {
        put_text(out, "html", &mail->html);
        return;
    }
    const char *boundary = mail->boundary;
    buf_format(out, "Content-Type: multipart/alternative; boundary=\"%s.a\"\r\n\r\n", boundary);
    buf_format(out, "--%s.a\r\n", boundary);
    put_text(out, "plain", &mail->text);
    buf_format(out, "\r\n--%s.a\r\n", boundary);
    put_text(out, "html", &mail->html);
    buf_format(out, "\r\n--%s.a--\r\n", boundary);
}

void mail_write(struct buf *out, const struct mail *mail)
{
    put_date(out, mail->date_s);
    buf_format(out, "Message-ID: %s\r\n", mail->id);
    put_addresses(out, "From: ", &mail->from, 1);
    put_addresses(out, "To: ", mail->to, mail->n_to);
    put_addresses(out, "Cc: ", mail->cc, mail->n_cc);
    put_addresses(out, "Reply-To: ", &mail->reply_to, mail->reply_to.spec != NULL);
    put_header(out, "Subject", mail->subject ? mail->subject : "");
    for (size_t i = 0; i < mail->n_headers; i++)
        put_header(out, mail->headers[i].name, mail->headers[i].value);
    buf_text(out, "MIME-Version: 1.0\r\n");
    if (!mail->n_files) {
        put_content(out, mail);
        return;
    }
    buf_format(out, "Content-Type: multipart/mixed; boundary=\"%s.m\"\r\n\r\n--%s.m\r\n",
               mail->boundary, mail->boundary);
    put_content(out, mail);
    for (size_t i = 0; i < mail->n_files; i++) {
        buf_format(out, "\r\n--%s.m\r\n", mail->boundary);
        put_file(out, &mail->files[i]);
    }
    buf_format(out, "\r\n--%s.m--\r\n", mail->boundary);
}
