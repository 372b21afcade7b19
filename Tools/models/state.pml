/* What is under way between peers, what each of them remembers, and what must hold. */

/* ---- What is under way --------------------------------------------------------------------------------------------------------- */

byte called;                           /* the portals that sent the client's envelope to all electors: a set */
byte voted[RANKS + 1];                 /* whose vote for the term is under way: a set of electors */
byte newest[(RANKS + 1) * NODES];      /* the version that each such vote names */
short plan[MARKS + 1];                 /* proposals, each with the set of versions it is built on; 0: not proposed */
byte acknowledged[MARKS + 1];          /* whose acknowledgement is under way: a set of electors */
#if LATER_TERMS > 0
byte asked[TERMS + 1];                 /* the electorate that the manager of each term asks its electors to hand over to; 0: none */
byte handed[3];                        /* who voted for (epoch 1, this electorate): a set of electors; newest[0…] has their versions */
byte opened;                           /* the electorate that some successor found certified; 0: none */
byte ready;                            /* successors that hold the copy with its certificate: a set */
#else
#define opened 0
#endif

/* ---- Electors ------------------------------------------------------------------------------------------------------------------ */

byte promised[NODES];                  /* nothing for a lower rank is said any more */
byte onDisk[NODES];                    /* the promise that a restart finds */
byte kept[NODES];                      /* the newest version acknowledged; always on disk first */
byte barred[NODES];                    /* ranks up to this one may have been managed before a restart: never again */
byte lost;                             /* electors whose store was lost: their new generation has no part in this election */
byte restarts, losses;                 /* so far */

/* ---- Managers, one a rank: its candidate --------------------------------------------------------------------------------------- */

#define NEVER   0
#define HELD    1
#define LEFT    2
byte office[RANKS + 1];                /* whether its candidate never took office, holds it, or lost its memory of it */

/* ---- What must hold ------------------------------------------------------------------------------------------------------------ */

hidden byte x;                         /* a counter within one step */

/* A version is in force once a quorum acknowledged it; assignments for it may then be under way to service nodes. A liar acknowledges
 * everything and keeps nothing. */
#define InForce(mark)  (plan[mark] != 0 && Size(acknowledged[mark] | (LIARS & Electors(RankOf(mark)))) >= NEEDED_TO_KEEP)

/* Whatever is in force is part of what every later manager goes on from, that is, of its first version. Checked when a manager takes
 * office, and when a version comes into force, since either may come last. */
inline checkNothingLost(rank) {
  for (x : 1 .. Mark(rank, 1) - 1) {
    if
    :: InForce(x) -> assert((plan[x] & ~plan[Mark(rank, 1)]) == 0)
    :: else
    fi
  }
}

inline checkKeptBySuccessors(mark) {
  for (x : RankOf(mark) + 1 .. RANKS) {
    if
    :: office[x] != NEVER -> assert((plan[mark] & ~plan[Mark(x, 1)]) == 0)
    :: else
    fi
  }
}

/* ---- Who may speak -------------------------------------------------------------------------------------------------------------- */

#ifdef MUTANT_GENERATION_IGNORED
#define Takes(self)  true
#else
#define Takes(self)  (!In(lost, self))
#endif

#if LATER_TERMS > 0
#ifdef MUTANT_HANDOVER_WITHOUT_SEALING
#define Sealed(self)  false
#elif defined(HANDOVER_IS_A_VERSION)
#define Sealed(self)  In(ready, self)
#else
#define Sealed(self)  (In(handed[1] | handed[2], self) || In(ready, self))
#endif
/* Whether the elector has a part in the rank's epoch: in the old one until it is sealed, in the new one once it holds the copy. */
#define Serves(self, rank)  (Takes(self) && ((rank) <= TERMS -> self < K && !Sealed(self) : In(ready, self)))
#else
#define Serves(self, rank)  Takes(self)
#endif
