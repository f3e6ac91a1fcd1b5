/* SPDX-License-Identifier: BSD-2-Clause */
/* What newlib keeps for each CPU (errno, strtok()'s place and the like), and how it ends a run. */
#include "lib/compiler.h"
#include "lib/platform.h"
#include <assert.h>
#include <stdlib.h>
#include <sys/reent.h>

static struct {
    struct _reent reent CACHE_ALIGNED;
} per_cpu[PLATFORM_CPUS_MAX];

/* All zero is right: what needs memory is allocated when it is first used, and there are no streams. */
struct _reent *__getreent(void)
{
    return &per_cpu[platform_cpu_id()].reent;
}

void __assert_func(const char *file, int line, const char *function, const char *condition)
{
    platform_panic("%s:%d: %s: %s does not hold", file, line, function, condition);
}

void abort(void)
{
    platform_panic("abort() was called");
}
