/* SPDX-License-Identifier: BSD-2-Clause */
/* Agents as coroutines, and who goes on. */
#include "tests/model/schedule.h"
#include "lib/compiler.h"
#include "lib/units.h"
#include "tests/model/choices.h"
#include "tests/model/machine.h"
#include "tests/model/run.h"
#include "tests/model/schedule_run.h"
#include "tests/model/store_buffer.h"
#include "tests/model/violation.h"
#include <stdio.h>
#include <string.h>

#define STACK_BYTES (128 * KIB)
#define STEPS_MAX   3000000
#define TIME_MAX_NS (1000 * NS_PER_S)
#define JUMP_MAX_NS (100 * NS_PER_MS)
#define LOOK_NS     50

/* Who was delayed comes last, until loops that wait have made so many turns meanwhile: they may wait for it.
 */
#define PATIENCE 64

enum state {
    AGENT_UNUSED,
    AGENT_READY,
    AGENT_WAITING,  /* for ready(ready_context) */
    AGENT_RELAXING, /* until another one has made a step since `relaxed` */
    AGENT_DONE,
};

struct agent {
    void *sp;
    enum agent_kind kind;
    enum state state;
    unsigned cpu;
    unsigned weight;
    const char *name;
    void (*main)(void *context);
    void *context;
    bool (*ready)(void *context);
    void *ready_context;
    const char *waits_for;
    uint64_t relaxed;
    uint64_t delayed; /* in relax_turns: until then others go first */
    bool held;        /* started while calm: begins when that ends, or when it is joined */
};

void coroutine_switch(void **saved_sp, void *sp);

static uint8_t *stacks; /* kept: what is on them means nothing to the next run */
static struct agent agents[SCHEDULE_AGENTS_MAX];
static unsigned agent_count;
static struct agent *current;
static void *main_sp;
static bool calm;
static uint64_t step, relax_turns, now_ns, jump_ns;

void schedule_init(void)
{
    stacks = run_keep((size_t)SCHEDULE_AGENTS_MAX * STACK_BYTES);
}

static void give_way(void);

static void begin(void)
{
    current->main(current->context);
    current->state = AGENT_DONE;
    give_way();
    run_broken("an agent that ended goes on");
}

struct agent *agent_start(enum agent_kind kind, unsigned cpu, const char *name, void (*main)(void *context),
                          void *context)
{
    struct agent *agent = &agents[agent_count];
    uint64_t *sp = (uint64_t *)(void *)(stacks + (size_t)(agent_count + 1) * STACK_BYTES);

    if (agent_count++ == SCHEDULE_AGENTS_MAX)
        run_broken("more than %d agents", SCHEDULE_AGENTS_MAX);
    *--sp = 0; /* begin() has nowhere to return to; and is entered with the stack as a call leaves it */
    *--sp = (uintptr_t)begin;
    for (unsigned i = 0; i < 6; i++)
        *--sp = 0;
    *agent = (struct agent){.sp = sp,
                            .kind = kind,
                            .state = AGENT_READY,
                            .cpu = cpu,
                            .weight = choices_mode() == CHOICES_RANDOM ? 1u << 2 * choices_choose(3) : 1,
                            .name = name,
                            .main = main,
                            .context = context,
                            .held = calm && agent_count > 1 && kind != AGENT_HARDWARE};
    return agent;
}

struct agent *agent_current(void)
{
    return current;
}

const char *agent_name(const struct agent *agent)
{
    return agent->name;
}

enum agent_kind agent_kind(const struct agent *agent)
{
    return agent->kind;
}

unsigned agent_number(const struct agent *agent)
{
    return (unsigned)(agent - agents);
}

unsigned agent_cpu(const struct agent *agent)
{
    return agent->cpu;
}

static bool can_go_on(const struct agent *agent)
{
    if (agent->held)
        return false;
    switch (agent->state) {
    case AGENT_READY:
        return true;
    case AGENT_WAITING:
        return agent->ready(agent->ready_context);
    case AGENT_RELAXING:
        return step > agent->relaxed;
    default:
        return false;
    }
}

static void switch_to(struct agent *agent)
{
    struct agent *before = current;

    agent->state = AGENT_READY;
    if (agent == before)
        return;
    store_buffer_leave(before);
    current = agent;
    coroutine_switch(&before->sp, agent->sp);
    store_buffer_return(before);
}

static NORETURN void stuck(const char *how)
{
    char text[300] = "";

    for (unsigned i = 0; i < agent_count; i++) {
        size_t used = strlen(text);

        if (agents[i].state == AGENT_DONE || agents[i].kind == AGENT_HARDWARE)
            continue;
        snprintf(text + used, sizeof text - used, "; %s %s", agents[i].name,
                 agents[i].state == AGENT_WAITING ? agents[i].waits_for : "waits in a loop");
    }
    violation(VIOLATION_STUCK, "%s%s", how, text);
}

static void time_passes(void)
{
    if (now_ns > TIME_MAX_NS)
        stuck("nobody can go on");
    jump_ns = jump_ns * 2 < JUMP_MAX_NS ? jump_ns * 2 : JUMP_MAX_NS;
    now_ns += jump_ns;
}

/* Somebody has work, and does not only wait in a loop. */
static bool somebody_works(void)
{
    for (unsigned i = 0; i < agent_count; i++)
        if (agents[i].state != AGENT_RELAXING && can_go_on(&agents[i]))
            return true;
    return false;
}

struct candidates {
    struct agent *agents[SCHEDULE_AGENTS_MAX];
    unsigned weights[SCHEDULE_AGENTS_MAX];
    unsigned count;
};

static bool is_delayed(const struct agent *agent)
{
    return agent->delayed > relax_turns;
}

/* Those who can go on, from the current agent on, or without it; who is delayed, or who is not. */
static void add_candidates(struct candidates *candidates, bool with_current, bool delayed)
{
    for (unsigned i = with_current ? 0 : 1; i < agent_count; i++) {
        struct agent *agent = &agents[(size_t)(current - agents + i) % agent_count];

        if (is_delayed(agent) != delayed || !can_go_on(agent))
            continue;
        candidates->agents[candidates->count] = agent;
        candidates->weights[candidates->count++] = agent->weight;
    }
}

/* Who goes on; those whose turn it would have been are delayed, so that much can happen before they go on. */
static struct agent *choose_among(const struct candidates *candidates)
{
    unsigned chosen = calm ? 0 : choices_agent(candidates->weights, candidates->count);

    for (unsigned i = 0; i < chosen && choices_delays(); i++)
        candidates->agents[i]->delayed = relax_turns + PATIENCE;
    candidates->agents[chosen]->delayed = 0;
    return candidates->agents[chosen];
}

static void switch_among(bool with_current)
{
    struct candidates candidates = {.count = 0};
    unsigned undelayed;

    add_candidates(&candidates, with_current, false);
    undelayed = candidates.count;
    add_candidates(&candidates, with_current, true);
    if (!undelayed && candidates.count && current->state == AGENT_RELAXING)
        current->state = AGENT_READY; /* another turn, rather than who is delayed */
    else if (candidates.count)
        switch_to(choose_among(&candidates));
}

static void maybe_switch(enum point kind, const volatile void *address)
{
    /* What hardware does with a register, or with the lines of a flush, is not noted by address; nor when
     * what is in the store buffer reaches memory. */
    if (kind == POINT_MMIO || kind == POINT_FLUSH || !store_buffer_is_empty())
        address = NULL;
    if (!calm && choices_may_switch(agent_number(current), address, kind != POINT_READ))
        switch_among(true);
}

void schedule_point(enum point kind, const volatile void *address)
{
    if (++step > STEPS_MAX)
        stuck("nobody gets anywhere");
    maybe_switch(kind, address);
    if (store_buffer_is_empty() || (kind != POINT_MMIO && kind != POINT_FLUSH && kind != POINT_FENCE))
        return;
    /* Others may also run when what was stored has reached memory, and this has not been done. */
    store_buffer_drain();
    maybe_switch(kind, address);
}

void schedule_page_freed(const volatile void *page)
{
    if (!calm)
        choices_page_freed(agent_number(current), page);
}

static bool all_done(void)
{
    for (unsigned i = 0; i < agent_count; i++)
        if (agents[i].kind != AGENT_HARDWARE && agents[i].state != AGENT_DONE)
            return false;
    return true;
}

/* Whoever waits in a loop, though nothing has happened since: time has. */
static struct agent *next_relaxing(void)
{
    for (unsigned i = 1; i <= agent_count; i++) {
        struct agent *agent = &agents[(size_t)(current - agents + i) % agent_count];

        if (agent->state == AGENT_RELAXING)
            return agent;
    }
    return NULL;
}

/* The current agent cannot go on by itself. */
static void give_way(void)
{
    struct agent *before = current;

    store_buffer_drain();
    if (all_done())
        schedule_end();
    switch_among(false);
    while (before->state != AGENT_READY) {
        struct agent *next;

        time_passes();
        next = can_go_on(before) ? before : next_relaxing();
        if (next)
            switch_to(next);
        else
            switch_among(false);
    }
}

void schedule_wait(bool (*ready)(void *context), void *context, const char *what)
{
    while (!ready(context)) {
        current->ready = ready;
        current->ready_context = context;
        current->waits_for = what;
        current->state = AGENT_WAITING;
        give_way();
        machine_deliver_interrupts();
    }
}

void schedule_relax(void)
{
    current->state = AGENT_RELAXING;
    current->relaxed = step;
    relax_turns++;
    if (somebody_works())
        jump_ns = NS_PER_US;
    else
        time_passes();
    give_way();
}

static bool is_done(void *agent)
{
    return ((struct agent *)agent)->state == AGENT_DONE;
}

void agent_join(struct agent *agent)
{
    agent->held = false;
    schedule_wait(is_done, agent, agent->name);
}

unsigned schedule_choose(unsigned count)
{
    return calm ? 0 : choices_choose(count);
}

bool schedule_chance(unsigned in)
{
    return !calm && choices_chance(in);
}

void schedule_set_calm(bool on)
{
    calm = on;
    for (unsigned i = 0; i < agent_count && !calm; i++)
        agents[i].held = false;
}

bool schedule_is_calm(void)
{
    return calm;
}

uint64_t schedule_step(void)
{
    return step;
}

uint64_t schedule_time_ns(void)
{
    return now_ns += LOOK_NS;
}

static void main_of_cpu0(void *main)
{
    void (*run)(void);

    memcpy(&run, &main, sizeof run);
    run();
}

void schedule_run(void (*main)(void))
{
    void *context;

    memcpy(&context, &main, sizeof context);
    calm = true;
    jump_ns = NS_PER_US;
    now_ns = NS_PER_S;
    current = agent_start(AGENT_CPU, 0, "cpu0", main_of_cpu0, context);
    coroutine_switch(&main_sp, current->sp);
}

NORETURN void schedule_end(void)
{
    void *nowhere;

    coroutine_switch(&nowhere, main_sp);
    __builtin_unreachable();
}
