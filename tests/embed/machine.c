/* SPDX-License-Identifier: BSD-2-Clause */
/* Memory, firmware's table, PCI configuration space, and the registers and queue of the unit. */
#include "tests/embed/machine.h"
#include "tests/embed/unit.h"
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/* Second stage of 4 levels with all leaf sizes, 48 bits, ranges of up to 2^18 pages; one fault register at
 * 0x220; 65536 domain ids (11.4.2). */
#define CAP                                                                                                  \
    (6ull | 4ull << 8 | 47ull << 16 | 0x22ull << 24 | 3ull << 34 | 1ull << 39 | 18ull << 48 | 3ull << 54)
/* C, QI, IR, SMTS, SSADS, SSTS, SMPWC (11.4.3). */
#define ECAP (1ull | 1ull << 1 | 1ull << 3 | 1ull << 43 | 1ull << 45 | 1ull << 46 | 1ull << 48)

/* Offsets of registers (11.4). */
enum {
    VER = 0x00,
    CAP_AT = 0x08,
    ECAP_AT = 0x10,
    GCMD = 0x18,
    GSTS = 0x1c,
    RTADDR = 0x20,
    FSTS = 0x34,
    FECTL = 0x38,
    FEDATA = 0x3c,
    FEADDR = 0x40,
    FEUADDR = 0x44,
    IQH = 0x80,
    IQT = 0x88,
    IQA = 0x90,
    IRTA = 0xb8,
    FRCD = 0x220,
};

#define ONE_SHOT   (1u << 30 | 1u << 24) /* SRTP, SIRTP */
#define COMMANDS   (1u << 31 | 1u << 26 | 1u << 25 | 1u << 23 | ONE_SHOT)
#define QUEUE_SIZE (256 * 32)

pthread_mutex_t machine_mutex = PTHREAD_MUTEX_INITIALIZER;

static uint8_t *memory;
static uint8_t config_space[4096]; /* of the only function */
static void (*tell)(uint64_t address, uint32_t data);

void machine_make(void (*interrupt)(uint64_t address, uint32_t data))
{
    memory = mmap(NULL, MACHINE_MEMORY_END, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        abort();
    unit.fectl = 1u << 31;
    memcpy(config_space, (const uint8_t[]){0x34, 0x12, 0x78, 0x56}, 4);
    tell = interrupt;
}

uint8_t *machine_memory(void)
{
    return memory;
}

/* 8.1, 8.3: 39 bits of host addresses, INTR_REMAP; one DRHD with all devices of segment 0. */
size_t machine_dmar(const uint8_t **table)
{
    static uint8_t dmar[64] = "DMAR\x40\0\0\0\1\0LULL  EXAMPLE ";
    static const uint8_t drhd[16] = {0, 0, 16, 0, 1, 0, 0, 0, 0, 0, 0xd9, 0xfe};
    uint8_t sum = 0;

    dmar[36] = 38;
    dmar[37] = 1;
    memcpy(dmar + 48, drhd, sizeof drhd);
    dmar[9] = 0;
    for (size_t i = 0; i < sizeof dmar; i++)
        sum = (uint8_t)(sum + dmar[i]);
    dmar[9] = (uint8_t)-sum;
    *table = dmar;
    return sizeof dmar;
}

/* --- the unit's registers --- */

/* 6.5.2: there is nothing cached that could be invalidated; a wait writes its status. */
static void run_queue(void)
{
    while (unit.gsts & 1u << 26 && unit.iqh != unit.iqt) {
        uint64_t word[2];

        memcpy(word, memory + (unit.iqa & ~0xfffull) + unit.iqh, sizeof word);
        if ((word[0] & 0xf) == 5 && word[0] & 1 << 5)
            __atomic_store_n((uint32_t *)(void *)(memory + word[1]), (uint32_t)(word[0] >> 32),
                             __ATOMIC_RELEASE);
        unit.iqh = (unit.iqh + 32) % QUEUE_SIZE;
    }
}

static uint64_t read_register(unsigned offset)
{
    switch (offset) {
    case VER:
        return 0x40;
    case CAP_AT:
        return CAP;
    case ECAP_AT:
        return ECAP;
    case GSTS:
        return unit.gsts;
    case RTADDR:
        return unit.rtaddr;
    case FSTS:
        return unit.fsts;
    case FECTL:
        return unit.fectl;
    case IQH:
        return unit.iqh;
    case IQT:
        return unit.iqt;
    case FRCD:
    case FRCD + 8:
        return unit.fault[offset % 16 / 8];
    default:
        return 0;
    }
}

static void write_register(unsigned offset, uint64_t value)
{
    switch (offset) {
    case GCMD:
        unit.gsts = ((uint32_t)value & COMMANDS) | (unit.gsts & ONE_SHOT);
        if (!(unit.gsts & 1u << 26))
            unit.iqh = 0;
        break;
    case RTADDR:
        unit.rtaddr = value;
        break;
    case FSTS: /* bits fall by a 1, but for PPF */
        unit.fsts &= ~((uint32_t)value & ~2u);
        break;
    case FECTL:
        unit.fectl = (uint32_t)value;
        break;
    case FEDATA:
        unit.fedata = (uint32_t)value;
        break;
    case FEADDR:
        unit.feaddr = (uint32_t)value;
        break;
    case FEUADDR:
        unit.feuaddr = (uint32_t)value;
        break;
    case IQT:
        unit.iqt = value;
        break;
    case IQA:
        unit.iqa = value;
        break;
    case IRTA:
        unit.irta = value;
        break;
    case FRCD + 8: /* F, and PPF with it */
        if (value >> 63) {
            unit.fault[1] = 0;
            unit.fsts &= ~2u;
        }
        break;
    default:
        break;
    }
}

uint64_t machine_read(unsigned offset, unsigned bytes)
{
    uint64_t value;

    pthread_mutex_lock(&machine_mutex);
    value = read_register(offset);
    pthread_mutex_unlock(&machine_mutex);
    return bytes == 4 ? (uint32_t)value : value;
}

/* Releases the machine, and then tells of the messages that are due. */
static void release_and_tell(struct unit_message message)
{
    struct unit_message event = unit_take_fault_event();

    pthread_mutex_unlock(&machine_mutex);
    if (message.there)
        tell(message.address, message.data);
    if (event.there)
        tell(event.address, event.data);
}

void machine_write(unsigned offset, unsigned bytes, uint64_t value)
{
    pthread_mutex_lock(&machine_mutex);
    write_register(offset, bytes == 4 ? (uint32_t)value : value);
    run_queue();
    release_and_tell((struct unit_message){.there = false});
}

/* --- the device --- */

static bool is_there(unsigned segment, unsigned bus, unsigned devfn)
{
    return !segment && !bus && devfn == MACHINE_DEVFN;
}

uint32_t machine_pci_read(unsigned segment, unsigned bus, unsigned devfn, unsigned offset)
{
    uint32_t value = ~0u;

    pthread_mutex_lock(&machine_mutex);
    if (is_there(segment, bus, devfn))
        memcpy(&value, config_space + offset, 4);
    pthread_mutex_unlock(&machine_mutex);
    return value;
}

void machine_pci_write(unsigned segment, unsigned bus, unsigned devfn, unsigned offset, unsigned bytes,
                       uint32_t value)
{
    pthread_mutex_lock(&machine_mutex);
    /* The command register, which has bus mastering; nothing else of this function can be changed. */
    if (is_there(segment, bus, devfn) && offset == 4)
        memcpy(config_space + offset, &value, bytes < 2 ? bytes : 2);
    pthread_mutex_unlock(&machine_mutex);
}

static bool masters_bus(void)
{
    return config_space[4] & 1 << 2;
}

/* Where the device's request goes; the machine stays taken. NULL: nowhere. */
static uint8_t *take(uint64_t iova, bool write)
{
    uint64_t hpa;

    pthread_mutex_lock(&machine_mutex);
    if (!masters_bus() || !unit_translate(MACHINE_DEVFN, iova, write, &hpa) || hpa >= MACHINE_MEMORY_END)
        return NULL;
    return memory + hpa;
}

bool machine_device_write(uint64_t iova, const void *from, size_t bytes)
{
    uint8_t *to = take(iova, true);

    if (to)
        memcpy(to, from, bytes);
    release_and_tell((struct unit_message){.there = false});
    return to;
}

bool machine_device_read(uint64_t iova, void *to, size_t bytes)
{
    const uint8_t *from = take(iova, false);

    if (from)
        memcpy(to, from, bytes);
    release_and_tell((struct unit_message){.there = false});
    return from;
}

bool machine_device_interrupt(uint64_t address, uint32_t data)
{
    struct unit_message message = {.there = false};

    pthread_mutex_lock(&machine_mutex);
    if (!masters_bus() || !unit_remap(MACHINE_DEVFN, address, data, &message))
        message.there = false;
    release_and_tell(message);
    return message.there;
}
