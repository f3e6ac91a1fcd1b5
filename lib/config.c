/* SPDX-License-Identifier: BSD-2-Clause */
/* lull.cfg, for the loader and the hypervisor alike: memory is neither allocated nor written but where the
 * caller says. */
#include "lib/config.h"
#include "lib/error.h"
#include "lib/platform.h"
#include <string.h>

#define DMAR_BYTES_MAX 0x10000

/* A part of a text that is not ended by 0. */
struct span {
    const char *start;
    size_t bytes;
};

struct config_line {
    struct span key;
    struct span value;
};

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

static struct span trim(struct span span)
{
    while (span.bytes > 0 && is_blank(span.start[0])) {
        span.start++;
        span.bytes--;
    }
    while (span.bytes > 0 && is_blank(span.start[span.bytes - 1]))
        span.bytes--;
    return span;
}

static bool span_is(struct span span, const char *text)
{
    return strlen(text) == span.bytes && memcmp(span.start, text, span.bytes) == 0;
}

/* Takes the next line off *text, without its end and the blanks around it. False at the end of the text. */
static bool next_line(const char **text, struct span *line)
{
    const char *start = *text;
    size_t bytes = 0;

    if (*start == 0)
        return false;
    while (start[bytes] != 0 && start[bytes] != '\n')
        bytes++;
    *text = start + bytes + (start[bytes] == '\n');
    *line = trim((struct span){start, bytes});
    return true;
}

static bool has_setting(struct span line)
{
    return line.bytes > 0 && line.start[0] != '#';
}

static bool split(struct span line, struct config_line *parts)
{
    const char *equals = memchr(line.start, '=', line.bytes);
    size_t before;

    if (!equals)
        return false;
    before = (size_t)(equals - line.start);
    parts->key = trim((struct span){line.start, before});
    parts->value = trim((struct span){equals + 1, line.bytes - before - 1});
    return true;
}

static bool find(const char *text, struct span key, struct span *value, const char **where)
{
    struct span line;
    struct config_line parts;

    while (next_line(&text, &line)) {
        if (has_setting(line) && split(line, &parts) && parts.key.bytes == key.bytes &&
            memcmp(parts.key.start, key.start, key.bytes) == 0) {
            *value = parts.value;
            *where = parts.key.start;
            return true;
        }
    }
    return false;
}

bool config_number(const char **text, uint64_t max, uint64_t *value)
{
    const char *digit = *text;
    unsigned base = 10;
    uint64_t number = 0;
    bool any = false;

    if (digit[0] == '0' && (digit[1] == 'x' || digit[1] == 'X')) {
        base = 16;
        digit += 2;
    }
    for (;; digit++) {
        char c = *digit;
        unsigned n;

        if (c >= '0' && c <= '9')
            n = (unsigned)(c - '0');
        else if (base == 16 && ((c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F')))
            n = (unsigned)((c | 0x20) - 'a') + 10;
        else
            break;
        if (number > (max - n) / base || n > max)
            return false;
        number = number * base + n;
        any = true;
    }
    if (!any)
        return false;
    *text = digit;
    *value = number;
    return true;
}

static bool is_number(const char *value, uint64_t min, uint64_t max)
{
    uint64_t number;

    return config_number(&value, max, &number) && *value == 0 && number >= min;
}

static bool is_one_of(const char *value, const char *const *words)
{
    for (; *words; words++)
        if (strcmp(value, *words) == 0)
            return true;
    return false;
}

/* Just digits digits, and after them the character end if that is not 0. */
static bool hex_field(const char **text, unsigned digits, char end, unsigned *value)
{
    const char *at = *text;

    *value = 0;
    for (; digits; digits--, at++) {
        unsigned digit =
            *at >= '0' && *at <= '9' ? (unsigned)(*at - '0') : (unsigned)((*at | 0x20) - 'a') + 10;

        if (digit > 15)
            return false;
        *value = *value * 16 + digit;
    }
    if (end && *at++ != end)
        return false;
    *text = at;
    return true;
}

bool config_pci_address(const char **text, struct pci_address *device)
{
    const char *at = *text;
    unsigned segment, bus, slot, function;

    if (!hex_field(&at, 4, ':', &segment) || !hex_field(&at, 2, ':', &bus) ||
        !hex_field(&at, 2, '.', &slot) || !hex_field(&at, 1, 0, &function) || slot > 31 || function > 7)
        return false;
    *device = (struct pci_address){(uint16_t)segment, (uint8_t)bus, (uint8_t)(slot << 3 | function)};
    *text = at;
    return true;
}

static bool valid_run(const char *value)
{
    return *value != 0;
}

static bool valid_port(const char *value)
{
    return is_number(value, 1, UINT16_MAX);
}

static bool valid_console(const char *value)
{
    return strcmp(value, "auto") == 0 || valid_port(value);
}

static bool valid_apic(const char *value)
{
    return is_one_of(value, (const char *const[]){"auto", "xapic", "x2apic", NULL});
}

static bool valid_cpus(const char *value)
{
    return is_number(value, 1, PLATFORM_CPUS_MAX);
}

static bool valid_log(const char *value)
{
    return is_one_of(value, (const char *const[]){"error", "warn", "info", "debug", NULL});
}

static bool valid_panic(const char *value)
{
    return is_one_of(value, (const char *const[]){"reboot", "halt", "poweroff", NULL});
}

static bool valid_chain(const char *value)
{
    uint64_t mib;

    return config_number(&value, 1u << 20, &mib) && !*value && mib >= CONFIG_CHAIN_MIB_MIN;
}

static bool valid_iommu(const char *value)
{
    return is_one_of(value, (const char *const[]){"auto", "legacy", "second-stage", "first-stage", NULL});
}

static bool valid_devices(const char *value)
{
    struct pci_address device;

    for (unsigned i = 0; i < CONFIG_DEVICES_MAX; i++) {
        if (!config_pci_address(&value, &device))
            return false;
        if (*value == 0)
            return true;
        if (*value++ != ',')
            return false;
    }
    return false;
}

static bool valid_iommu_levels(const char *value)
{
    return is_number(value, 3, 5);
}

static bool valid_on_off(const char *value)
{
    return is_one_of(value, (const char *const[]){"on", "off", NULL});
}

static bool valid_prune(const char *value)
{
    return is_one_of(value, (const char *const[]){"auto", "on", "off", NULL});
}

static bool valid_reset(const char *value)
{
    return is_one_of(value, (const char *const[]){"auto", "none", NULL});
}

/* Which names there are iommu_init() knows. */
static bool valid_errata_off(const char *value)
{
    return *value != 0 && *value != ',' && value[strlen(value) - 1] != ',';
}

static bool valid_dmar_poke(const char *value)
{
    uint64_t number;

    for (;;) {
        if (!config_number(&value, DMAR_BYTES_MAX - 1, &number) || *value++ != ':' ||
            !config_number(&value, UINT8_MAX, &number))
            return false;
        if (*value == 0)
            return true;
        if (*value++ != ',')
            return false;
    }
}

const struct config_key config_keys[] = {
    {"run", "takes COMMAND; COMMAND ...", valid_run},
    {"console", "takes auto, or the I/O port of a 16550", valid_console},
    {"debug_exit", "takes the I/O port that ends an emulator's run", valid_port},
    {"apic", "takes auto, xapic or x2apic", valid_apic},
    {"cpus", "takes 1 to 256", valid_cpus},
    {"log", "takes error, warn, info or debug", valid_log},
    {"panic", "takes reboot, halt or poweroff", valid_panic},
    {"chain", "takes the MiB of memory of a second Lull, 64 or more", valid_chain},
    {"iommu", "takes auto, legacy, second-stage or first-stage", valid_iommu},
    {"iommu_levels", "takes 3, 4 or 5", valid_iommu_levels},
    {"trust", "takes PCI functions, 0000:00:1f.2,0000:01:00.0 ...", valid_devices},
    {"ats", "takes PCI functions, 0000:00:1f.2,0000:01:00.0 ...", valid_devices},
    {"interrupt_remapping", "takes on or off", valid_on_off},
    {"dirty_self_test", "takes on or off", valid_on_off},
    {"prune", "takes auto, on or off", valid_prune},
    {"reset", "takes auto or none", valid_reset},
    {"errata_off", "takes NAME,NAME ... or all", valid_errata_off},
    {"dmar_poke", "takes OFFSET:BYTE,OFFSET:BYTE ...", valid_dmar_poke},
    {NULL, NULL, NULL},
};

static const struct config_key *known_key(struct span key)
{
    for (const struct config_key *known = config_keys; known->key; known++)
        if (span_is(key, known->key))
            return known;
    return NULL;
}

/* What is wrong with one line of text, or NULL. */
static const char *check_line(const char *text, struct span line)
{
    char value[CONFIG_VALUE_MAX];
    struct config_line parts;
    const struct config_key *known;
    struct span first;
    const char *where;

    if (!split(line, &parts) || parts.key.bytes == 0)
        return "not \"key = value\"";
    known = known_key(parts.key);
    if (!known)
        return "no such key";
    if (find(text, parts.key, &first, &where) && where != parts.key.start)
        return "this key was given before";
    if (parts.value.bytes >= sizeof(value))
        return "the value is too long";
    memcpy(value, parts.value.start, parts.value.bytes);
    value[parts.value.bytes] = 0;
    return known->valid(value) ? NULL : known->takes;
}

int config_check(const char *text, unsigned *line, const char **why)
{
    const char *rest = text;
    struct span span;

    for (*line = 1; next_line(&rest, &span); (*line)++) {
        *why = has_setting(span) ? check_line(text, span) : NULL;
        if (*why)
            return ERR_MALFORMED;
    }
    return 0;
}

bool config_get(const char *text, const char *key, char *value, size_t bytes)
{
    struct span found;
    const char *where;
    bool there = find(text, (struct span){key, strlen(key)}, &found, &where);
    size_t copied = there ? found.bytes : 0;

    if (copied >= bytes)
        copied = bytes - 1;
    if (copied > 0)
        memcpy(value, found.start, copied);
    value[copied] = 0;
    return there;
}
