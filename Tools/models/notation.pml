/* Sizes, numbers for terms and versions, electorates, and the mutants: what the other files are written in. */

/* ---- Sizes ------------------------------------------------------------------------------------------------------------------- */

#ifndef K              /* electors of an electorate */
#define K 3
#endif
#ifndef TERMS          /* terms of epoch 0 */
#define TERMS 3
#endif
#ifndef LATER_TERMS    /* terms of epoch 1, which a handover opens */
#define LATER_TERMS 0
#endif
#ifndef VERSIONS       /* versions that a manager can make in its term, the rewriting of what it found included */
#define VERSIONS 2
#endif
#ifndef RESTARTS       /* crashes that the disk survives */
#define RESTARTS 0
#endif
#ifndef LOSSES         /* crashes that the disk does not survive */
#define LOSSES 0
#endif
#ifndef LIARS          /* the set of electors that lie, as bits; at most f */
#define LIARS 0
#endif

#ifndef PORTALS        /* portals that call with the same envelope */
#define PORTALS 1
#endif
#ifndef SERVICE_NODES
#define SERVICE_NODES 0
#endif

#define F      ((K - 1) / 3)
#define QUORUM ((K + F) / 2 + 1)

#if LATER_TERMS > 0
#define NODES (K + 1)          /* one elector goes, one comes */
#else
#define NODES K
#endif

/* (epoch, term) as one number, in its order: epoch 0 has ranks 1…TERMS, epoch 1 the ranks after. Rank 0 is before any vote. */
#define RANKS    (TERMS + LATER_TERMS)
/* (epoch, term, sequence) as one number, in its order; 0 is no version. Sequences count from 1 in each term: only their order within a
 * term matters, because the term goes first. */
#define MARKS            (RANKS * VERSIONS)
#if MARKS > 12 || RANKS > 5 || NODES > 5 || VERSIONS > 3 || (LATER_TERMS > 0 && (LATER_TERMS > 2 || K != 3 || TERMS * VERSIONS > 8))
#error "the processes below have no options for such sizes"
#endif
#define Mark(rank, s)    (((rank) - 1) * VERSIONS + (s))
#define RankOf(mark)     (((mark) - 1) / VERSIONS + 1)

/* For the story that `check --trace` tells. */
#define Epoch(rank)      ((rank) > TERMS)
#define Term(rank)       ((rank) > TERMS -> (rank) - TERMS : (rank))
#define Sequence(mark)   ((mark) == 0 -> 0 : ((mark) - 1) % VERSIONS + 1)
#define Of(mark)         ((mark) == 0 -> 0 : RankOf(mark))

#define Bit(n)           (1 << (n))
#define In(set, n)       (((set) >> (n)) & 1)
#define Size(set)        (In(set, 0) + In(set, 1) + In(set, 2) + In(set, 3) + In(set, 4))

#if LIARS != 0
#define MOST_SHOWN       MARKS
#else
#define MOST_SHOWN       0
#endif

/* ---- Electorates ------------------------------------------------------------------------------------------------------------- */

/* Epoch 0 has electors 0…K-1. A handover to electorate 1 replaces elector 0 by node K; one to electorate 2 replaces elector 1. */
#define Everybody        (Bit(K) - 1)
#define Successors(e)    (((e) == 1 -> Everybody - Bit(0) : Everybody - Bit(1)) + Bit(K))
#define Electors(rank)   ((rank) <= TERMS -> Everybody : Successors(opened))

/* The one candidate of a term: order[(t-1) mod k]. In epoch 1 the newcomer comes first: it knows only what it was given. */
#define Candidate(rank)  ((rank) <= TERMS -> ((rank) - 1) % K : ((rank) == TERMS + 1 -> K : 2))

/* With HANDOVER_IS_A_VERSION, the set of a version says too whether an epoch's last version is in it, and to which electorate it hands
 * over. */
#define Closing(set)     (((set) >> 13) & 3)
#define ClosesFor(e)     ((e) << 13)

/* ---- Mutants: each takes away one thing that safety rests on; `check` demands that each is caught ------------------------------- */

#ifdef MUTANT_QUORUM_OFF_BY_ONE
#define NEEDED (QUORUM - 1)
#else
#define NEEDED QUORUM
#endif
#ifdef MUTANT_MAJORITY_AMONG_LIARS     /* a majority is no quorum when some may lie */
#undef NEEDED
#define NEEDED (K / 2 + 1)
#endif
#ifdef MUTANT_EFFECTIVE_BEFORE_QUORUM
#define NEEDED_TO_KEEP 1
#else
#define NEEDED_TO_KEEP NEEDED
#endif
