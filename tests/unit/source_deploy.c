/* Deploys as people do them, over and over, while another thread looks: whatever it reads is of one
 * version. */
#include "parts/source.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "base/clock.h"
#include "tree.h"

enum { FILES = 5, WAIT_MS = 30000 };

static const char *const names[FILES] = {"a.lua", "b.lua", "c.lua", "lib/d.lua", "lib/deep/e.lua"};

struct watcher { /* the test's thread writes `stop` only; the watching one the rest */
    struct source_roots roots;
    const char *dir;
    pthread_t thread;
    atomic_bool stop;
    uint64_t shape;    /* of that version, as a loader keeps it */
    atomic_int latest; /* version read last */
    atomic_int reads, versions;
    char mixed[512]; /* read after the join */
};

static void ignore(void *user, const char *text)
{
    (void)user;
    (void)text;
}

/* Each file begins with "return VERSION". */
static void check(struct watcher *w, const struct source *source, int64_t age_ms)
{
    int version = -1;
    for (size_t i = 0; i < source->n_files; i++) {
        int own = atoi(source->files[i].data + strlen("return "));
        if (version < 0)
            version = own;
        if (own != version && !w->mixed[0])
            snprintf(w->mixed, sizeof w->mixed, "%s is %d, the others %d", source->files[i].path,
                     own, version);
    }
    /* Even versions have one more file, odd ones another. */
    bool even = source_helper((struct source *)source, "even.lua", NULL) != NULL;
    bool odd = source_helper((struct source *)source, "odd.lua", NULL) != NULL;
    if ((even != (version % 2 == 0) || odd == even || source->n_files != FILES + 1) && !w->mixed[0])
        snprintf(w->mixed, sizeof w->mixed, "version %d has %zu files, even %d, odd %d, age %d ms",
                 version, source->n_files, even, odd, (int)age_ms);
    atomic_fetch_add(&w->reads, 1);
    if (atomic_exchange(&w->latest, version) != version)
        atomic_fetch_add(&w->versions, 1);
}

static void look(struct watcher *w)
{
    struct source_listing listing;
    struct neap_error err;
    if (source_list(&w->roots, &listing, NULL, ignore, &err))
        return;
    for (size_t i = 0; i < listing.n_places; i++) {
        const struct source_place *place = &listing.places[i];
        struct source *source = NULL;
        if (strcmp(place->name, "p") != 0 ||
            source_settle_ms(place, listing.unix_ms, place->shape != w->shape))
            continue;
        int rc = source_read(place, &source, &err);
        if (!rc) {
            check(w, source, listing.unix_ms - place->newest_ms);
            w->shape = place->shape;
        } else if (rc != NEAP_ETIME && !w->mixed[0])
            snprintf(w->mixed, sizeof w->mixed, "%.400s", err.message);
        source_unref(source);
    }
    source_listing_close(&listing);
}

static void *watch(void *arg)
{
    struct watcher *w = arg;
    while (!atomic_load(&w->stop)) {
        look(w);
        nanosleep(&(struct timespec){.tv_nsec = 300000}, NULL);
    }
    return NULL;
}

static void watcher_start(struct watcher *w, const char *root)
{
    w->dir = root;
    w->roots = (struct source_roots){.dirs = &w->dir, .n_dirs = 1};
    atomic_init(&w->latest, -1);
    assert_int_equal(pthread_create(&w->thread, NULL, watch, w), 0);
}

static void nap(int ms)
{
    nanosleep(&(struct timespec){.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L}, NULL);
}

static void wait_for(struct watcher *w, int version)
{
    const int64_t until_ms = clock_mono_ms() + WAIT_MS;
    while (atomic_load(&w->latest) != version && clock_mono_ms() < until_ms)
        nap(5);
}

/* The last version arrives, no read was mixed, and most versions were seen. */
static void watcher_end(struct watcher *w, int last, int least)
{
    wait_for(w, last);
    atomic_store(&w->stop, true);
    pthread_join(w->thread, NULL);
    assert_string_equal(w->mixed, "");
    assert_int_equal(atomic_load(&w->latest), last);
    print_message("             %d reads, %d versions seen\n", atomic_load(&w->reads),
                  atomic_load(&w->versions));
    assert_true(atomic_load(&w->versions) >= least);
}

/* Contents differ in length, too, for rsync compares sizes and whole seconds. */
static void write_version(struct tree *tree, const char *dir, int version)
{
    char path[256];
    for (int i = 0; i < FILES; i++) {
        snprintf(path, sizeof path, "%s/%s", dir, names[i]);
        tree_write(tree, path, "return %d --%*s\n", version, 2000 + version % 500, "");
    }
    snprintf(path, sizeof path, "%s/%s", dir, version % 2 ? "odd.lua" : "even.lua");
    tree_write(tree, path, "return %d --%*s\n", version, 2000 + version % 500, "");
}

static int rounds(int usual)
{
    const char *times = getenv("NEAP_TEST_TIMES");
    return usual * (times ? atoi(times) : 1);
}

/* Of what takes long; a few with NEAP_SHORT. */
static int slow_rounds(int usual)
{
    return getenv("NEAP_SHORT") ? 3 : rounds(usual);
}

static int set_up(void **state)
{
    struct tree *tree = calloc(1, sizeof *tree);
    tree_init(tree);
    srand(1);
    *state = tree;
    return 0;
}

static int tear_down(void **state)
{
    tree_close(*state);
    free(*state);
    return 0;
}

/* A flip is one rename: there is no need to wait between them. */
static void flips_of_the_plugin(void **state)
{
    struct tree *tree = *state;
    struct watcher w = {0};
    char root[512];
    int last = rounds(200);
    write_version(tree, "v0", 0);
    write_version(tree, "v1", 1);
    tree_mkdir(tree, "plugins");
    tree_flip(tree, "plugins/p", "../v0");
    watcher_start(&w, tree_path(tree, "plugins", root));
    for (int i = 1; i <= last; i++) {
        tree_flip(tree, "plugins/p", i % 2 ? "../v1" : "../v0");
        nap(rand() % 6);
    }
    watcher_end(&w, last % 2, 20);
}

static void flips_of_the_root(void **state)
{
    struct tree *tree = *state;
    struct watcher w = {0};
    char root[512];
    int last = rounds(200);
    write_version(tree, "v0/plugins/p", 0);
    write_version(tree, "v1/plugins/p", 1);
    tree_flip(tree, "current", "v0");
    watcher_start(&w, tree_path(tree, "current/plugins", root));
    for (int i = 1; i <= last; i++) {
        tree_flip(tree, "current", i % 2 ? "v1" : "v0");
        nap(rand() % 6);
    }
    watcher_end(&w, last % 2, 20);
}

/* A release is unpacked, flipped to, and the one before the last deleted. */
static void releases(void **state)
{
    struct tree *tree = *state;
    struct watcher w = {0};
    char root[512], dir[64];
    int last = slow_rounds(40);
    tree_mkdir(tree, "releases");
    tree_mkdir(tree, "plugins");
    watcher_start(&w, tree_path(tree, "plugins", root));
    for (int i = 1; i <= last; i++) {
        snprintf(dir, sizeof dir, "releases/%d", i);
        write_version(tree, dir, i);
        snprintf(dir, sizeof dir, "../releases/%d", i);
        tree_flip(tree, "plugins/p", dir);
        assert_int_equal(tree_run(tree, "rm -rf releases/%d", i - 1), 0);
        nap(rand() % 400);
    }
    watcher_end(&w, last, last / 10);
}

static void git_checkouts(void **state)
{
    struct tree *tree = *state;
    struct watcher w = {0};
    char root[512];
    if (!tree_has_program("git"))
        skip();
    assert_int_equal(tree_run(tree, "mkdir r && cd r && git init -q && git config user.name t && "
                                    "git config user.email t@t && git config gc.auto 0"),
                     0);
    int last = slow_rounds(60);
    for (int i = 0; i < 2; i++) {
        tree_run(tree, "rm -rf r/srv");
        write_version(tree, "r/srv/plugins/p", i);
        assert_int_equal(
            tree_run(tree, "cd r && git add -A && git commit -q -m v && git tag v%d", i), 0);
    }
    watcher_start(&w, tree_path(tree, "r/srv/plugins", root));
    for (int i = 0; i <= last; i++) {
        assert_int_equal(tree_run(tree, "cd r && git checkout -q v%d", i % 2), 0);
        nap(rand() % 400);
    }
    watcher_end(&w, last % 2, last / 10);
}

static void rsyncs(struct tree *tree, const char *options)
{
    struct watcher w = {0};
    char root[512];
    if (!tree_has_program("rsync"))
        skip();
    int last = slow_rounds(40);
    tree_mkdir(tree, "plugins");
    write_version(tree, "new", 0);
    watcher_start(&w, tree_path(tree, "plugins", root));
    for (int i = 1; i <= last; i++) {
        tree_run(tree, "rm -rf new");
        write_version(tree, "new", i);
        assert_int_equal(tree_run(tree, "rsync -a --delete %s new/ plugins/p/", options), 0);
        nap(rand() % 400);
    }
    watcher_end(&w, last, last / 10);
}

static void rsync_plain(void **state)
{
    rsyncs(*state, "");
}

static void rsync_slow(void **state) /* files take longer than the quiet time */
{
    struct tree *tree = *state;
    struct watcher w = {0};
    char root[512];
    if (!tree_has_program("rsync"))
        skip();
    tree_mkdir(tree, "plugins");
    write_version(tree, "plugins/p", 0);
    tree_run(tree, "sleep 0.1");
    watcher_start(&w, tree_path(tree, "plugins", root));
    for (int i = 1; i <= 2; i++) {
        tree_run(tree, "rm -rf new");
        write_version(tree, "new", i);
        tree_run(tree, "for f in new/*.lua new/lib/*.lua new/lib/*/*.lua; do"
                       " head -c 30000 /dev/zero | tr '\\0' ' ' >>$f; done");
        assert_int_equal(
            tree_run(tree, "rsync -a -W --delete --delete-after --bwlimit=200 new/ plugins/p/"), 0);
        wait_for(&w, i);
    }
    watcher_end(&w, 2, 2);
}

static void rsync_delayed_updates(void **state)
{
    rsyncs(*state, "--delay-updates --delete-after");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(flips_of_the_plugin), TEST(flips_of_the_root), TEST(releases),
        TEST(git_checkouts),       TEST(rsync_plain),       TEST(rsync_delayed_updates),
        TEST(rsync_slow),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
