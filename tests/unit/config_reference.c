/* docs/configuration.md says what the table says. With --write this program makes it anew. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/buf.h"
#include "model/config.h"
#include "model/config_options.h"

#define PAGE "docs/configuration.md"

static const char *self;

/* To the root of the source tree, from anywhere below. */
static int enter_root(void)
{
    char here[4096];
    while (access("core/neap.h", F_OK) != 0)
        if (!getcwd(here, sizeof here) || strcmp(here, "/") == 0 || chdir(".."))
            return -1;
    return 0;
}

static char *committed(void)
{
    struct buf text = {0};
    char part[4096];
    FILE *f = fopen(PAGE, "re");
    size_t len;
    while (f && (len = fread(part, 1, sizeof part, f)) > 0)
        buf_put(&text, part, len);
    if (f)
        fclose(f);
    return buf_take(&text);
}

static void the_page_is_up_to_date(void **state)
{
    (void)state;
    assert_int_equal(enter_root(), 0);
    char *page = config_reference(), *text = committed();
    if (strcmp(page, text) != 0)
        fail_msg("%s differs from the table: run %s --write and commit it", PAGE, self);
    free(page);
    free(text);
}

/* What the parser counts on. */
static void the_table_is_sound(void **state)
{
    (void)state;
    for (size_t i = 0; i < SECTIONS; i++) {
        const struct section_kind *kind = &section_kinds[i];
        assert_int_equal(kind->number, i);
        assert_ptr_equal(section_find(kind->name, strlen(kind->name)), kind);
        for (size_t n = 0; n < kind->n_options; n++) {
            const struct option *option = &kind->options[n];
            assert_ptr_equal(option_find(kind, option->key), option);
            assert_non_null(option->help);
        }
    }
}

static int write_page(void)
{
    char *page = config_reference();
    FILE *f = enter_root() == 0 ? fopen(PAGE, "we") : NULL;
    const int rc = !f || fputs(page, f) < 0;
    free(page);
    return (f && fclose(f)) || rc;
}

int main(int argc, char **argv)
{
    self = argv[0];
    if (argc > 1 && strcmp(argv[1], "--write") == 0)
        return write_page();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_table_is_sound),
        cmocka_unit_test(the_page_is_up_to_date),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
