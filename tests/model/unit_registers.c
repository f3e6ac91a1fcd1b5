/* SPDX-License-Identifier: BSD-2-Clause */
/* The registers as software reads and writes them (11.4): which there are, how wide, which bits it may write,
 * and in which state. */
#include "tests/model/unit_registers.h"
#include "lib/compiler.h"
#include "tests/model/history.h"
#include "tests/model/spec_registers.h"
#include "tests/model/violation.h"
#include <stddef.h>
#include <string.h>

struct field {
    const char *name;
    unsigned offset;
    unsigned bytes;
    size_t member;     /* where struct unit has it */
    uint64_t writable; /* bits that a plain write sets */
    uint64_t clears;   /* bits that a 1 clears */
    uint64_t ignores;  /* bits that are read-only, or beyond the register's size; others are reserved */
    uint64_t cap;      /* there is such a register if any of these is set; */
    uint64_t ecap;     /* both 0: in any case */
    void (*write)(struct unit *unit, uint64_t value); /* instead of a plain store */
};

#define MEMBER(name) offsetof(struct unit, name)
#define READ_ONLY    0, 0, 0
#define PLAIN(bits)  (bits), 0, 0
#define ALWAYS       0, 0
static const struct field fields[] = {
    {"VER", SPEC_VER, 4, MEMBER(config.ver), READ_ONLY, ALWAYS, NULL},
    {"CAP", SPEC_CAP, 8, MEMBER(config.cap), READ_ONLY, ALWAYS, NULL},
    {"ECAP", SPEC_ECAP, 8, MEMBER(config.ecap), READ_ONLY, ALWAYS, NULL},
    {"GCMD", SPEC_GCMD, 4, MEMBER(gcmd), PLAIN(0xffffffff), ALWAYS, register_write_gcmd},
    {"GSTS", SPEC_GSTS, 4, MEMBER(gsts_shown), READ_ONLY, ALWAYS, NULL},
    {"RTADDR", SPEC_RTADDR, 8, MEMBER(rtaddr), PLAIN(~SPEC_RTADDR_RESERVED), ALWAYS, register_write_rtaddr},
    {"FSTS", SPEC_FSTS, 4, MEMBER(fsts), 0, SPEC_FSTS_PFO | SPEC_FSTS_QUEUE,
     SPEC_FSTS_PPF | SPEC_FSTS_WITH_FRI(0xff), ALWAYS, register_write_fsts},
    {"FECTL", SPEC_FECTL, 4, MEMBER(fectl), SPEC_EVENT_IM, 0, SPEC_EVENT_IP, ALWAYS, register_write_fectl},
    {"FEDATA", SPEC_FEDATA, 4, MEMBER(fedata), PLAIN(0xffff), ALWAYS, NULL},
    {"FEADDR", SPEC_FEADDR, 4, MEMBER(feaddr), PLAIN(0xfffffffc), ALWAYS, NULL},
    {"FEUADDR", SPEC_FEUADDR, 4, MEMBER(feuaddr), PLAIN(0xffffffff), ALWAYS, register_write_feuaddr},
    {"PMEN", SPEC_PMEN, 4, MEMBER(pmen), SPEC_PMEN_EPM, 0, SPEC_PMEN_PRS, SPEC_CAP_PLMR | SPEC_CAP_PHMR, 0,
     register_write_pmen},
    {"PLMBASE", SPEC_PLMBASE, 4, MEMBER(plmbase), PROTECTED_LOW, 0, PROTECTED_GRAIN, SPEC_CAP_PLMR, 0,
     register_write_plmbase},
    {"PLMLIMIT", SPEC_PLMLIMIT, 4, MEMBER(plmlimit), PROTECTED_LOW, 0, PROTECTED_GRAIN, SPEC_CAP_PLMR, 0,
     register_write_plmlimit},
    {"PHMBASE", SPEC_PHMBASE, 8, MEMBER(phmbase), PROTECTED_HIGH, 0, PROTECTED_GRAIN, SPEC_CAP_PHMR, 0,
     register_write_phmbase},
    {"PHMLIMIT", SPEC_PHMLIMIT, 8, MEMBER(phmlimit), PROTECTED_HIGH, 0, PROTECTED_GRAIN, SPEC_CAP_PHMR, 0,
     register_write_phmlimit},
    {"IQH", SPEC_IQH, 8, MEMBER(iqh), READ_ONLY, 0, SPEC_ECAP_QI, NULL},
    {"IQT", SPEC_IQT, 8, MEMBER(iqt), PLAIN(SPEC_IQ_OFFSET), 0, SPEC_ECAP_QI, register_write_iqt},
    {"IQA", SPEC_IQA, 8, MEMBER(iqa), PLAIN(~SPEC_IQA_RESERVED), 0, SPEC_ECAP_QI, register_write_iqa},
    {"ICS", SPEC_ICS, 4, MEMBER(ics), 0, SPEC_ICS_IWC, 0, 0, SPEC_ECAP_QI, register_write_ics},
    {"IECTL", SPEC_IECTL, 4, MEMBER(iectl), SPEC_EVENT_IM, 0, SPEC_EVENT_IP, 0, SPEC_ECAP_QI,
     register_write_iectl},
    {"IEDATA", SPEC_IEDATA, 4, MEMBER(iedata), PLAIN(0xffff), 0, SPEC_ECAP_QI, NULL},
    {"IEADDR", SPEC_IEADDR, 4, MEMBER(ieaddr), PLAIN(0xfffffffc), 0, SPEC_ECAP_QI, NULL},
    {"IEUADDR", SPEC_IEUADDR, 4, MEMBER(ieuaddr), PLAIN(0xffffffff), 0, SPEC_ECAP_QI, register_write_ieuaddr},
    {"IQERCD", SPEC_IQERCD, 8, MEMBER(iqercd), READ_ONLY, 0, SPEC_ECAP_QI, NULL},
    {"IRTA", SPEC_IRTA, 8, MEMBER(irta), PLAIN(~SPEC_IRTA_RESERVED), 0, SPEC_ECAP_IR, register_write_irta},
};

static const struct field *find(const struct unit *unit, unsigned offset)
{
    for (unsigned i = 0; i < ARRAY_SIZE(fields); i++) {
        const struct field *field = &fields[i];

        if (offset < field->offset || offset >= field->offset + field->bytes)
            continue;
        if ((field->cap | field->ecap) && !(unit->config.cap & field->cap) &&
            !(unit->config.ecap & field->ecap))
            return NULL;
        return field;
    }
    return NULL;
}

/* 11.2: aligned accesses of 32 bits, or of 64 to what is 64 bits wide. */
static void check_access(const struct unit *unit, const struct field *field, unsigned offset, unsigned width,
                         const char *what)
{
    if (!field)
        violation(VIOLATION_REGISTER, "unit %u: %s of %u bytes at %#x, where the unit has no register",
                  unit->index, what, width, offset);
    if (offset % width || width > field->bytes)
        violation(VIOLATION_REGISTER, "unit %u: %s of %u bytes at %#x, in %s of %u bytes", unit->index, what,
                  width, offset, field->name, field->bytes);
}

/* Member and register have the same size, apart from PLMBASE and PLMLIMIT. */
static uint64_t get(const struct unit *unit, const struct field *field)
{
    uint64_t value = 0;

    memcpy(&value, (const char *)unit + field->member, field->bytes);
    return value;
}

/* --- fault recording registers (11.4.7.6) --- */

static bool in_fault_registers(const struct unit *unit, unsigned offset)
{
    unsigned start = 16 * SPEC_CAP_FRO(unit->config.cap);

    return offset >= start && offset < start + 16 * (SPEC_CAP_NFR(unit->config.cap) + 1);
}

static void check_fault_access(const struct unit *unit, unsigned offset, unsigned width, const char *what)
{
    if (offset % width)
        violation(VIOLATION_REGISTER, "unit %u: %s of %u bytes at %#x, in FRCD", unit->index, what, width,
                  offset);
}

static uint64_t *fault_word(struct unit *unit, unsigned offset)
{
    unsigned at = offset - 16 * SPEC_CAP_FRO(unit->config.cap);

    return &unit->frcd[at / 16][at / 8 % 2];
}

static void write_fault_register(struct unit *unit, unsigned offset, unsigned width, uint64_t value)
{
    uint64_t written = value << (offset % 8 * 8);

    check_fault_access(unit, offset, width, "write");
    history("FRCD at %#lx = %#lx", offset, value);
    /* All but F, in the upper half, is read-only. */
    if (offset % 16 < 8 || !(written & SPEC_FRCD_F))
        return;
    *fault_word(unit, offset) &= ~SPEC_FRCD_F;
    unit_fault_registers_written(unit);
}

/* --- all --- */

static uint64_t part(uint64_t value, unsigned offset, unsigned width)
{
    return width == 8 ? value : value >> (offset % 8 * 8) & 0xffffffff;
}

uint64_t unit_register_read(struct unit *unit, unsigned offset, unsigned width)
{
    const struct field *field = find(unit, offset);

    if (in_fault_registers(unit, offset)) {
        check_fault_access(unit, offset, width, "read");
        return part(*fault_word(unit, offset), offset, width);
    }
    check_access(unit, field, offset, width, "read");
    if (field->offset == SPEC_GCMD)
        violation(VIOLATION_REGISTER, "unit %u: GCMD is read, and can only be written", unit->index);
    return field->bytes == 8 ? part(get(unit, field), offset, width) : get(unit, field);
}

void unit_register_write(struct unit *unit, unsigned offset, unsigned width, uint64_t value)
{
    const struct field *field = find(unit, offset);
    uint64_t allowed;

    unit->register_writes++;
    if (in_fault_registers(unit, offset)) {
        write_fault_register(unit, offset, width, value);
        return;
    }
    check_access(unit, field, offset, width, "write");
    history("%s = %#lx", history_text(field->name), value);
    if (!field->write && !field->writable)
        register_refuse(unit, field->name, value, "is written, and can only be read");
    if (width < field->bytes) {
        /* Half of a register: the other half stays. None of these has bits that a 1 clears. */
        unsigned shift = offset % 8 * 8;

        value = (get(unit, field) & ~(0xffffffffull << shift)) | value << shift;
    }
    allowed = field->writable | field->clears | field->ignores;
    if (value & ~allowed)
        register_refuse(unit, field->name, value, "has reserved bits set");
    if (field->write) {
        field->write(unit, value);
        return;
    }
    memcpy((char *)unit + field->member, &value, field->bytes);
}
