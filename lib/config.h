/* SPDX-License-Identifier: BSD-2-Clause */
/* lull.cfg: lines "key = value"; '#' begins a comment line; blank lines are fine. The loader checks the text,
 * the hypervisor reads it. */
#pragma once

#include "lib/compiler.h"
#include "lib/pci_address.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* No value that config_check() accepts, its ending 0 included, is longer. */
#define CONFIG_VALUE_MAX 512

/* 0, or ERR_MALFORMED with *line (from 1) and *why set: not "key = value", an unknown key, a key given twice,
 * a value that its key does not take. text ends with 0. */
int config_check(const char *text, unsigned *line, const char **why) MUST_CHECK;

/* The value of key in a text that passed config_check(), copied into value (bytes long, always ended) without
 * the blanks around it. False, and value is "", when the key is not there. */
bool config_get(const char *text, const char *key, char *value, size_t bytes);

/* Reads a number, decimal or 0x and hexadecimal, from *text on and moves *text behind it. False, and nothing
 * moved, when there is none or it is above max. */
bool config_number(const char **text, uint64_t max, uint64_t *value) MUST_CHECK;

/* Reads a PCI function as lspci -D shows it, 0000:00:1f.2, from *text on and moves *text behind it. False,
 * and nothing moved, when there is none. */
bool config_pci_address(const char **text, struct pci_address *device) MUST_CHECK;

/* The least memory that a second Lull can do with. */
#define CONFIG_CHAIN_MIB_MIN 64

/* Devices that one value may list. */
#define CONFIG_DEVICES_MAX 32

/* The keys that lull.cfg may have, with what each takes, ended by a key of NULL; for help and for checks. */
struct config_key {
    const char *key;
    const char *takes; /* for people: "takes ..." */
    bool (*valid)(const char *value);
};

extern const struct config_key config_keys[];
