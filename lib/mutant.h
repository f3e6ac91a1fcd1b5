/* SPDX-License-Identifier: BSD-2-Clause */
/* Guards that a test build breaks on purpose, to see a test fail. An image that anybody ships defines no
 * LULL_MUTANT, and mutant() is then the constant 0.
 *
 * Build one with: make MUTANT=NAME BUILD=build/mutant-NAME demo-image */
#pragma once

/* Their names, and what each leaves out. docs/testing.md says who notices. */
#define LULL_MUTANTS(X)                                                                                      \
    X(NO_UNMAP_INVALIDATION, "unmap does not invalidate the units")                                          \
    X(LEAVES_ONLY, "an invalidation leaves cached table entries, though a table went")                       \
    X(MASK_TOO_SMALL, "an invalidation is of half the pages that it says")                                   \
    X(NO_WAIT, "an invalidation is submitted and not waited for")                                            \
    X(FREE_BEFORE_GRACE_PERIOD, "rcu_free_pages() frees at once")                                            \
    X(CALLBACK_BEFORE_GRACE_PERIOD, "callbacks run at the next quiescent state of their own CPU")            \
    X(NO_FENCE_AFTER_IDLE, "a CPU that comes back from idle reads before it is seen to be back")             \
    X(FROZEN_SKIPPED, "a mapper installs in a table that is frozen")                                         \
    X(THAWED_AT_ONCE, "the place of a table that became empty is free before the invalidation")              \
    X(UNLINK_LEAVES_OTHERS, "who takes the last page of a table out invalidates that one only")              \
    X(NO_TABLE_FLUSH, "a new table is linked before it is in memory")                                        \
    X(NO_SETTLE, "a mapper that finds a table linked leaves it to the one who linked it to flush the entry") \
    X(NO_SETTLE_ON_UNMAP, "the same by who unmaps what is below")                                            \
    X(PLATFORM_DECIDES_ALONE, "a platform's word is enough to map a page that is the allocator's")           \
    X(PLAIN_CLEAR, "a harvest clears dirty by a plain store")                                                \
    X(NO_HARVEST_INVALIDATION, "a harvest clears dirty bits and does not invalidate")                        \
    X(HARVEST_SKIPS_ENTRIES, "a harvest looks at every second entry only")                                   \
    X(NO_MARK_WALKED, "a pass whose invalidation failed lets the next one be pruned as usual")               \
    X(AUDIT_WITHOUT_SECOND_LOOK,                                                                             \
      "an audit takes a write that comes in its middle for a missing accessed bit")                          \
    X(AUDIT_BY_HARVEST, "the parts of one pass audit one share after the other of what they leave out")      \
    X(AUDIT_SHARE_USED_UP, "a pass that fails, and may not have come to its share, has audited that")        \
    X(PRUNE_WITHOUT_S, "a pass leaves out what was not walked since the last one")                           \
    X(PRUNE_S_BEFORE, "a pass keeps in S what it read of A before it clears A")                              \
    X(PRUNE_NARROW, "a pass does not invalidate the spans of the entries whose A it clears")                 \
    X(PRUNE_LEAVES_ONLY, "a pass invalidates leaves only, and not the table entries whose A it clears")      \
    X(SPLIT_FORGETS_WALKED, "a split leaves S clear, and the table is left out with what is dirty in it")    \
    X(MERGE_FORGETS_WALKED, "a merge that hands back leaves S clear above its leaf")                         \
    X(NOT_HANDED_BACK, "what was written through a table until its merge was confirmed is forgotten")        \
    X(HANDED_BACK_EARLY, "a merge looks for what was written through its old tables, then invalidates")      \
    X(MERGE_NOT_COUNTED, "a last pass takes no notice of a merge that dirtied a leaf behind its back")       \
    X(LEAF_BEYOND_KEPT, "a tracker reports the part of a large leaf that it covers again and again")         \
    X(QUARANTINE_FORGETS_SPLITS, "leaves whose split was not confirmed count as split and cached for ever")  \
    X(UNCONFIRMED_FORGOTTEN,                                                                                 \
      "a harvest does not invalidate what one before it cleared and nobody confirmed")                       \
    X(LEAVING_NOT_COUNTED,                                                                                   \
      "a last pass does not wait for the report of an unmap that took pages out before it")                  \
    X(UNMAP_OWES_NOTHING, "a pass is over though an unmap before it was not confirmed")                      \
    X(SSADE_WITHOUT_INVALIDATION, "tracking starts, and units go on by what they have cached")               \
    X(TRACK_MISSES_ATTACH, "a device that is attached beside the start of tracking gets an entry of before") \
    X(ENTRIES_UNLOCKED, "who starts or stops tracking looks for entries while a detach frees their tables")  \
    X(UNMAPPED_NOT_REPORTED, "what is unmapped is not reported to who tracks the domain")                    \
    X(UNMAPPED_EARLY, "what is unmapped is reported before the invalidation")                                \
    X(UNMAPPED_BESIDE_START, "an unmap that began before tracking started tells nobody what it found")       \
    X(UNNOTED_NOT_REPORTED,                                                                                  \
      "an unmap without memory for notes tells its caller nothing of what was writable")                     \
    X(UNMAPPED_OF_OTHER_WAY, "an unmap reports dirty bits to who has tracked all that is writable since")    \
    X(UNMAPPED_NOT_AWAITED, "tracking stops, and a CPU goes on with its report of what it unmapped")         \
    X(UNMAPPED_START_UNFENCED, "tracking has started, and where to report unmaps is not in memory yet")      \
    X(UNMAPPED_AT_ONCE, "the report of a large unmap is one read section, however long")                     \
    X(UNMAP_FORGETS_DIRTY, "an unmap does not report the dirty bits of the leaves that it takes out")        \
    X(DETACHED_FORGOTTEN, "an unmap does not report the dirty bits of the tables that it detaches")          \
    X(SPLIT_IGNORED, "small leaves are invalidated alone, though a unit may have the large one")             \
    X(SPLIT_FORGETS_DIRTY, "the parts of a dirty leaf are clean")                                            \
    X(NO_PWSNP, "a PASID entry says that walks of its tables do not snoop, though they could")               \
    X(PRESENT_WORD_FIRST, "a PASID entry is present before its other words are written")                     \
    X(PASIDS_FORGOTTEN, "an unmap invalidates what requests without PASID left only")                        \
    X(STATUS_DIES_WITH_WAITER, "the memory of a wait's status goes when its waiter gives up")                \
    X(ITE_FORGETS_REST, "after an ITE a batch of which a part was dropped counts as carried out")            \
    X(STALL_NOT_KEPT, "a queue that was found to stand still is waited for by everybody all the same")       \
    X(INTERRUPT_NOT_INVALIDATED, "an interrupt's entry changes or goes, and the unit keeps what it cached")  \
    X(INTERRUPT_SOURCE_UNCHECKED, "an interrupt's entry takes interrupts of any device")                     \
    X(INTERRUPT_IN_HALVES, "an interrupt's entry is written in two halves, the one with P first")            \
    X(NO_CUT_OFF, "the context entry of a device that is cut off stays present")                             \
    X(CUT_OFF_FLAG_AFTER, "who cuts devices off says so when the entries are done")                          \
    X(COMMAND_UNLOCKED, "two CPUs change bits of a command register, and one undoes what the other did")     \
    X(NO_DEVICE_TLB, "an invalidation leaves out the TLBs of devices")                                       \
    X(DEVICE_TLB_FIRST, "devices' TLBs are invalidated before the IOTLB, from which they fill again")        \
    X(ATS_LIST_LATE, "a device comes on the list of those with TLBs when its entry is present already")      \
    X(ATS_OFF_AT_ONCE, "a device's ATS goes off while its TLB is being invalidated")                         \
    X(STALE_CUT, "a device takes the slot of one that was cut off, and its mark")                            \
    X(SLOT_TAKEN_IN_USE, "a device takes the slot of one that another CPU waits for still")                  \
    X(CUT_OFF_GOES_ON, "a device that is cut off while it is attached is made bus master again")             \
    X(CUT_LATE, "a CPU takes a device's rights that others have cut off meanwhile")                          \
    X(QUIET_NOT_WAITED, "DMA that was let through before a device was cut off is not waited for")            \
    X(SLOT_NOT_SEEN_AGAIN, "who invalidates takes a device for listed that left before it raised the users") \
    X(GUILTY_UNASKED, "a device is given up that was asked beside others")                                   \
    X(DEVICE_NOT_WAITED, "who stands behind a device in the queue waits a second, as everybody")             \
    X(DID_NOT_INVALIDATED, "a device leaves, and what is cached under the domain id stays for the next one") \
    X(ALIAS_FORGOTTEN, "a group is attached without the ids that bridges give its requests")                 \
    X(RESET_LEFT_OUT, "a device goes from one domain to another as it is")                                   \
    X(HANDED_ON_PENDING, "a device goes to the next domain with transactions pending after its reset")       \
    X(MODE_CHANGED_LIVE, "the table mode changes under translation on units that cannot do that")            \
    X(QUEUE_NOT_DRY, "a queue that was found on is switched off before it has run dry")                      \
    X(FOUND_WAIT_LOST, "the wait in a queue that was found on is not put again when a time-out drops it")    \
    X(RESERVED_LATE, "devices that RMRRs name get their memory after the root table is in force")            \
    X(GLOBAL_NOT_DRAINED, "the invalidation of all a unit has cached does not drain DMA on old units")       \
    X(NO_FAULT_SHARE, "every fault of a device is recorded, however many come")                              \
    X(NO_FAULT_BUDGET, "the fault interrupt reads on for as long as devices fault")                          \
    X(NO_FAULT_MUTE, "a device that faults all the time is not muted")                                       \
    X(QUEUE_ERROR_LEFT,                                                                                      \
      "an error of the queue that nobody waits for stays, and with it no fault interrupts")                  \
    X(FAULTS_STAY_MASKED, "the fault interrupt stays masked when a storm is over")                           \
    X(FAULT_OF_LAST_DOMAIN, "a device's new domain is told of what the device did in the last one")          \
    X(FAULT_HANDLER_NOT_AWAITED, "who takes a fault handler away does not wait for the call under way")      \
    X(FIRST_UNIT_TAKES_DEVICE,                                                                               \
      "a device goes to the first unit that names it, not to the one that names it best")                    \
    X(SELF_TEST_MISSES, "the self-test of dirty bits takes no notice of a page that is not reported")        \
    X(SELF_TEST_IGNORED, "a unit that failed its self-test is believed all the same")                        \
    X(MARK_BEFORE_WRITE, "what the hypervisor writes is marked before it is written")                        \
    X(CARRY_DROPPED, "what a pass has found whose invalidation failed is forgotten")                         \
    X(RESIZE_LOSES_MARKS, "a tracker's old bitmap is read before everybody has let go of it")

#define LULL_MUTANT_NUMBER(name, what) MUTANT_##name,

enum { MUTANT_NONE, LULL_MUTANTS(LULL_MUTANT_NUMBER) };

#ifdef LULL_MUTANT
extern int lull_mutant; /* where tests on the host choose it when they run (tests/mutants) */
#define mutant(name) (LULL_MUTANT == MUTANT_##name)
#else
#define mutant(name) 0
#endif
