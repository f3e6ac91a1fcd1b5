/* SPDX-License-Identifier: BSD-2-Clause */
/* NVMe as a source of DMA, against a controller that is fake: what it is told, in which state it is left, and
 * what comes of one that is silent, broken, or lies. */
#include "arch/platform/pci.h"
#include "iommu/domain.h"
#include "iommu/self_test.h"
#include "lib/error.h"
#include "lib/page_alloc.h"
#include "lib/pci.h"
#include "lib/rcu.h"
#include "tests/host/fake_pci.h"
#include "tests/host/host.h"
#include "tests/host/tree.h"
#include "tests/host/unit.h"
#include <string.h>

/* They belong to arch/, which is not in the library that tests link with. */
#include "arch/devices/dma_memory.c"
#include "arch/devices/nvme_controller.c"
#include "arch/devices/nvme_dma_source.c"
#include "arch/devices/nvme_queue.c"

#define BAR       0xfe000000ull
#define BAR_BYTES 0x4000ull

static struct fake {
    uint64_t cap, asq, acq;
    uint32_t cc, csts, aqa, intms;
    unsigned head, tail; /* of the submission queue */
    unsigned cq_tail;
    bool phase;

    /* How it behaves. */
    uint64_t bar_bytes;
    bool gone;
    bool never_ready, fatal, never_stops, never_shut_down;
    unsigned silent_after; /* so many commands */
    unsigned refused;      /* a command that ends with an error */
    unsigned lie;          /* one that writes nothing */

    /* What it saw. */
    struct iommu_domain *domain; /* that it is in */
    bool was_shut_down;
    unsigned commands, resets, dma_while_blocked, wrong_commands, unsaid_interrupts;
} fake;

static const struct pci_address function = {0, 3, 0x08};
static struct fake_function *pci_function_of_it;

static bool is_master(void)
{
    return pci_function_of_it->space[PCI_COMMAND] & PCI_COMMAND_MASTER;
}

/* --- the controller --- */

static void *reach(uint64_t iova, bool write)
{
    uint64_t hpa;

    if (!fake.domain || !is_master() ||
        !tree_access(&tree_through_cache, &fake.domain->pt, iova, write, &hpa)) {
        fake.dma_while_blocked++;
        return NULL;
    }
    return phys_to_virt(hpa);
}

static void complete(const struct nvme_command *command, unsigned status)
{
    struct nvme_completion *entries = reach(fake.acq, true);

    if (!entries)
        return;
    entries[fake.cq_tail].dw3 =
        command->cdw0 >> 16 | (fake.phase ? NVME_DW3_PHASE : 0) | (uint32_t)status << 17;
    fake.cq_tail = (fake.cq_tail + 1) % ((fake.aqa >> 16) + 1);
    if (!fake.cq_tail)
        fake.phase = !fake.phase;
}

static void identify_into(char *page)
{
    memset(page, 0, PAGE_SIZE);
    memcpy(page + NVME_ID_SERIAL, "12345               ", NVME_ID_SERIAL_BYTES);
    memcpy(page + NVME_ID_MODEL, "A fake, \x01 of a drive                      ", NVME_ID_MODEL_BYTES);
}

static void carry_out(const struct nvme_command *command)
{
    unsigned n = fake.commands++;
    char *page = reach(command->prp1, true);

    if ((command->cdw0 & 0xff) != NVME_IDENTIFY || command->cdw10 != NVME_CNS_CONTROLLER)
        fake.wrong_commands++;
    if (page && n != fake.lie)
        identify_into(page);
    complete(command, !page ? 4 : n == fake.refused ? 6 : 0);
}

static void ring(uint32_t tail)
{
    fake.tail = tail;
    while (fake.head != fake.tail && fake.commands < fake.silent_after) {
        const struct nvme_command *commands = reach(fake.asq, false);

        if (!commands)
            return;
        carry_out(&commands[fake.head]);
        fake.head = (fake.head + 1) % ((fake.aqa & 0xfff) + 1);
    }
}

static void configure(uint32_t cc)
{
    bool on = cc & NVME_CC_EN, was_on = fake.cc & NVME_CC_EN;

    fake.cc = cc;
    if (on && !was_on) {
        fake.head = fake.tail = fake.cq_tail = 0;
        fake.phase = true;
        fake.unsaid_interrupts += fake.intms != ~0u;
        fake.csts = fake.never_ready ? 0 : fake.fatal ? NVME_CSTS_CFS : NVME_CSTS_RDY;
        fake.was_shut_down = false;
    }
    if (!on && was_on) {
        fake.resets++;
        fake.csts = fake.never_stops ? NVME_CSTS_RDY : 0;
        fake.intms = 0;
    }
    if (on && cc & NVME_CC_SHN_NORMAL && !fake.never_shut_down) {
        fake.csts |= NVME_CSTS_SHST_DONE;
        fake.was_shut_down = true;
    }
}

static uint32_t read32(void *context, uint64_t hpa)
{
    (void)context;
    if (fake.gone)
        return ~0u;
    return hpa - BAR == NVME_CC ? fake.cc : hpa - BAR == NVME_CSTS ? fake.csts : 0;
}

static uint64_t read64(void *context, uint64_t hpa)
{
    (void)context;
    return fake.gone ? ~0ull : hpa - BAR == NVME_CAP ? fake.cap : 0;
}

static void write32(void *context, uint64_t hpa, uint32_t value)
{
    (void)context;
    switch (hpa - BAR) {
    case NVME_CC:
        configure(value);
        break;
    case NVME_INTMS:
        fake.intms |= value;
        break;
    case NVME_AQA:
        fake.aqa = value;
        break;
    case NVME_DOORBELLS:
        ring(value);
        break;
    }
}

static void write64(void *context, uint64_t hpa, uint64_t value)
{
    (void)context;
    if (hpa - BAR == NVME_ASQ)
        fake.asq = value;
    else if (hpa - BAR == NVME_ACQ)
        fake.acq = value;
}

/* --- its PCI function, and the unit --- */

int pci_bar_map(struct pci_address address, unsigned index, volatile void **registers, uint64_t *bytes)
{
    assert_true(pci_address_equal(address, function) && index == 0);
    *registers = platform_mmio_map(BAR, fake.bar_bytes);
    if (bytes)
        *bytes = fake.bar_bytes;
    return 0;
}

static int fake_init(struct iommu_domain *domain)
{
    domain->pt_ops = &pt_x86_64;
    domain->id = 7;
    domain->tracks_dirty = true;
    return pt_init(&domain->pt, 4, 3, 47, 0);
}

static void fake_destroy(struct iommu_domain *domain)
{
    pt_destroy(&domain->pt);
}

static int fake_attach(struct iommu_domain *domain, struct pci_address device, uint32_t pasid)
{
    (void)pasid;
    assert_true(pci_address_equal(device, function));
    assert_false(fake.cc & NVME_CC_EN); /* it was reset while it was blocked */
    fake.domain = domain;
    return 0;
}

static int fake_detach(struct iommu_domain *domain, struct pci_address device, uint32_t pasid)
{
    (void)device;
    (void)pasid;
    assert_ptr_equal(fake.domain, domain);
    fake.domain = NULL;
    return 0;
}

static int fake_invalidate(struct iommu_domain *domain, const struct gather *gather)
{
    (void)domain;
    (void)gather;
    return 0;
}

static const struct iommu_domain_ops ops = {
    .flags = DOMAIN_FLAG_RCU_FREE_PAGES,
    .init = fake_init,
    .destroy = fake_destroy,
    .attach = fake_attach,
    .detach = fake_detach,
    .invalidate = fake_invalidate,
};

/* --- tests --- */

static uint64_t now;

/* So that deadlines come at once. */
static void pass_time(void)
{
    now += 100 * NS_PER_MS;
    host_set_time_ns(now);
}

static int make_fake(void **state)
{
    static const struct host_mmio_ops mmio = {read32, read64, write32, write64, NULL};

    (void)state;
    fake = (struct fake){
        .cap = NVME_CAP_CSS_NVM | 63, /* 64 entries a queue, half a second to get ready */
        .bar_bytes = BAR_BYTES,
        .silent_after = ~0u,
        .refused = ~0u,
        .lie = ~0u,
    };
    fake_pci_install();
    pci_function_of_it = fake_pci_add(function.bus, function.devfn >> 3, function.devfn & 7, 0x5845);
    fake_pci_make_express(pci_function_of_it, 0);
    fake_pci_put32(pci_function_of_it, FAKE_EXPRESS + 4, 1u << 28); /* it has FLR */
    assert_int_equal(pci_scan((const uint16_t[]){0}, 1), 0);
    host_set_mmio(&mmio);
    host_set_relax(pass_time);
    now = NS_PER_S;
    host_set_time_ns(now);
    host_log_clear();
    iommu_set_domain_ops(&ops, NULL);
    return 0;
}

static uint64_t free_pages(void)
{
    struct page_alloc_stats stats;

    rcu_barrier();
    page_alloc_stats(&stats);
    return stats.free_pages;
}

/* Whatever the controller does, it ends blocked, and all memory is back. */
static void assert_comes_to(const char *text)
{
    struct nvme_dma_source source;
    struct iommu_self_test result;
    char said[IOMMU_SELF_TEST_TEXT];
    uint64_t before = free_pages();

    nvme_dma_source_init(&source, function);
    iommu_self_test_run(&source.source, &result);
    iommu_self_test_text(&result, said, sizeof said);
    assert_string_equal(said, text);
    assert_null(fake.domain);
    assert_false(is_master());
    assert_null(iommu_domain_find("self-test"));
    assert_int_equal(free_pages(), before);
    assert_int_equal(fake.dma_while_blocked, 0);
    assert_int_equal(fake.wrong_commands, 0);
    assert_int_equal(fake.unsaid_interrupts, 0);
}

static void a_controller_tests_its_unit_and_is_shut_down(void **state)
{
    (void)state;
    assert_comes_to("passed by 0000:03:01.0, leaves of 4 KiB and 2 MiB");
    assert_true(fake.was_shut_down);
    assert_false(fake.cc & NVME_CC_EN);
    assert_true(fake.resets > 4); /* its queue went to pages under test, and came back */
    assert_string_equal(host_log(), "");
}

static void who_it_is_is_read_whatever_is_in_there(void **state)
{
    struct nvme_controller controller;
    int error;
    struct iommu_domain *domain = iommu_domain_create("a", &error);

    (void)state;
    assert_int_equal(nvme_controller_open(&controller, function, domain, GIB), 0);
    assert_string_equal(controller.model, "A fake, ? of a drive");
    assert_string_equal(controller.serial, "12345");
    assert_int_equal(nvme_controller_close(&controller), 0);
    assert_int_equal(iommu_domain_destroy(domain), 0);
}

/* Its queues are firmware's, and its DMA is blocked: fake_attach() looks. */
static void one_that_firmware_left_on_is_reset_first(void **state)
{
    (void)state;
    fake.cc = NVME_CC_EN;
    fake.csts = NVME_CSTS_RDY;
    assert_comes_to("passed by 0000:03:01.0, leaves of 4 KiB and 2 MiB");
}

static void one_that_does_not_answer_tests_nothing(void **state)
{
    static const char text[] = "not tested by 0000:03:01.0: the device does not answer";

    (void)state;
    fake.never_ready = true;
    assert_comes_to(text);
    for (unsigned n = 0; n < 14; n++) {
        make_fake(state);
        fake.silent_after = n;
        assert_comes_to(n <= 10 ? text : "passed by 0000:03:01.0, leaves of 4 KiB and 2 MiB");
    }
    make_fake(state);
    fake.cc = NVME_CC_EN;
    fake.csts = NVME_CSTS_RDY;
    fake.never_stops = true;
    assert_comes_to(text);
    assert_non_null(strstr(host_log(), "does not stop"));
}

static void one_that_is_broken_tests_nothing(void **state)
{
    static const char text[] = "not tested by 0000:03:01.0: hardware reported an error";

    fake.gone = true;
    assert_comes_to(text);
    make_fake(state);
    fake.fatal = true;
    assert_comes_to(text);
    make_fake(state);
    fake.refused = 3;
    assert_comes_to(text);
    make_fake(state);
    pci_function_of_it->master_is_fixed = true;
    assert_comes_to(text);
}

static void one_that_only_says_that_it_wrote_is_found_out(void **state)
{
    (void)state;
    fake.lie = 1;
    assert_comes_to("not tested by 0000:03:01.0: hardware reported an error");
    assert_non_null(strstr(host_log(), "says that it wrote a page, and did not"));
}

static void one_that_this_driver_cannot_drive_is_refused_by_name(void **state)
{
    static const struct {
        uint64_t cap, bar_bytes;
        const char *log;
    } cases[] = {
        {NVME_CAP_CSS_NVM, 0x1000, "BAR 0 has 4096 bytes only"},
        {NVME_CAP_CSS_NVM | 15ull << 32, BAR_BYTES, "beyond BAR 0"},
        {NVME_CAP_CSS_NVM | 1ull << 48, BAR_BYTES, "no 4 KiB pages"},
        {0, BAR_BYTES, "no NVM command set"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        make_fake(state);
        fake.cap = cases[i].cap;
        fake.bar_bytes = cases[i].bar_bytes;
        assert_comes_to("not tested by 0000:03:01.0: not supported");
        assert_non_null(strstr(host_log(), cases[i].log));
        assert_int_equal(fake.resets, 0);
    }
}

static void one_that_does_not_shut_down_is_stopped_all_the_same(void **state)
{
    (void)state;
    fake.never_shut_down = true;
    assert_comes_to("passed by 0000:03:01.0, leaves of 4 KiB and 2 MiB");
    assert_false(fake.cc & NVME_CC_EN);
    assert_non_null(strstr(host_log(), "was not closed cleanly"));
}

static void an_address_that_is_not_mapped_is_refused(void **state)
{
    struct nvme_dma_source source;
    int error;
    struct iommu_domain *domain = iommu_domain_create("a", &error);

    (void)state;
    nvme_dma_source_init(&source, function);
    assert_int_equal(source.source.open(&source.source, domain, GIB), 0);
    assert_int_equal(source.source.write(&source.source, 2 * GIB), ERR_INVALID);
    assert_int_equal(source.source.read(&source.source, 2 * GIB), ERR_INVALID);
    assert_int_equal(source.source.close(&source.source), 0);
    assert_int_equal(fake.dma_while_blocked, 0);
    assert_int_equal(iommu_domain_destroy(domain), 0);
}

#define NVME_TEST(name) cmocka_unit_test_setup(name, make_fake)

int main(void)
{
    const struct CMUnitTest tests[] = {
        NVME_TEST(a_controller_tests_its_unit_and_is_shut_down),
        NVME_TEST(who_it_is_is_read_whatever_is_in_there),
        NVME_TEST(one_that_firmware_left_on_is_reset_first),
        NVME_TEST(one_that_does_not_answer_tests_nothing),
        NVME_TEST(one_that_is_broken_tests_nothing),
        NVME_TEST(one_that_only_says_that_it_wrote_is_found_out),
        NVME_TEST(one_that_this_driver_cannot_drive_is_refused_by_name),
        NVME_TEST(one_that_does_not_shut_down_is_stopped_all_the_same),
        NVME_TEST(an_address_that_is_not_mapped_is_refused),
    };

    host_memory_init(64 * MIB);
    rcu_cpu_online();
    return cmocka_run_group_tests_name("NVMe as a source", tests, NULL, NULL);
}
