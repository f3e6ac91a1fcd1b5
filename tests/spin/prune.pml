/* SPDX-License-Identifier: BSD-2-Clause */
/* Pruning by accessed bits: a pass goes down only where a table entry's accessed bit A or software's bit S is
 * set, and yet every write that completed before a pass begins is in that pass's report, unless an earlier
 * one had it. So a write is in the report of the first pass that completes after it, or of the next; and once
 * writers have stopped, one further pass holds everything. Passes follow each other for ever: what is
 * explored are all states of this, not some number of passes.
 *
 *   e1 -> e2 -> leaf   a path of two table entries, A[0] S[0] and A[1] S[1], and a leaf with its dirty bit D.
 *                      What lies beside it matters only by what it does to e1 and to caches of e1: a request
 *                      for a page BESIDE it (other e2, other leaf) sets A[0] and caches e1. So the model has
 *                      but one page.
 *   requester()        requests of devices, read or write, begun at any time, one after the other. VT-d
 *                      3.6.2, 6.2.4.1, 6.2.5: the walk reads e1, e2 and the leaf in this order; where A or D
 *                      was found clear it is set, later and in any order, but before anything that rests on
 *                      it is cached, and before the write is done. What was found set may be cleared since
 *   held               how far down the unit has cached the path: 1 is e1, 2 is e2 and a translation with
 *                      dirty clear, 3 is a translation with dirty set. A walk begins anywhere down to held,
 *                      or in memory, so holding more allows all that holding less does. That is why the unit
 *                      caches whenever it may, and why no eviction need be modelled. Who writes by a
 *                      translation with dirty clear sets D: by a walk from memory, by one from a cached
 *                      entry, or in the leaf at once
 *   scanner()          the pass: exchange() is the compare-and-swap of (A, S) to (0, A); then D of the leaf
 *                      is taken; then one invalidation (IH=0) of the spans of the entries whose A, and of
 *                      the leaf if its D, was cleared; then the report. An invalidation drops what is cached
 *                      for its span and no more, and completes after the requests to it that were in flight
 *                      (6.5.4); what these still read is not cached. Or it fails, having done nothing: what
 *                      was found is kept for the next report
 *   whole              an unpruned pass that treats each A as set (it leaves S = 1) and invalidates all of
 *                      its range. The first pass is one, and so is each one after a failed invalidation
 *                      until one has completed
 *   software()         sets D on its own account (a map of a dirty page), then S[1], then S[0]: leaf to root
 *   init               A, S and D are from before tracking. Nothing is cached: tracking starts with an
 *                      invalidation
 *
 * More of it (-D):
 *   TWO_REQUESTS   at a time. One at a time is enough to find each failure below
 *   PARTIAL        passes over a part of the range too (first: the highest entry wholly inside): entries that
 *                  reach beyond it keep A and S. first == ELSEWHERE: a part that our page is not in
 *   UNPRUNED       passes that go everywhere too, and are like the others in all else
 *   SPLIT          e2 may be a large leaf at first, which is split at any time: one compare-and-swap puts a
 *                  table in its place and hands D on. A walk that finds the large leaf gone, when it wants to
 *                  set D there, goes back to e1. The new entry has S = 1 from that very step; nothing is set
 *                  above it, since whoever comes down for the large leaf finds the table
 *   MERGE          e2's table becomes a large leaf, once: its D is read, and handed on by an exchange of e2;
 *                  an invalidation of e2's span follows; then, if D of the table's leaf is set (D_left), that
 *                  of the large leaf is, and S[0]. Walks and cached entries go by the table until then. What
 *                  they write is due once the merge has ended
 *
 * Why it holds. After an invalidation of e's span nothing below e is cached, so whoever sets D below e from
 * then on read e in memory and set A. If A was 1, S is 1 now, and the next pass finds what was set through
 * cached copies until this one's invalidation completed. If A was 0, nothing was walked since the last
 * invalidation that covered e, so D can be set only by walks that set A after the scanner has looked, and the
 * next pass finds that. So S = A is enough, and A = S = 0 means clean.
 *
 * Memory order. Each change by a walk or by the scanner is one locked access to a word that the unit snoops
 * (3.6.2), and so are software's D and S: no store buffer holds any of it, and the model has none. Plain
 * loads are what passes over an entry with A = S = 0, and leaves that show no D. x86 keeps loads in order,
 * and behind the locked access to e; so D is read after A and S were taken, and who sets D, then S or A, is
 * seen by this pass or by the next one. The invalidation is submitted after the scanner's last locked access,
 * and the next pass's loads come after the load that saw its wait's status. On a machine with weaker order
 * the exchange would be an acquire, software's S a release.
 *
 * Left out in turn (-D):
 *   NO_S                     A alone decides; software sets A
 *   A_READ_BEFORE            A is read, then (A, S) replaced by (0, what was read), whatever is there now
 *   LEAF_SPANS_ONLY          only leaves whose D was cleared are invalidated (with the entries above them)
 *   IH_1                     the invalidation leaves cached table entries alone
 *   LEAF_SPANS_LEFT_OUT      it has the spans of entries whose A was cleared, none for a leaf's D
 *   NOT_DRAINED              it completes though walks from before it are in flight
 *   REPORTED_BEFORE          the report is handed out before it
 *   NEXT_PASS_EARLY          the next pass goes down before it
 *   NO_S_BY_SOFTWARE         software sets D and no S
 *   S_FROM_ROOT_TO_LEAF      S[0] before S[1]: a pass takes S[0] and finds S[1] clear
 *   S_BEFORE_DIRTY           S[1], S[0], then D: a pass takes both and finds D clear
 *   CACHED_UNACCESSED        the unit caches e1 and e2 without A, which 6.2.5 leaves open for second stage
 *   FAILED_AS_USUAL          after a failed invalidation the next pass is pruned like any other
 *   WHOLE_TAKES_A            a whole pass leaves S = A like any other. Where the failed pass cleared A, what
 *                            is set through cached copies until the whole one's invalidation stays unseen
 *   WHOLE_TAKES_A TWO_WHOLE  holds: the second of two whole passes that completed finds that. S = 1 saves it
 *   WHOLE_BY_SPANS           a whole pass invalidates the spans of entries whose A it cleared, not all
 *   START_CACHED             tracking starts without an invalidation
 *   FIRST_PRUNED             holds: after that invalidation the first pass might be pruned too
 *   SPLIT S_AFTER_SPLIT      a split sets S after its compare-and-swap: a pass in between has taken S and A
 *                            of e1, and passes over the table below which D is by now
 *   PARTIAL PARTIAL_TAKES    a pass over a part takes A and S of the entries that reach beyond it, too
 *   MERGE NOT_HANDED_BACK    what is set in the table by then is forgotten
 *   MERGE HANDED_BACK_EARLY  it is handed back before the invalidation
 *   MERGE HANDED_BACK_NO_S   it is handed back without S[0]
 *   MERGE S_UNLESS_DIRTY     with S[0], but not where the large leaf is dirty already: by a walk that is in
 *                            flight and has still to set A[0] */

#define REQUESTERS 2

#define READ   1
#define WRITE  2
#define BESIDE 3

/* Spans, the widest first; that of e1 and e2 are 0 and 1. */
#define LEAF    2
#define NO_SPAN 3

#define ELSEWHERE 3

bit A[2], S[2], D;
bit large; /* e2 is a leaf, and D is its dirty bit */
bit merging;
bit D_left; /* that of the leaf in the table that a merge has taken away */

byte request[REQUESTERS];
byte level[REQUESTERS]; /* entries that it has read */
bit old[REQUESTERS];    /* what it reads is not cached any more: an invalidation waits for it, */
bit merged[REQUESTERS]; /* and that of a merge */
#ifdef START_CACHED
byte held = 3;
#else
byte held;
#endif
bit large_held; /* a translation by the large leaf, with dirty set */

bit found;      /* the next report has it. That covers all writes until then, so these do not count */
bit unreported; /* a write has completed */
bit due;        /* this pass must report one */
bit marked;     /* software has set D and is not back yet */
byte first;     /* of this pass: see PARTIAL */
bit everywhere; /* and UNPRUNED */
byte span;      /* what it must invalidate */
#ifdef FIRST_PRUNED
byte whole;
#else
byte whole = 1; /* so many of these have to complete until passes are pruned */
#endif

#ifdef TWO_WHOLE
#define WHOLE_PASSES 2
#else
#define WHOLE_PASSES 1
#endif

#define AT_MOST(value, limit)  value = (value > (limit) -> (limit) : value)
#define AT_LEAST(value, limit) value = (value < (limit) -> (limit) : value)

#define BITS_SET (!needs[0] && !needs[1] && !needs_dirty)
#define LAST     (request[me] == BESIDE -> 1 : 3)

inline end_request() {
    request[me] = 0;
    level[me] = 0;
    old[me] = 0;
    merged[me] = 0;
    shows_dirty = 0;
    by_large = 0
}

/* Caches whatever may be cached. A read ends as soon as it can; a write has still to reach memory. */
inline cache() {
    if
    :: old[me] || merged[me] || needs[0]
    :: else ->
        if
        :: by_large || level[me] == 1 || needs[1] -> AT_LEAST(held, 1)
        :: else -> AT_LEAST(held, (level[me] == 3 && !needs_dirty && shows_dirty -> 3 : 2))
        fi;
        large_held = large_held || (by_large && !needs_dirty && shows_dirty)
    fi;
    if
    :: request[me] != WRITE && BITS_SET && level[me] == LAST -> end_request()
    :: else
    fi
}

inline read_table(e) {
    needs[e] = !A[e];
    level[me] = e + 1
}

#define D_BELOW ((large && D_left) || (!large && D))

inline read_leaf(dirty) {
    shows_dirty = request[me] == WRITE || dirty;
    needs_dirty = request[me] == WRITE && !(dirty);
    level[me] = 3
}

inline read_second() {
    if
    :: large -> by_large = 1; read_leaf(D)
    :: else -> read_table(1)
    fi
}

inline set_dirty() {
    needs_dirty = 0;
    if
    :: by_large && !large -> by_large = 0; shows_dirty = 0; level[me] = 1
    :: !by_large && large -> D_left = 1
    :: else -> D = 1
    fi
}

/* Where there is no table any more the walk begins anew. */
inline set_accessed() {
    needs[1] = 0;
    if
    :: large -> needs_dirty = 0; shows_dirty = 0; level[me] = 1
    :: else -> A[1] = 1
    fi
}

/* A new request takes the first of the requesters that is free. */
#define BEGIN(what, from) !request[me] && (from) && (me == 0 || request[0]) -> request[me] = what

proctype requester(byte me) {
    bit needs[2], needs_dirty, shows_dirty, by_large;

    do
    :: d_step { BEGIN(READ, true); read_table(0); cache() }
    :: d_step { BEGIN(WRITE, true); read_table(0); cache() }
    :: d_step { BEGIN(BESIDE, true); read_table(0); cache() }
    :: d_step { BEGIN(READ, held >= 1); read_second(); cache() }
    :: d_step { BEGIN(WRITE, held >= 1); read_second(); cache() }
    :: d_step { BEGIN(READ, held >= 2); read_leaf(D_BELOW); cache() }
    :: d_step { BEGIN(WRITE, held >= 2); read_leaf(D_BELOW); cache() }
    :: d_step { BEGIN(WRITE, held >= 2); read_leaf(0); cache() }
    :: d_step { BEGIN(WRITE, held == 3); read_leaf(1); cache() }
    :: d_step { BEGIN(WRITE, large_held); by_large = 1; read_leaf(1); cache() }
    :: d_step { level[me] == 1 && request[me] != BESIDE -> read_second(); cache() }
    :: d_step { level[me] == 2 -> read_leaf(D_BELOW); cache() }
    :: d_step { needs[0] -> A[0] = 1; needs[0] = 0; cache() }
    :: d_step { needs[1] -> set_accessed(); cache() }
    :: d_step { needs_dirty -> set_dirty(); cache() }
    :: d_step { level[me] == 3 && BITS_SET -> unreported = !found; end_request() }
#ifdef CACHED_UNACCESSED
    :: d_step { held < 2 && !large -> held = 2 }
#endif
    od
}

#ifdef NO_S
#define GO_DOWN(e) (WAS(e) || whole || everywhere)
#else
#define GO_DOWN(e) (WAS(e) || S[e] || whole || everywhere)
#endif

#ifdef A_READ_BEFORE
#define WAS(e) was
#else
#define WAS(e) A[e]
#endif

inline take_dirty(dirty, leaf_span) {
    if
    :: dirty ->
        dirty = 0;
        found = 1;
        due = 0;
        unreported = 0;
        marked = 0;
#ifdef LEAF_SPANS_ONLY
        span = 0
#else
#ifndef LEAF_SPANS_LEFT_OUT
        AT_MOST(span, leaf_span)
#endif
#endif
    :: else
    fi
}

#ifdef PARTIAL_TAKES
#define TAKES_NOTHING(e) false
#else
#define TAKES_NOTHING(e) (first > e)
#endif

inline exchange(e) {
#ifdef A_READ_BEFORE
    was = A[e];
#endif
    if
    :: d_step { e == 1 && large -> take_dirty(D, 1) } goto scanned
    :: d_step {
        !(e == 1 && large) && GO_DOWN(e) ->
        if
        :: TAKES_NOTHING(e)
        :: else ->
#ifndef LEAF_SPANS_ONLY
            AT_MOST(span, (WAS(e) -> e : NO_SPAN));
#endif
#ifdef WHOLE_TAKES_A
            S[e] = WAS(e);
#else
            S[e] = WAS(e) || whole;
#endif
            A[e] = 0
        fi
    }
    :: else -> goto scanned
    fi
}

/* The table that it has come to may have been merged away. */
inline scan_leaf() {
    if
    :: large -> take_dirty(D_left, LEAF)
    :: else -> take_dirty(D, LEAF)
    fi
}

#define DRAINED (!old[0] && !old[1])
#define IN_SPAN(r) (request[r] && (span == 0 || request[r] != BESIDE))

inline invalidate() {
    if
    :: d_step {
        span < NO_SPAN ->
#ifdef IH_1
        AT_MOST(held, LEAF);
#else
        AT_MOST(held, span);
#endif
        large_held = 0;
        old[0] = IN_SPAN(0);
        old[1] = IN_SPAN(1);
        span = 0
    }
#ifndef NOT_DRAINED
    DRAINED
#endif
    :: else
    fi
}

inline report() {
    assert(!due);
    found = found && first == ELSEWHERE
}

inline begin_pass() {
    due = unreported && !merging && first != ELSEWHERE;
#ifdef WHOLE_BY_SPANS
    span = NO_SPAN
#else
    span = (whole -> first : NO_SPAN)
#endif
}

inline end_pass() {
    due = 0;
    first = 0;
    everywhere = 0;
    span = 0
}

proctype scanner() {
#ifdef A_READ_BEFORE
    bit was;
#endif
#ifdef NEXT_PASS_EARLY
    bit second;
#endif

    do
    :: atomic {
#ifdef PARTIAL
            if
            :: true
            :: first = 1
            :: first = 2
            :: first = ELSEWHERE
            fi;
#endif
#ifdef UNPRUNED
            if
            :: true
            :: everywhere = 1
            fi;
#endif
            d_step { begin_pass() }
scan:
            exchange(0)
        }
        if
        :: first == ELSEWHERE -> goto scanned
        :: else
        fi;
        exchange(1);
        d_step { scan_leaf() }
scanned:
#ifdef NEXT_PASS_EARLY
        second = !second;
        if
        :: second -> goto scan
        :: else
        fi;
#endif
#ifdef REPORTED_BEFORE
        atomic { report() }
#endif
        if
        :: invalidate();
            d_step {
#ifndef REPORTED_BEFORE
                report();
#endif
                whole = (whole && first == 0 -> whole - 1 : whole);
                end_pass()
            }
        :: d_step {
            span < NO_SPAN ->
#ifndef FAILED_AS_USUAL
            whole = WHOLE_PASSES;
#endif
            end_pass()
        }
        fi
    od
}

#ifdef NO_S
#define SET_S(e) A[e] = 1
#else
#define SET_S(e) S[e] = 1
#endif

#define SET_DIRTY   D = 1; marked = !found
#define END_MARKING unreported = unreported || marked; marked = 0

#define MERGE_DRAINED (!merged[0] && !merged[1])
#define BELOW_SECOND(r) (request[r] && request[r] != BESIDE)

#ifdef S_UNLESS_DIRTY
#define HANDS_BACK (D_left && !D)
#else
#define HANDS_BACK D_left
#endif

inline hand_back() {
    if
#ifndef NOT_HANDED_BACK
    :: HANDS_BACK ->
        D = 1;
#ifndef HANDED_BACK_NO_S
        S[0] = 1
#endif
#endif
    :: else
    fi
}

inline merge() {
    d_step { merging = 1; was_dirty = D }
    d_step { large = 1; D_left = D; D = was_dirty; A[1] = 0; S[1] = 0 }
#ifdef HANDED_BACK_EARLY
    hand_back();
#endif
    d_step {
        AT_MOST(held, 1);
        large_held = 0;
        merged[0] = BELOW_SECOND(0);
        merged[1] = BELOW_SECOND(1)
    }
    MERGE_DRAINED;
#ifndef HANDED_BACK_EARLY
    hand_back();
#endif
    d_step { merging = 0; was_dirty = 0 }
}

proctype software() {
#ifdef MERGE
    bit was_dirty;

    if
    :: merge()
    :: true
    fi;
#endif
#ifdef SPLIT
    if
    :: d_step {
        large -> large = 0;
#ifndef S_AFTER_SPLIT
        S[1] = 1
#endif
    }
    :: !large
    fi;
#ifdef S_AFTER_SPLIT
    S[1] = 1;
    S[0] = 1;
#endif
#endif
    do
#ifdef S_BEFORE_DIRTY
    :: SET_S(1);
        SET_S(0);
        d_step { SET_DIRTY; END_MARKING }
#else
    :: d_step { SET_DIRTY }
#ifdef NO_S_BY_SOFTWARE
        d_step { END_MARKING }
#else
#ifdef S_FROM_ROOT_TO_LEAF
        SET_S(0);
        d_step { SET_S(1); END_MARKING }
#else
        SET_S(1);
        d_step { SET_S(0); END_MARKING }
#endif
#endif
#endif
    od
}

init {
    atomic {
        if :: A[0] = 1 :: true fi;
        if :: S[0] = 1 :: true fi;
        if :: D = 1 :: true fi;
        if
#ifdef SPLIT
        :: large = 1
#endif
        :: true
        :: A[1] = 1
        :: S[1] = 1
        :: A[1] = 1; S[1] = 1
        fi;
        run requester(0);
#ifdef TWO_REQUESTS
        run requester(1);
#endif
        run scanner();
        run software()
    }
}
