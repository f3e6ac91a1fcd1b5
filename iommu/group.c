/* SPDX-License-Identifier: BSD-2-Clause */
/* Groups: joins functions for each way around the units that there is, and collects what was joined. */
#include "iommu/group.h"
#include "iommu/iommu.h"
#include "lib/error.h"
#include "lib/log.h"
#include "lib/pci.h"
#include "lib/pci_acs.h"
#include "lib/pci_alias.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NONE ~0u

struct node {
    const struct pci_function *function;
    enum pci_express_type type;
    unsigned above;  /* the bridge that leads here; NONE: it is on a root bus */
    unsigned joined; /* another one of its group, that comes before it; or itself */
    bool redirects;
};

/* A copy of the table, with what decides. */
struct map {
    struct node *nodes;
    unsigned count;
};

static bool is_bridge(const struct node *node)
{
    return node->function->header_type != PCI_HEADER_ENDPOINT;
}

static bool is_port(const struct node *node)
{
    return is_bridge(node) && (node->type == PCI_EXPRESS_ROOT_PORT || node->type == PCI_EXPRESS_UPSTREAM ||
                               node->type == PCI_EXPRESS_DOWNSTREAM);
}

static unsigned node_of(const struct map *map, const struct pci_function *function)
{
    for (unsigned i = 0; function && i < map->count; i++)
        if (map->nodes[i].function == function)
            return i;
    return NONE;
}

/* Functions that can reach each other without leaving what they are part of: those of a device; the ports
 * that lead down from a switch; all on a conventional bus. Different devices on a root bus are different
 * parts of the root complex, which has the unit between them and the rest. */
static bool are_peers(const struct node *a, const struct node *b)
{
    struct pci_address one = a->function->address, other = b->function->address;

    return one.segment == other.segment && one.bus == other.bus &&
           (a->above != NONE || one.devfn >> 3 == other.devfn >> 3);
}

/* The first function that may reach its peers, n or another: that it is not the one in question does not
 * help, since what it sends is not redirected. NONE: all redirect, or n has no peer. */
static unsigned open_peer(const struct map *map, unsigned n)
{
    unsigned open = NONE, peers = 0;

    for (unsigned i = 0; i < map->count; i++) {
        if (!are_peers(&map->nodes[i], &map->nodes[n]))
            continue;
        peers++;
        if (open == NONE && !map->nodes[i].redirects)
            open = i;
    }
    return peers > 1 ? open : NONE;
}

/* The first on the way from a bridge to the root that lets pass what comes from below to what is not behind
 * the bridge, or back down; NONE: all goes up to the unit. */
static unsigned open_above(const struct map *map, unsigned bridge)
{
    for (; bridge != NONE; bridge = map->nodes[bridge].above) {
        const struct node *node = &map->nodes[bridge];
        unsigned peer = open_peer(map, bridge);

        /* A port that leads up has nowhere else to send to, but the other functions of its device. */
        if (!is_port(node) || (node->type != PCI_EXPRESS_UPSTREAM && !node->redirects))
            return bridge;
        if (peer != NONE)
            return peer;
    }
    return NONE;
}

static unsigned group_of(const struct map *map, unsigned n)
{
    while (map->nodes[n].joined != n)
        n = map->nodes[n].joined;
    return n;
}

static void join(struct map *map, unsigned a, unsigned b)
{
    a = group_of(map, a);
    b = group_of(map, b);
    if (a < b)
        map->nodes[b].joined = a;
    else
        map->nodes[a].joined = b;
}

static void join_all(struct map *map)
{
    for (unsigned i = 0; i < map->count; i++) {
        unsigned above = map->nodes[i].above;

        if (above != NONE && open_above(map, above) != NONE)
            join(map, i, above);
        if (open_peer(map, i) == NONE)
            continue;
        for (unsigned k = i + 1; k < map->count; k++)
            if (are_peers(&map->nodes[i], &map->nodes[k]))
                join(map, i, k);
    }
}

static int map_make(struct map *map)
{
    map->count = 0;
    while (pci_function(map->count))
        map->count++;
    map->nodes = calloc(map->count ? map->count : 1, sizeof *map->nodes);
    if (!map->nodes)
        return ERR_NOMEM;
    for (unsigned i = 0; i < map->count; i++) {
        const struct pci_function *function = pci_function(i);

        map->nodes[i] = (struct node){
            .function = function,
            .type = pci_express_type(function->address),
            .joined = i,
            .redirects = pci_acs_redirects(function->address),
        };
    }
    for (unsigned i = 0; i < map->count; i++)
        map->nodes[i].above = node_of(map, pci_bridge_above(map->nodes[i].function->address));
    join_all(map);
    return 0;
}

static void add_why(struct iommu_group *group, const struct node *node)
{
    static const char *const kinds[] = {
        [PCI_EXPRESS_ROOT_PORT] = "root port " PCI_FORMAT " has no ACS",
        [PCI_EXPRESS_DOWNSTREAM] = "switch port " PCI_FORMAT " has no ACS",
    };
    const char *format = "function " PCI_FORMAT " has no ACS";
    size_t used = strlen(group->why);
    char text[64];

    if (is_bridge(node) && !is_port(node))
        format = PCI_FORMAT " is a bridge to PCI";
    else if (node->type < ARRAY_SIZE(kinds) && kinds[node->type])
        format = kinds[node->type];
    snprintf(text, sizeof text, format, PCI_ARGS(node->function->address));
    /* One that fits in part only would name another function. */
    if (!strstr(group->why, text) && used + strlen(text) + 3 <= sizeof group->why)
        snprintf(group->why + used, sizeof group->why - used, "%s%s", used ? ", " : "", text);
}

static void add_id(void *context, struct pci_address id)
{
    struct iommu_group *group = context;

    if (!iommu_group_has(group, id))
        group->ids[group->count++] = id;
}

static void count_id(void *context, struct pci_address id)
{
    (void)id;
    ++*(unsigned *)context;
}

/* Each member that issues requests, which bridges do not. */
static void visit_members(const struct map *map, unsigned n,
                          void (*visit)(void *context, struct pci_address function), void *context)
{
    for (unsigned i = 0; i < map->count; i++)
        if (group_of(map, i) == group_of(map, n) && !is_bridge(&map->nodes[i]))
            visit(context, map->nodes[i].function->address);
}

struct alias_visit {
    void (*visit)(void *context, struct pci_address alias);
    void *context;
};

static void visit_aliases(void *context, struct pci_address function)
{
    struct alias_visit *aliases = context;

    pci_visit_aliases(function, aliases->visit, aliases->context);
}

/* Why node n is not alone. */
static void explain_node(const struct map *map, unsigned n, struct iommu_group *group)
{
    unsigned above = map->nodes[n].above;
    unsigned bridge = above == NONE ? NONE : open_above(map, above);
    /* Functions behind a bridge to PCI are peers, but it is the bridge that makes them one. */
    unsigned peer = above != NONE && !is_port(&map->nodes[above]) ? NONE : open_peer(map, n);

    if (peer != NONE)
        add_why(group, &map->nodes[peer]);
    if (bridge != NONE)
        add_why(group, &map->nodes[bridge]);
}

static void explain(const struct map *map, unsigned n, struct iommu_group *group)
{
    for (unsigned i = 0; i < map->count; i++)
        if (group_of(map, i) == group_of(map, n))
            explain_node(map, i, group);
    /* What has aliases of its own making is joined with nothing. */
    if (!group->why[0])
        snprintf(group->why, sizeof group->why, PCI_FORMAT " uses phantom functions",
                 PCI_ARGS(group->ids[0]));
}

/* The group of node n. It may have no id at all, if it is ports alone. */
static int collect(const struct map *map, unsigned n, struct iommu_group *group)
{
    unsigned room = 1;

    visit_members(map, n, count_id, &room);
    visit_members(map, n, visit_aliases, &(struct alias_visit){count_id, &room});
    *group = (struct iommu_group){.ids = malloc(room * sizeof *group->ids)};
    if (!group->ids)
        return ERR_NOMEM;
    visit_members(map, n, add_id, group);
    group->functions = group->count;
    visit_members(map, n, visit_aliases, &(struct alias_visit){add_id, group});
    if (group->count > 1)
        explain(map, n, group);
    return 0;
}

struct id_search {
    struct pci_address id;
    bool found;
};

static void compare_id(void *context, struct pci_address id)
{
    struct id_search *search = context;

    search->found = search->found || pci_address_equal(search->id, id);
}

/* The node with this id, or whose alias it is. */
static unsigned find_node(const struct map *map, struct pci_address id)
{
    struct id_search search = {id, false};
    unsigned n = node_of(map, pci_find(id));

    if (n != NONE)
        return n;
    for (unsigned i = 0; i < map->count; i++) {
        pci_visit_aliases(map->nodes[i].function->address, compare_id, &search);
        if (search.found)
            return i;
    }
    return NONE;
}

static int make_alone(struct pci_address device, struct iommu_group *group)
{
    *group = (struct iommu_group){.ids = malloc(sizeof *group->ids), .functions = 1, .count = 1};
    if (!group->ids)
        return ERR_NOMEM;
    group->ids[0] = device;
    return 0;
}

int iommu_group_find(struct pci_address device, struct iommu_group *group)
{
    struct map map;
    unsigned n;
    int error = map_make(&map);

    if (error)
        return error;
    n = find_node(&map, device);
    error = n == NONE ? make_alone(device, group) : collect(&map, n, group);
    free(map.nodes);
    if (!error && !iommu_group_has(group, device)) {
        log_error("iommu: " PCI_FORMAT " is a port, which has no DMA of its own", PCI_ARGS(device));
        iommu_group_free(group);
        return ERR_UNSUPPORTED;
    }
    return error;
}

void iommu_group_free(struct iommu_group *group)
{
    free(group->ids);
    group->ids = NULL;
}

bool iommu_group_has(const struct iommu_group *group, struct pci_address id)
{
    for (unsigned i = 0; i < group->count; i++)
        if (pci_address_equal(group->ids[i], id))
            return true;
    return false;
}

int iommu_groups_visit(void (*visit)(void *context, const struct iommu_group *group), void *context)
{
    struct iommu_group group;
    struct map map;
    int error = map_make(&map);

    for (unsigned i = 0; !error && i < map.count; i++) {
        if (group_of(&map, i) != i)
            continue;
        error = collect(&map, i, &group);
        if (!error && group.count)
            visit(context, &group);
        if (!error)
            iommu_group_free(&group);
    }
    free(map.nodes);
    return error;
}

int iommu_group_visit(struct pci_address device,
                      void (*visit)(void *context, struct pci_address id, bool alias), void *context)
{
    struct iommu_group group;
    int error = iommu_group_find(device, &group);

    if (error)
        return error;
    for (unsigned i = 0; i < group.count; i++)
        visit(context, group.ids[i], i >= group.functions);
    iommu_group_free(&group);
    return 0;
}
