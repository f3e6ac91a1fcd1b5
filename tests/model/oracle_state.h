/* SPDX-License-Identifier: BSD-2-Clause */
/* What the oracle knows of each page, and of the harvests that looked at it. For oracle*.c only. */
#pragma once

#include "lib/error.h"
#include "lib/units.h"
#include "tests/model/oracle.h"
#include "tests/model/schedule.h"
#include <stdbool.h>
#include <stdint.h>

/* Of a page in the domain, and of a device in it. What is coming or going may be used and may be refused. */
enum standing {
    STANDING_OUT,
    STANDING_COMING, /* map or attach has begun */
    STANDING_IN,     /* and has returned */
    STANDING_GOING,  /* unmap or detach has begun */
};

#define PAST_MAPPINGS 4

/* Where a page went before. */
struct past_mapping {
    uint64_t hpa;
    uint64_t until;   /* step at which the unmap returned; 0: no mapping */
    bool unconfirmed; /* with an error: what was under way then may land at any time */
};

/* Writes that no bitmap has had: how many, and the first of them. */
struct unreported {
    uint64_t count;
    uint64_t order; /* among all that the oracle was told */
    uint64_t began; /* steps */
    uint64_t landed;
    uint64_t hpa;
    const char *who;
};

struct oracle_page {
    enum standing standing;
    unsigned prot; /* of the mapping that stands, comes or goes */
    uint64_t hpa;
    uint64_t since; /* step at which it had come */
    struct past_mapping past[PAST_MAPPINGS];
    unsigned past_next;

    struct unreported unreported;
    unsigned owed_by;   /* number of the harvest under way that has to report them; 0: none */
    unsigned missed_by; /* number of a harvest that ended without them while the page was being mapped */
    unsigned harvests;  /* since the last write */
    bool merging;
    uint64_t merged_order; /* oracle.order when the last merge ended */
};

#define ORACLE_HARVESTS 16

struct oracle_harvest {
    unsigned number; /* from 1; 0: unused */
    bool running;
    unsigned first; /* pages */
    unsigned last;
    uint64_t order; /* at which it began */
    uint64_t began; /* steps */
    uint64_t ended;
    unsigned reported; /* pages in its bitmap */
    int error;
    bool alone; /* it says so: no merge was beside it, and no unmap under way */
};

struct oracle {
    struct iommu_domain *domain; /* NULL: its calls are made by somebody else */
    uint64_t iova;
    unsigned page_count;
    bool tracked;
    struct dirty_bitmap unmapped; /* track->unmapped */
    uint64_t *carry;              /* what harvests found that failed, until one does not */
    bool prunes;                  /* all harvests do, as far as the domain may */
    uint64_t order; /* counts what the oracle was told: what came before what, within one step too */
    struct oracle_harvest harvests[ORACLE_HARVESTS];
    unsigned harvest_count;
    uint64_t writes;
    uint64_t extra; /* pages reported that nobody had written since the harvest before the last one */
    struct oracle_page pages[];
};

/* One access as it ends. */
struct oracle_event {
    const char *who;
    uint64_t iova;
    uint64_t hpa; /* if it was not refused */
    bool write;
    uint64_t began;
};

/* The pages of [iova, last] in the window, first to end, exclusive. */
void oracle_clip(const struct oracle *oracle, uint64_t iova, uint64_t last, unsigned *first, unsigned *end);

/* After these a unit has not said that it is done; devices that are behind it are cut off. */
static inline bool oracle_is_unconfirmed(int error)
{
    return error == ERR_TIMEOUT || error == ERR_HARDWARE;
}

static inline uint64_t oracle_iova(const struct oracle *oracle, unsigned page)
{
    return oracle->iova + page * PAGE_SIZE;
}

/* --- oracle_access.c: whether an access may have gone where it went, or may have been refused --- */

void oracle_check_landing(struct oracle *oracle, const struct oracle_event *event);
void oracle_check_refusal(struct oracle *oracle, const struct oracle_event *event, unsigned reason);

/* --- oracle_ledger.c: writes, and the bitmaps that have them --- */

/* A write has landed. */
void oracle_ledger_write(struct oracle *oracle, unsigned page, const struct oracle_event *event);

/* A map has returned: the page stands, or not, and then it may be reported as unmapped. */
void oracle_ledger_mapped(struct oracle *oracle, unsigned page, bool stands, bool reported);

/* What was written of the page so far has been reported, and copied. */
void oracle_ledger_copied(struct oracle *oracle, unsigned page);

/* A merge has returned. */
void oracle_ledger_merged(struct oracle *oracle, unsigned page);

/* The page's mapping is gone, and its dirty bit was in the unmap's bitmap, or was not. */
void oracle_ledger_unmapped(struct oracle *oracle, unsigned page, bool reported);
