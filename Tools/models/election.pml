/* The quorum election of one request (design §8), for spin: who votes, who manages, which version of the plan is in force, and what a
 * service node obeys. The shape is Viewstamped Replication's (Liskov and Cowling, 2012); the argument why no version is lost is that of
 * Paxos (Lamport, 2001). README.md beside this file maps every name to the code; `check` runs the configurations and the mutants.
 *
 * What is sent stays under way for ever, and whoever may receive it does so now, later, repeatedly or never. So loss, delay,
 * reordering and duplication need no step of their own. An elector may lose patience at any time, and no lease holds anybody back: the model
 * allows more than the code does, and safety may rest on promises alone. Writing to disk and sending what depends on it is
 * one step: a crash in between is a message that nobody received.
 *
 * Everything only grows, and terms are few, so every run ends. Sizes and faults are set by -D, see `check`.
 */

#include "notation.pml"
#include "state.pml"
#ifdef PROGRESS
#include "progress.pml"
#endif
#include "roles.pml"
#if LATER_TERMS > 0
#include "handover.pml"
#endif

/* ---- Processes ------------------------------------------------------------------------------------------------------------------- */

/* Portals call with the client's one envelope, each when it likes. */
active [PORTALS] proctype Portal() {
  d_step { called = called | Bit(_pid) }
}

proctype Elector(byte self) {
#if LATER_TERMS > 0 && !defined(HANDOVER_IS_A_VERSION)
  byte electorate, votes, shown;
#endif
end:
  do
  :: castVote(1)
#if RANKS > 1
  :: castVote(2)
#endif
#if RANKS > 2
  :: castVote(3)
#endif
#if RANKS > 3
  :: castVote(4)
#endif
#if RANKS > 4
  :: castVote(5)
#endif
  :: acknowledge(1)
#if MARKS > 1
  :: acknowledge(2)
#endif
#if MARKS > 2
  :: acknowledge(3)
#endif
#if MARKS > 3
  :: acknowledge(4)
#endif
#if MARKS > 4
  :: acknowledge(5)
#endif
#if MARKS > 5
  :: acknowledge(6)
#endif
#if MARKS > 6
  :: acknowledge(7)
#endif
#if MARKS > 7
  :: acknowledge(8)
#endif
#if MARKS > 8
  :: acknowledge(9)
#endif
#if MARKS > 9
  :: acknowledge(10)
#endif
#if MARKS > 10
  :: acknowledge(11)
#endif
#if MARKS > 11
  :: acknowledge(12)
#endif
#if RESTARTS > 0
  :: restart()
#endif
#if LOSSES > 0
  :: loseStore()
#endif
#if LATER_TERMS > 0
#ifdef HANDOVER_IS_A_VERSION
  :: receiveMandate(TERMS + 1)
#if LATER_TERMS > 1
  :: receiveMandate(TERMS + 2)
#endif
  :: receiveLast(1)
#if TERMS * VERSIONS > 1
  :: receiveLast(2)
#endif
#if TERMS * VERSIONS > 2
  :: receiveLast(3)
#endif
#if TERMS * VERSIONS > 3
  :: receiveLast(4)
#endif
#if TERMS * VERSIONS > 4
  :: receiveLast(5)
#endif
#if TERMS * VERSIONS > 5
  :: receiveLast(6)
#endif
#if TERMS * VERSIONS > 6
  :: receiveLast(7)
#endif
#if TERMS * VERSIONS > 7
  :: receiveLast(8)
#endif
#else
  :: handOver(1)
  :: handOver(2)
  :: atomic {
       CanReceiveCopy(1) || CanReceiveCopy(2) ->
       select (electorate : 1 .. 2);
       select (votes : 1 .. Bit(K) - 1);
       select (shown : 0 .. MOST_SHOWN);
       if
       :: CanReceiveCopy(electorate) && Certify(votes, electorate) -> receiveCopy(electorate, votes, shown)
       :: else
       fi;
       electorate = 0; votes = 0; shown = 0
     }
#endif
#endif
  od
}

/* The part of its candidate that is concerned with one term. */
proctype Manager(byte rank) {
  byte self = Candidate(rank);
  byte votes, shown;
end:
  do
  :: atomic {
       HasQuorum(rank) ->
       select (votes : 1 .. Bit(NODES) - 1);
       select (shown : 0 .. MOST_SHOWN);
       if
       :: Elect(votes, rank) -> takeOffice(rank, votes, shown)
       :: else
       fi;
       votes = 0; shown = 0
     }
#if VERSIONS > 1
  :: propose(rank, 2, 0)
#endif
#if VERSIONS > 2
  :: propose(rank, 3, 0)
#endif
#if LATER_TERMS > 0 && defined(HANDOVER_IS_A_VERSION)
  :: propose(rank, 2, 1)               /* an epoch's last version, which names the electorate of the next */
#ifndef ONE_SUCCESSOR
  :: propose(rank, 2, 2)
#endif
#elif LATER_TERMS > 0
  :: askForHandover(rank, 1)
#ifndef ONE_SUCCESSOR
  :: askForHandover(rank, 2)
#endif
#endif
  od
}

/* A node that does what the manager of the highest (epoch, term) it has heard of says. Its fence is on disk before it acts. */
#if SERVICE_NODES > 0
active [SERVICE_NODES] proctype ServiceNode() {
  byte fence, obeyed;
end:
  do
  :: obey(1)
#if RANKS > 1
  :: obey(2)
#endif
#if RANKS > 2
  :: obey(3)
#endif
#if RANKS > 3
  :: obey(4)
#endif
#if RANKS > 4
  :: obey(5)
#endif
#ifdef MUTANT_FENCE_NOT_PERSISTED
  :: fence = 0
#endif
  od
}

#endif

init {
  byte i;
  atomic {
    for (i : 0 .. NODES - 1) {
      if
      :: !In(LIARS, i) -> run Elector(i)
      :: else
      fi
    }
    for (i : 1 .. RANKS) {
      if
      :: !In(LIARS, Candidate(i)) -> run Manager(i)   /* a lying candidate withholds; what it could spoil is its own request only */
      :: else
      fi
    }
    i = 0
  }
}
