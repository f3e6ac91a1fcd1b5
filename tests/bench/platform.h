/* SPDX-License-Identifier: BSD-2-Clause */
/* The part of lib/platform.h that RCU needs, on threads. */
#pragma once

/* A thread plays one CPU, and says which before anything else. */
void bench_platform_set_cpu(unsigned cpu);
