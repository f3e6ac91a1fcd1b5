/* SPDX-License-Identifier: BSD-2-Clause */
/* Waiting for something with an end to it. */
#pragma once

#include "lib/platform.h"

/* Evaluates to true as soon as condition holds, to false when timeout_ns passed and it still does not. The
 * result must be looked at: an expression statement of it does not compile with -Wunused-value. */
#define wait_until(condition, timeout_ns)                                                                    \
    ({                                                                                                       \
        uint64_t wait_end_ = platform_time_ns() + (timeout_ns);                                              \
        bool wait_done_;                                                                                     \
        while (!(wait_done_ = (condition)) && platform_time_ns() < wait_end_)                                \
            platform_relax();                                                                                \
        wait_done_ || (condition);                                                                           \
    })
