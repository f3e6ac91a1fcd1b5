/* SPDX-License-Identifier: BSD-2-Clause */
/* Fuzz target: bytes as a scenario of the model and all that its schedule and its hardware leave open. This
 * is the half with libFuzzer; schedules_model.c runs them. */
#include "tests/fuzz/schedules.h"
#include "lib/compiler.h"
#include "tests/fuzz/fuzz.h"
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

static struct schedules_shared *shared;
static int request, answer;
static pid_t model;

/* libFuzzer adds these to what it counts itself. */
static uint8_t counters[SCHEDULES_COUNTERS] SECTION("__libfuzzer_extra_counters") USED;

/* The program beside this one: NAME-model. */
static void start_model(const char *self, int memory)
{
    int to_model[2], from_model[2];
    char path[4096];

    snprintf(path, sizeof path, "%s-model", self);
    check(pipe(to_model) == 0 && pipe(from_model) == 0);
    request = to_model[1];
    answer = from_model[0];
    /* Of programs that libFuzzer starts each has a model of its own. */
    fcntl(request, F_SETFD, FD_CLOEXEC);
    fcntl(answer, F_SETFD, FD_CLOEXEC);
    model = fork();
    if (model) {
        close(to_model[0]);
        close(from_model[1]);
        return;
    }
    /* It ends when this end is the last one, and is closed. */
    close(to_model[1]);
    close(from_model[0]);
    if (dup2(memory, SCHEDULES_SHARED) < 0 || dup2(to_model[0], SCHEDULES_REQUEST) < 0 ||
        dup2(from_model[1], SCHEDULES_ANSWER) < 0)
        _exit(127);
    execl(path, path, NULL);
    _exit(127);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    int memory = fileno(tmpfile());

    (void)argc;
    check(memory >= 0 && ftruncate(memory, sizeof *shared) == 0);
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED, memory, 0);
    check(shared != MAP_FAILED);
    start_model((*argv)[0], memory);
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
    uint8_t byte = 0;

    if (count < 4 || count > SCHEDULES_INPUT_MAX)
        return -1;
    memcpy(shared->input, bytes, count);
    shared->count = (uint32_t)count;
    memset(shared->counters, 0, sizeof shared->counters);
    check(write(request, &byte, 1) == 1);
    /* The model has said what is wrong, unless it crashed. */
    if (read(answer, &byte, 1) != 1) {
        int status;

        waitpid(model, &status, 0);
        printf("the model ended by signal %d\n", WTERMSIG(status));
        fflush(stdout);
        abort();
    }
    check(!shared->violation);
    memcpy(counters, shared->counters, sizeof counters);
    return 0;
}
