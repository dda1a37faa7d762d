// plusplus FILE.lua: the header and the library from C++.
#include <neap.h>

#include <cstdio>
#include <cstdlib>
#include <string>

int main(int argc, char **argv)
{
    if (argc != 2)
        return 64;
    neap_options options{};
    options.size = sizeof options;
    options.task_file = argv[1];
    options.on_problem = [](void *, const char *text) { std::fprintf(stderr, "%s\n", text); };
    neap_error err{};
    neap *n = nullptr;
    int rc = neap_open(&n, &options, &err);
    if (rc == NEAP_OK)
        rc = neap_start(n, &err);
    if (rc == NEAP_OK) {
        const std::string args = "{\"name\":\"C++\"}";
        neap_request request{};
        request.task = neap_file_task(n);
        request.args = args.data();
        request.args_len = args.size();
        request.flags = NEAP_DELIVER;
        rc = neap_submit(n, &request, nullptr, &err);
    }
    if (rc == NEAP_OK) {
        neap_outcome out{};
        rc = neap_next(n, &out, -1);
        char *json = neap_to_json(out.result, out.result_len);
        std::puts(json);
        std::free(json);
        neap_outcome_free(&out);
    }
    neap_close(n);
    if (rc != NEAP_OK)
        std::fprintf(stderr, "%s\n", err.message);
    return rc == NEAP_OK ? 0 : 1;
}
