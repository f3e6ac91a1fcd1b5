/* SPDX-License-Identifier: BSD-2-Clause */
/* The event that tells of recorded faults: a line of the log each, and the handlers of domains. */
#pragma once

/* Queues it. Any context. */
void fault_report_post(void);
