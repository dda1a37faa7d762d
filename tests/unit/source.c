#include "parts/source.h"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/embedded.h"
#include "tree.h"

struct fixture {
    struct tree tree;
    char root[2][512];
    const char *dirs[2];
    struct source_roots roots;
    struct source_listing listing;
    char problems[4096];
    struct neap_error err;
};

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    tree_init(&f->tree);
    tree_mkdir(&f->tree, "a");
    tree_mkdir(&f->tree, "b");
    f->dirs[0] = tree_path(&f->tree, "a", f->root[0]);
    f->dirs[1] = tree_path(&f->tree, "b", f->root[1]);
    f->roots = (struct source_roots){.dirs = f->dirs, .n_dirs = 2, .required = true};
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    source_listing_close(&f->listing);
    tree_close(&f->tree);
    free(f);
    return 0;
}

static void note(void *user, const char *text)
{
    struct fixture *f = user;
    size_t len = strlen(f->problems);
    snprintf(f->problems + len, sizeof f->problems - len, "%s\n", text);
}

static int list(struct fixture *f)
{
    source_listing_close(&f->listing);
    return source_list(&f->roots, &f->listing, f, note, &f->err);
}

static const struct source_place *place(struct fixture *f, const char *name)
{
    for (size_t i = 0; i < f->listing.n_places; i++)
        if (!strcmp(f->listing.places[i].name, name))
            return &f->listing.places[i];
    return NULL;
}

static const struct source_place *find(struct fixture *f, const char *name)
{
    assert_int_equal(list(f), NEAP_OK);
    const struct source_place *found = place(f, name);
    assert_non_null(found);
    return found;
}

static struct source *load(struct fixture *f, const char *name)
{
    struct source *source = NULL;
    assert_int_equal(source_read(find(f, name), &source, &f->err), NEAP_OK);
    return source;
}

/* "send.lua* lib/x.lua": a star for tasks */
static const char *files(const struct source *source, char out[1024])
{
    out[0] = 0;
    for (size_t i = 0; i < source->n_files; i++)
        snprintf(out + strlen(out), 1024 - strlen(out), "%s%s%s", i ? " " : "",
                 source->files[i].path, source->files[i].task ? "*" : "");
    return out;
}

static void assert_broken(struct fixture *f, const char *name, const char *why)
{
    struct source *source = NULL;
    f->err.message[0] = 0;
    assert_int_equal(source_read(find(f, name), &source, &f->err), NEAP_ECONFIG);
    assert_null(source);
    if (!strstr(f->err.message, why))
        fail_msg("\"%s\" does not say \"%s\"", f->err.message, why);
}

static void tells_tasks_from_helpers(void **state)
{
    struct fixture *f = *state;
    char text[1024];
    tree_write(&f->tree, "a/mail/send.lua", "return 1");
    tree_write(&f->tree, "a/mail/a-b_2.lua", "return 2");
    tree_write(&f->tree, "a/mail/_common.lua", "return 3");
    tree_write(&f->tree, "a/mail/send_test.lua", "no");
    tree_write(&f->tree, "a/mail/.hidden.lua", "no");
    tree_write(&f->tree, "a/mail/send.v2.lua", "no");
    tree_write(&f->tree, "a/mail/README", "no");
    tree_write(&f->tree, "a/mail/data/x.lua", "no");
    tree_write(&f->tree, "a/mail/lib/x.lua", "return 4");
    tree_write(&f->tree, "a/mail/lib/deep/y.lua", "return 5");
    tree_write(&f->tree, "a/mail/lib/x_test.lua", "no");
    struct source *source = load(f, "mail");
    assert_string_equal(files(source, text),
                        "_common.lua a-b_2.lua* lib/deep/y.lua lib/x.lua send.lua*");
    assert_string_equal(source->name, "mail");
    assert_false(source->single);
    assert_string_equal(source->files[4].data, "return 1");
    assert_int_equal(source->files[4].len, 8);
    char *path = source_path(source, "send.lua");
    assert_string_equal(path, tree_path(&f->tree, "a/mail/send.lua", text));
    free(path);
    assert_ptr_equal(source_helper(source, "lib/x.lua", NULL), &source->files[3]);
    assert_null(source_helper(source, "lib/z.lua", NULL));
    source_unref(source);
    assert_string_equal(f->problems, "");
}

static void lists_plugins_by_name(void **state)
{
    struct fixture *f = *state;
    tree_write(&f->tree, "a/zeta/t.lua", "x");
    tree_write(&f->tree, "a/hello.lua", "x");
    tree_write(&f->tree, "a/_off/t.lua", "x");
    tree_write(&f->tree, "a/.git/t.lua", "x");
    tree_write(&f->tree, "a/no tasks.here/t.lua", "x");
    tree_write(&f->tree, "a/only/lib/t.lua", "x");
    tree_write(&f->tree, "a/_x.lua", "x");
    tree_write(&f->tree, "a/hello_test.lua", "x");
    tree_write(&f->tree, "b/beta/t.lua", "x");
    assert_int_equal(list(f), NEAP_OK);
    size_t own = 0;
    for (size_t i = 0; i < f->listing.n_places; i++) {
        own += !f->listing.places[i].stock;
        assert_true(!i || strcmp(f->listing.places[i - 1].name, f->listing.places[i].name) < 0);
    }
    assert_int_equal(own, 3);
    assert_non_null(place(f, "zeta"));
    assert_non_null(place(f, "beta"));
    assert_string_equal(place(f, "hello")->file, "hello.lua");
    struct source *source = load(f, "hello");
    assert_true(source->single);
    assert_true(source->files[0].task);
    source_unref(source);
    size_t watched = 0; /* a, b, zeta, beta, only, only/lib: also what may become a plugin */
    for (size_t i = 0; i < f->listing.n_dirs; i++)
        watched += f->listing.dirs[i].ino != 0;
    assert_int_equal(watched, 6);
}

static void an_earlier_root_shadows(void **state)
{
    struct fixture *f = *state;
    char text[512];
    tree_write(&f->tree, "a/mail/one.lua", "x");
    tree_write(&f->tree, "b/mail/two.lua", "x");
    tree_write(&f->tree, "b/hello/t.lua", "x");
    tree_write(&f->tree, "a/hello.lua", "x");
    assert_string_equal(find(f, "mail")->dir, tree_path(&f->tree, "a/mail", text));
    assert_string_equal(find(f, "hello")->file, "hello.lua");
    assert_string_equal(f->problems, "");
    tree_write(&f->tree, "a/mail.lua", "x");
    assert_null(find(f, "mail")->file);
    assert_non_null(strstr(f->problems, "mail.lua: left out"));
}

static void stock_plugins_come_last(void **state)
{
    struct fixture *f = *state;
    const char *path = NULL;
    for (size_t i = 0; i < embedded_count && !path; i++)
        if (!strncmp(embedded_files[i].path, "plugins/", 8))
            path = embedded_files[i].path + 8;
    if (!path) {
        skip();
        return;
    }
    char name[64], file[128];
    snprintf(name, sizeof name, "%.*s", (int)strcspn(path, "/"), path);
    assert_true(find(f, name)->stock);
    assert_int_equal(source_settle_ms(place(f, name), 0, true), 0);
    struct source *source = load(f, name);
    assert_int_equal(source->n_files, place(f, name)->files);
    assert_true(!strncmp(source->dir, "neap:plugins/", 13));
    assert_non_null(source_helper(source, path + strlen(name) + 1, NULL));
    source_unref(source);
    snprintf(file, sizeof file, "b/%s/mine.lua", name);
    tree_write(&f->tree, file, "x");
    assert_false(find(f, name)->stock);
}

static void missing_roots(void **state)
{
    struct fixture *f = *state;
    char path[512];
    f->dirs[1] = tree_path(&f->tree, "nowhere", path);
    assert_int_equal(list(f), NEAP_ENOENT);
    assert_non_null(strstr(f->err.message, "nowhere: no such directory of plugins"));
    assert_int_equal(f->listing.n_places, 0);
    f->roots.required = false;
    assert_int_equal(list(f), NEAP_OK);
    tree_write(&f->tree, "nowhere", "a file");
    assert_int_equal(list(f), NEAP_OK);
}

static void broken_versions_say_why(void **state)
{
    struct fixture *f = *state;
    char path[512];
    tree_write(&f->tree, "a/p/t.lua", "return 1");
    tree_write(&f->tree, "a/p/lib/empty.lua", "%s", "");
    assert_broken(f, "p", "a/p/lib/empty.lua: the file is empty");
    tree_remove(&f->tree, "a/p/lib/empty.lua");
    assert_int_equal(symlink("/nowhere", tree_path(&f->tree, "a/p/link.lua", path)), 0);
    assert_broken(f, "p", "a/p/link.lua: No such file");
    tree_remove(&f->tree, "a/p/link.lua");
    assert_int_equal(mkfifo(tree_path(&f->tree, "a/p/pipe.lua", path), 0600), 0);
    assert_broken(f, "p", "a/p/pipe.lua: not a regular file");
    tree_remove(&f->tree, "a/p/pipe.lua");
    tree_write(&f->tree, "a/p/big.lua", "x");
    assert_int_equal(truncate(tree_path(&f->tree, "a/p/big.lua", path), 4 * 1024 * 1024 + 1), 0);
    assert_broken(f, "p", "a/p/big.lua: larger than 4 MiB");
    tree_remove(&f->tree, "a/p/big.lua");
    tree_write(&f->tree, "a/p/a234567890123456789012345678901234567890.lua", "x");
    assert_broken(f, "p", "longer than 40 bytes");
    tree_remove(&f->tree, "a/p/a234567890123456789012345678901234567890.lua");
    tree_write(&f->tree, "a/a2345678901234567890123456789012345678901.lua", "x");
    source_unref(load(f, "p"));
    assert_non_null(strstr(f->problems, "longer than 40 bytes"));
    if (!geteuid())
        return;
    chmod(tree_path(&f->tree, "a/p/t.lua", path), 0);
    assert_broken(f, "p", "Permission denied");
}

static void sizes_are_limited(void **state)
{
    struct fixture *f = *state;
    char path[512], name[64];
    for (int i = 0; i < 17; i++) {
        snprintf(name, sizeof name, "a/p/t%d.lua", i);
        tree_write(&f->tree, name, "x");
        assert_int_equal(truncate(tree_path(&f->tree, name, path), 4 * 1024 * 1024), 0);
    }
    assert_broken(f, "p", "more than 64 MiB");
    for (int i = 0; i < 4097; i++) {
        snprintf(name, sizeof name, "a/q/lib/t%d.lua", i);
        tree_write(&f->tree, name, "x");
    }
    tree_write(&f->tree, "a/q/t.lua", "x");
    assert_broken(f, "q", "more than 4096 files");
    tree_remove(&f->tree, "a/q/lib/t1.lua");
    tree_remove(&f->tree, "a/q/lib/t2.lua");
    source_unref(load(f, "q"));
}

static void stamps_and_hashes_follow_changes(void **state)
{
    struct fixture *f = *state;
    tree_write(&f->tree, "a/p/t.lua", "return 1");
    tree_write(&f->tree, "a/p/lib/x.lua", "return 1");
    struct source *first = load(f, "p");
    uint64_t stamp = place(f, "p")->stamp;
    assert_true(find(f, "p")->stamp == stamp);
    tree_write(&f->tree, "a/p/notes.txt", "no part of it");
    assert_true(find(f, "p")->stamp == stamp);
    tree_age(&f->tree);
    tree_write(&f->tree, "a/p/t.lua", "return 1");
    struct source *touched = load(f, "p");
    assert_true(place(f, "p")->stamp != stamp);
    assert_true(touched->hash == first->hash);
    stamp = place(f, "p")->stamp;
    tree_write(&f->tree, "a/p/lib/x.lua", "return 2");
    struct source *other = load(f, "p");
    assert_true(place(f, "p")->stamp != stamp);
    assert_true(other->hash != first->hash);
    stamp = place(f, "p")->stamp;
    tree_rename(&f->tree, "a/p/t.lua", "a/p/u.lua");
    struct source *renamed = load(f, "p");
    assert_true(place(f, "p")->stamp != stamp);
    assert_true(renamed->hash != other->hash);
    source_unref(first);
    source_unref(touched);
    source_unref(other);
    source_unref(renamed);
}

static void a_change_since_the_listing_is_seen(void **state)
{
    struct fixture *f = *state;
    struct source *source = NULL;
    tree_write(&f->tree, "a/p/t.lua", "return 1");
    const struct source_place *before = find(f, "p");
    tree_age(&f->tree);
    tree_write(&f->tree, "a/p/t.lua", "return 2");
    assert_int_equal(source_read(before, &source, &f->err), NEAP_ETIME);
    before = find(f, "p");
    tree_write(&f->tree, "a/p/new.lua", "return 2");
    assert_int_equal(source_read(before, &source, &f->err), NEAP_ETIME);
    before = find(f, "p");
    tree_rename(&f->tree, "a/p", "a/q");
    assert_int_equal(source_read(before, &source, &f->err), NEAP_ETIME);
    tree_write(&f->tree, "a/p/t.lua", "return 2");
    assert_int_equal(source_read(before, &source, &f->err), NEAP_ETIME);
    assert_null(source);
}

static void settles_after_a_while(void **state)
{
    (void)state;
    struct source_place p = {.newest_ms = 1000};
    assert_int_equal(source_settle_ms(&p, 1000, false), 50);
    assert_int_equal(source_settle_ms(&p, 1049, false), 1);
    assert_int_equal(source_settle_ms(&p, 1050, false), 0);
    assert_int_equal(source_settle_ms(&p, 1050, true), 200);
    assert_int_equal(source_settle_ms(&p, 990, false), 60); /* while it was listed */
    assert_int_equal(source_settle_ms(&p, -1001, true), 0);
    p.busy = true;
    assert_int_equal(source_settle_ms(&p, 1050, false), 4950);
    assert_int_equal(source_settle_ms(&p, 6000, false), 0);
}

static void transfers_are_noticed(void **state)
{
    struct fixture *f = *state;
    tree_write(&f->tree, "a/p/t.lua", "return 1");
    tree_write(&f->tree, "a/p/lib/x.lua", "return 1");
    tree_write(&f->tree, "a/s.lua", "return 1");
    assert_false(find(f, "p")->busy);
    tree_write(&f->tree, "a/p/lib/.x.lua.aB3xY9", "ret");
    assert_true(find(f, "p")->busy);
    assert_false(place(f, "s")->busy);
    tree_rename(&f->tree, "a/p/lib/.x.lua.aB3xY9", "a/.s.lua.aB3xY9");
    assert_false(find(f, "p")->busy);
    assert_true(place(f, "s")->busy);
    tree_remove(&f->tree, "a/.s.lua.aB3xY9");
    tree_mkdir(&f->tree, "a/p/.~tmp~");
    assert_true(find(f, "p")->busy);
    tree_rename(&f->tree, "a/p/.~tmp~", "a/p/other");
    tree_write(&f->tree, ".git/index.lock", "x");
    assert_true(find(f, "p")->busy);
    tree_remove(&f->tree, ".git/index.lock");
    assert_false(find(f, "p")->busy);
    tree_write(&f->tree, "b/.git", "gitdir: ../real/git\n");
    tree_write(&f->tree, "b/q/t.lua", "return 1");
    assert_false(find(f, "q")->busy);
    tree_write(&f->tree, "real/git/index.lock", "x");
    assert_true(find(f, "q")->busy);
    assert_false(place(f, "p")->busy);
}

/* A program of that name which works in `dir` for a while. */
static pid_t pretend_rsync(struct fixture *f, const char *dir)
{
    char path[512], program[512], byte;
    int ends[2];
    assert_int_equal(tree_run(&f->tree, "cp \"$(command -v sleep)\" rsync"), 0);
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    pid_t child = fork();
    if (!child) {
        if (!chdir(tree_path(&f->tree, dir, path)))
            execl(tree_path(&f->tree, "rsync", program), "rsync", "60", NULL);
        _exit(1);
    }
    close(ends[1]);
    assert_int_equal(read(ends[0], &byte, 1), 0); /* closed: it runs */
    close(ends[0]);
    return child;
}

static void a_running_rsync_is_noticed(void **state)
{
    struct fixture *f = *state;
    static const char *const dirs[] = {"a/p", "a/p/lib", "a", "a/q"};
    for (int i = 0; i < 4; i++) {
        tree_write(&f->tree, "a/p/t.lua", "return 1");
        tree_write(&f->tree, "a/p/lib/x.lua", "return 1");
        tree_write(&f->tree, "a/q/t.lua", "return 1");
        pid_t rsync = pretend_rsync(f, dirs[i]);
        assert_int_equal(find(f, "p")->busy, i < 3);
        kill(rsync, SIGKILL);
        waitpid(rsync, NULL, 0);
        assert_false(find(f, "p")->busy);
    }
}

static const char *operand(struct fixture *f, const char *path, char out[NEAP_TASK_MAX + 1])
{
    static char full[512];
    f->roots.task_file = tree_path(&f->tree, path, full);
    assert_int_equal(source_file_task(&f->roots, out, &f->err), NEAP_OK);
    return out;
}

static void a_file_inside_a_root_is_its_task(void **state)
{
    struct fixture *f = *state;
    char name[NEAP_TASK_MAX + 1], text[512];
    tree_write(&f->tree, "a/mail/one.lua", "x");
    tree_write(&f->tree, "b/mail/send.lua", "x");
    tree_write(&f->tree, "b/hello.lua", "x");
    assert_string_equal(operand(f, "b/hello.lua", name), "hello");
    assert_string_equal(operand(f, "b/mail/send.lua", name), "mail.send");
    assert_string_equal(find(f, "mail")->dir, tree_path(&f->tree, "b/mail", text));
    tree_flip(&f->tree, "b/linked", "../b/mail");
    assert_string_equal(operand(f, "b/linked/../mail/send.lua", name), "mail.send");
    tree_write(&f->tree, "a/mail/_x.lua", "x");
    assert_string_equal(operand(f, "a/mail/_x.lua", name), "_x");
    f->roots.task_file = "/nowhere/x.lua";
    assert_int_equal(source_file_task(&f->roots, name, &f->err), NEAP_ENOENT);
    assert_string_equal(f->err.message, "/nowhere/x.lua: no such file");
    assert_int_equal(list(f), NEAP_ENOENT);
    f->roots.task_file = "/tmp";
    assert_int_equal(source_file_task(&f->roots, name, &f->err), NEAP_ENOENT);
}

static void a_file_from_elsewhere_is_a_plugin(void **state)
{
    struct fixture *f = *state;
    char name[NEAP_TASK_MAX + 1];
    tree_write(&f->tree, "a/my_job/t.lua", "x");
    tree_write(&f->tree, "else/my job.lua", "return 1");
    tree_write(&f->tree, "else/util.lua", "return 2");
    tree_write(&f->tree, "else/lib/x.lua", "return 3");
    assert_string_equal(operand(f, "else/my job.lua", name), "my_job");
    assert_true(find(f, "my_job")->beside);
    struct source *source = load(f, "my_job");
    assert_int_equal(source->n_files, 1);
    assert_true(source->single && source->files[0].task);
    const struct source_file *util = source_helper(source, "util.lua", &f->err);
    assert_non_null(util);
    assert_string_equal(util->data, "return 2");
    tree_write(&f->tree, "else/util.lua", "return 22");
    assert_ptr_equal(source_helper(source, "util.lua", &f->err), util);
    assert_string_equal(source_helper(source, "lib/x.lua", &f->err)->data, "return 3");
    assert_null(source_helper(source, "none.lua", &f->err));
    assert_int_equal(f->err.code, NEAP_OK);
    assert_null(source_helper(source, "../a/my_job/t.lua", &f->err));
    assert_null(source_helper(source, "lib/../../a/my_job/t.lua", &f->err));
    assert_null(source_helper(source, "/etc/passwd", &f->err));
    assert_null(source_helper(source, "lib", &f->err));
    assert_int_equal(f->err.code, NEAP_EIO);
    source_unref(source);
}

static void a_pipe_can_be_a_file(void **state)
{
    struct fixture *f = *state;
    static char path[64];
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(write(ends[1], "return 1", 8), 8);
    close(ends[1]);
    snprintf(path, sizeof path, "/dev/fd/%d", ends[0]);
    f->roots.task_file = path;
    struct source *source = load(f, strrchr(path, '/') + 1);
    assert_string_equal(source->files[0].data, "return 1");
    source_unref(source);
    close(ends[0]);
}

static void no_descriptor_stays_open(void **state)
{
    struct fixture *f = *state;
    tree_write(&f->tree, "a/p/t.lua", "return 1");
    tree_write(&f->tree, "a/p/lib/deep/x.lua", "return 1");
    tree_write(&f->tree, "a/q/t.lua", "return 1");
    tree_write(&f->tree, "a/q/lib/x.lua", "%s", "");
    int before = dup(0);
    close(before);
    for (int i = 0; i < 50; i++) {
        struct source *source = NULL;
        source_unref(load(f, "p"));
        assert_broken(f, "q", "empty");
        f->roots.task_file = i % 2 ? "/etc/hostname" : NULL;
        assert_int_equal(list(f), NEAP_OK);
        tree_rename(&f->tree, "a/p", "a/r");
        assert_int_not_equal(source_read(place(f, "p"), &source, &f->err), NEAP_OK);
        tree_rename(&f->tree, "a/r", "a/p");
    }
    int after = dup(0);
    close(after);
    assert_int_equal(before, after);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(tells_tasks_from_helpers),
        TEST(lists_plugins_by_name),
        TEST(an_earlier_root_shadows),
        TEST(stock_plugins_come_last),
        TEST(missing_roots),
        TEST(broken_versions_say_why),
        TEST(sizes_are_limited),
        TEST(stamps_and_hashes_follow_changes),
        TEST(a_change_since_the_listing_is_seen),
        TEST(settles_after_a_while),
        TEST(transfers_are_noticed),
        TEST(a_running_rsync_is_noticed),
        TEST(a_file_inside_a_root_is_its_task),
        TEST(a_file_from_elsewhere_is_a_plugin),
        TEST(a_pipe_can_be_a_file),
        TEST(no_descriptor_stays_open),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
