/* SPDX-License-Identifier: BSD-2-Clause */
/* Error codes: functions that can fail return 0 or one of these, and their result must be checked. */
#pragma once

enum error {
    ERR_NOMEM = -1,       /* no memory */
    ERR_INVALID = -2,     /* an argument that can never be right */
    ERR_RANGE = -3,       /* an address or a size beyond what the table, unit or device can do */
    ERR_EXISTS = -4,      /* something is there already */
    ERR_NOT_FOUND = -5,   /* what was asked for is not there */
    ERR_BUSY = -6,        /* in use */
    ERR_TIMEOUT = -7,     /* hardware did not answer within its deadline */
    ERR_HARDWARE = -8,    /* hardware answered with an error */
    ERR_UNSUPPORTED = -9, /* a capability is missing; the log names it */
    ERR_FORBIDDEN = -10,  /* memory that no device may reach */
    ERR_MALFORMED = -11,  /* a table from firmware, or a configuration, breaks its format */
};

/* The text for one of the codes above (or 0): words for people, without a full stop. */
const char *error_text(int error);
