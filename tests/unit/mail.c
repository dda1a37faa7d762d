/* Mails as text: what may stand where, and what no input gets past. */
#include "model/mail.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include <string.h>

static const struct mail_address ada = {"", 0, "ada@example.org", 15};

static struct mail plain(const char *text)
{
    return (struct mail){
        .from = ada,
        .to = &ada,
        .n_to = 1,
        .text = {text, strlen(text)},
        .date_s = 1767225600,
        .id = "<1@example.org>",
        .boundary = "edge",
    };
}

static void expect(const struct mail *mail, const char *want)
{
    struct buf out = {0};
    mail_write(&out, mail);
    assert_string_equal(buf_string(&out), want);
    buf_close(&out);
}

#define HEAD                                                                                       \
    "Date: Thu, 01 Jan 2026 00:00:00 +0000\r\nMessage-ID: <1@example.org>\r\n"                     \
    "From: <ada@example.org>\r\nTo: <ada@example.org>\r\n"

static void a_whole_mail(void **state)
{
    (void)state;
    struct mail mail = plain("hello\n.\nü=");
    mail.subject = "Tr\xC3\xA8s long subject beyond one word";
    expect(&mail, HEAD "Subject: =?UTF-8?B?VHLDqHMgbG9uZyBzdWJqZWN0IGJleW9u?=\r\n"
                       " =?UTF-8?B?ZCBvbmUgd29yZA==?=\r\n"
                       "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=UTF-8\r\n"
                       "Content-Transfer-Encoding: quoted-printable\r\n\r\n"
                       "hello\r\n.\r\n=C3=BC=3D\r\n");
}

static void parts(void **state)
{
    (void)state;
    const struct mail_file file = {"a \"b\".txt", NULL, {"\0\1\2\3", 4}};
    struct mail mail = plain("t");
    mail.html = (struct mail_text){"<p>", 3};
    mail.files = &file;
    mail.n_files = 1;
    expect(&mail,
           HEAD "Subject: \r\nMIME-Version: 1.0\r\n"
                "Content-Type: multipart/mixed; boundary=\"edge.m\"\r\n\r\n--edge.m\r\n"
                "Content-Type: multipart/alternative; boundary=\"edge.a\"\r\n\r\n--edge.a\r\n"
                "Content-Type: text/plain; charset=UTF-8\r\n"
                "Content-Transfer-Encoding: 7bit\r\n\r\nt\r\n\r\n--edge.a\r\n"
                "Content-Type: text/html; charset=UTF-8\r\n"
                "Content-Transfer-Encoding: 7bit\r\n\r\n<p>\r\n\r\n--edge.a--\r\n"
                "\r\n--edge.m\r\nContent-Type: application/octet-stream\r\n"
                "Content-Transfer-Encoding: base64\r\n"
                "Content-Disposition: attachment; filename=\"a \\\"b\\\".txt\"\r\n\r\n"
                "AAECAw==\r\n\r\n--edge.m--\r\n");
}

static void addresses(void **state)
{
    static const char *const good[] = {
        "ada@example.org", " ada@example.org ",   "Ada <ada@example.org>", "\"A, \\\"B\" <a@b.c>",
        "<a@b.c>",         "a+b=c/d@[127.0.0.1]", "Z\xC3\xB6 <a@b.c>",     "o'hara@b.c",
    };
    static const char *const bad[] = {
        "",
        "a",
        "@b",
        "a@",
        "a b@c",
        "a@b c",
        "a@b>",
        "<a@b",
        "a@b, c@d",
        "A, B <a@b>",
        "\"A <a@b>",
        "a\n@b",
        "a@b\r\nX:",
        "A\r\n <a@b>",
        "<a@b> x",
        "\xC3\xB6@b.c",
        "a@\xC3\xB6.c",
        "a<b>@c",
        "a@b@",
        "<>",
        "\"\" \"<a@b>",
        "A <a@b> <c@d>",
    };
    struct mail_address address;
    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        if (!mail_address_parse(good[i], strlen(good[i]), &address))
            fail_msg("refused: %s", good[i]);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (mail_address_parse(bad[i], strlen(bad[i]), &address))
            fail_msg("taken: %s", bad[i]);
    assert_false(mail_address_parse("a@b\0c", 5, &address));
}

static void names_and_types(void **state)
{
    (void)state;
    assert_true(mail_header_name("X-A") && mail_header_name("List-Unsubscribe"));
    assert_false(mail_header_name("") || mail_header_name("A:") || mail_header_name("A B") ||
                 mail_header_name("bCC") || mail_header_name("content-type"));
    assert_true(mail_type("text/plain") && mail_type("text/plain; charset=UTF-8"));
    assert_false(mail_type("") || mail_type("text") || mail_type("text/") || mail_type("/x") ||
                 mail_type("a/b\r\nX: y") || mail_type("a b/c") || mail_type("a/b/c"));
}

/* Whatever the bytes: lines are short, end in CRLF, and hold ASCII alone. */
static void any_bytes(void **state)
{
    char text[300];
    (void)state;
    srand(7);
    for (int round = 0; round < 3000; round++) {
        const size_t len = (size_t)rand() % sizeof text;
        for (size_t i = 0; i < len; i++)
            text[i] = (char)(round % 2 ? rand() : " \t\r\n.=aB\xC3\xBC"[rand() % 10]);
        struct mail mail = plain("");
        char subject[sizeof text + 1];
        memcpy(subject, text, len);
        subject[len] = 0;
        mail.text = (struct mail_text){text, len};
        mail.subject = mail_header_text(subject, strlen(subject)) ? subject : NULL;
        struct buf out = {0};
        mail_write(&out, &mail);
        size_t line = 0;
        for (size_t i = 0; i < out.len; i++) {
            const unsigned char c = (unsigned char)out.data[i];
            assert_true(c < 0x7f && (c >= 0x20 || c == '\t' || c == '\r' || c == '\n'));
            if (c == '\n')
                assert_true(i > 0 && out.data[i - 1] == '\r');
            if (c == '\r')
                assert_true(i + 1 < out.len && out.data[i + 1] == '\n');
            line = c == '\n' ? 0 : line + 1;
            assert_true(line <= 998);
        }
        assert_true(out.len > 2 && out.data[out.len - 1] == '\n');
        buf_close(&out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_whole_mail),    cmocka_unit_test(parts),     cmocka_unit_test(addresses),
        cmocka_unit_test(names_and_types), cmocka_unit_test(any_bytes),
    };
    return cmocka_run_group_tests_name("mail", tests, NULL, NULL);
}
