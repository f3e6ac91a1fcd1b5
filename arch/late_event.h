/* SPDX-License-Identifier: BSD-2-Clause */
/* Events that wait for their time (platform_event_post()), run by CPU 0. */
#pragma once

/* Looks whether one is due. Called every millisecond by CPU 0's timer, in its interrupt. */
void late_events_tick(void);
