/* SPDX-License-Identifier: BSD-2-Clause */
#include "lib/error.h"

const char *error_text(int error)
{
    switch (error) {
    case 0:
        return "ok";
    case ERR_NOMEM:
        return "out of memory";
    case ERR_INVALID:
        return "invalid argument";
    case ERR_RANGE:
        return "out of range";
    case ERR_EXISTS:
        return "exists already";
    case ERR_NOT_FOUND:
        return "not found";
    case ERR_BUSY:
        return "in use";
    case ERR_TIMEOUT:
        return "no answer in time";
    case ERR_HARDWARE:
        return "hardware reported an error";
    case ERR_UNSUPPORTED:
        return "not supported";
    case ERR_FORBIDDEN:
        return "memory that no device may reach";
    case ERR_MALFORMED:
        return "malformed";
    default:
        return "unknown error";
    }
}
