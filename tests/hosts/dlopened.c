/* dlopened LIBNEAP.so local|global FILE.lua: a host that loads libneap at run time (a plugin of
 * some other program, say), runs one job and prints its result. */
#include <neap.h>

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct library {
    void *handle;
    __typeof__(neap_open) *open;
    __typeof__(neap_start) *start;
    __typeof__(neap_submit) *submit;
    __typeof__(neap_next) *next;
    __typeof__(neap_outcome_free) *outcome_free;
    __typeof__(neap_file_task) *file_task;
    __typeof__(neap_to_json) *to_json;
    __typeof__(neap_close) *close;
};

static void *find(const struct library *library, const char *name)
{
    void *found = dlsym(library->handle, name);
    if (found)
        return found;
    fprintf(stderr, "%s\n", dlerror());
    exit(1);
}

static void load(struct library *library, const char *path, int scope)
{
    library->handle = dlopen(path, RTLD_NOW | scope);
    if (!library->handle) {
        fprintf(stderr, "%s\n", dlerror());
        exit(1);
    }
    library->open = find(library, "neap_open");
    library->start = find(library, "neap_start");
    library->submit = find(library, "neap_submit");
    library->next = find(library, "neap_next");
    library->outcome_free = find(library, "neap_outcome_free");
    library->file_task = find(library, "neap_file_task");
    library->to_json = find(library, "neap_to_json");
    library->close = find(library, "neap_close");
}

static void print_problem(void *user, const char *text)
{
    (void)user;
    fprintf(stderr, "%s\n", text);
}

static int run(const struct library *neap_, const char *file)
{
    const struct neap_options options = {
        .size = sizeof options, .task_file = file, .on_problem = print_problem};
    struct neap_error err;
    struct neap_outcome out;
    neap *n;
    int rc = neap_->open(&n, &options, &err);
    if (rc == NEAP_OK)
        rc = neap_->start(n, &err);
    if (rc == NEAP_OK) {
        const struct neap_request request = {.task = neap_->file_task(n), .flags = NEAP_DELIVER};
        rc = neap_->submit(n, &request, NULL, &err);
    }
    if (rc) {
        fprintf(stderr, "%s\n", err.message);
        neap_->close(n);
        return 1;
    }
    neap_->next(n, &out, -1);
    char *json = out.result ? neap_->to_json(out.result, out.result_len) : NULL;
    printf("%s\n", json ? json : out.message);
    free(json);
    rc = out.state == NEAP_COMPLETED ? 0 : 1;
    neap_->outcome_free(&out);
    neap_->close(n);
    return rc;
}

int main(int argc, char **argv)
{
    struct library library;
    if (argc != 4)
        return 64;
    load(&library, argv[1], strcmp(argv[2], "global") == 0 ? RTLD_GLOBAL : RTLD_LOCAL);
    const int rc = run(&library, argv[3]);
    if (dlclose(library.handle))
        return 1;
    return rc;
}
