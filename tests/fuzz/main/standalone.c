/* A main for a fuzzer without libFuzzer: runs the inputs in the files and directories given as
 * arguments, and the empty one. Speaks TAP; a finding is a crash. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static unsigned inputs;

static void run_file(const char *path)
{
    FILE *f = fopen(path, "rb");
    struct stat st;
    if (!f || fstat(fileno(f), &st)) {
        printf("Bail out! cannot read %s\n", path);
        exit(1);
    }
    /* Exactly as long as the input, so that a sanitizer sees one byte too far. */
    uint8_t *data = malloc(st.st_size ? (size_t)st.st_size : 1);
    const size_t size = data ? fread(data, 1, (size_t)st.st_size, f) : 0;
    fclose(f);
    printf("# %s\n", path);
    fflush(stdout);
    LLVMFuzzerTestOneInput(data, size);
    free(data);
    inputs++;
}

static void run_directory(const char *path)
{
    struct dirent **entries;
    const int count = scandir(path, &entries, NULL, alphasort);
    for (int i = 0; i < count; i++) {
        char file[4096];
        if (entries[i]->d_name[0] != '.') {
            snprintf(file, sizeof file, "%s/%s", path, entries[i]->d_name);
            run_file(file);
        }
        free(entries[i]);
    }
    if (count >= 0)
        free(entries);
}

int main(int argc, char **argv)
{
    printf("1..1\n");
    fflush(stdout);
    LLVMFuzzerTestOneInput((const uint8_t *)"", 0);
    for (int i = 1; i < argc; i++) {
        struct stat st;
        if (stat(argv[i], &st))
            continue; /* a fuzzer may have no corpus yet */
        if (S_ISDIR(st.st_mode))
            run_directory(argv[i]);
        else
            run_file(argv[i]);
    }
    printf("ok 1 - %u inputs and the empty one\n", inputs);
    return 0;
}
