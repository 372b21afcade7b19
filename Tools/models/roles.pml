/* The steps of an elector, of a candidate and manager, and of a service node. */

/* ---- Steps of an elector --------------------------------------------------------------------------------------------------------- */

/* Votes that nobody can count any more are forgotten. This makes no difference but to the number of states. */
hidden byte y;
inline forgetUselessVotes() {
#ifndef KEEP_VOTES
  for (x : 1 .. RANKS) {
    if
    :: In(LIARS, Candidate(x)) || office[x] != NEVER || promised[Candidate(x)] > x || barred[Candidate(x)] >= x || In(lost, Candidate(x)) ->
      voted[x] = 0;
      for (y : x * NODES .. x * NODES + NODES - 1) {
        newest[y] = 0
      }
    :: else
    fi
  }
#else
  skip
#endif
}

#ifndef PROGRESS
#define LosesPatience(rank)  true
#define FaultsGoOn           true
#endif

/* A call, lost patience, a decline, or others that moved on: the elector promises the term and votes for its candidate. */
inline castVote(rank) {
  d_step {
    called != 0 && Serves(self, rank) && promised[self] < rank && LosesPatience(rank) ->
    promised[self] = rank;
#ifndef MUTANT_PROMISE_NOT_PERSISTED
    onDisk[self] = rank;
#endif
    newest[rank * NODES + self] = kept[self];
    voted[rank] = voted[rank] | Bit(self);
    printf("peer %d votes in epoch %d term %d, naming version %d.%d.%d\n", self, Epoch(rank), Term(rank),
      Epoch(Of(kept[self])), Term(Of(kept[self])), Sequence(kept[self]));
    forgetUselessVotes();
    x = 0
  }
}

/* A version of a manager that shows its mandate: kept on disk, then acknowledged. */
inline acknowledge(mark) {
  d_step {
    plan[mark] != 0 && !In(acknowledged[mark], self) && Serves(self, RankOf(mark)) &&
      RankOf(mark) >= promised[self] && mark >= kept[self] ->
    promised[self] = RankOf(mark);
    onDisk[self] = RankOf(mark);
    kept[self] = mark;
    acknowledged[mark] = acknowledged[mark] | Bit(self);
    printf("peer %d keeps version %d.%d.%d\n", self, Epoch(RankOf(mark)), Term(RankOf(mark)), Sequence(mark));
    if
    :: InForce(mark) -> checkKeptBySuccessors(mark)
    :: else
    fi;
    forgetUselessVotes();
    x = 0
  }
}

/* A crash that the disk survives: the peer forgets what it managed, and bars itself from every term that it promised. A restart
 * that forgets nothing is no event. */
inline restart() {
  d_step {
    restarts < RESTARTS && FaultsGoOn && Takes(self) && promised[self] > 0 &&
      (promised[self] != onDisk[self] || barred[self] != promised[self]) ->
    restarts++;
    promised[self] = onDisk[self];
    barred[self] = onDisk[self];
    printf("peer %d crashes and restarts, having promised epoch %d term %d on disk\n", self, Epoch(onDisk[self]), Term(onDisk[self]));
    leaveOffices();
    forgetUselessVotes();
    x = 0
  }
}

/* A crash that the disk does not survive. */
inline loseStore() {
  d_step {
    losses < LOSSES && FaultsGoOn && !In(lost, self) && promised[self] > 0 ->
    losses++;
    lost = lost | Bit(self);
    promised[self] = 0;
    onDisk[self] = 0;
    kept[self] = 0;
    barred[self] = 0;
    printf("peer %d crashes and loses its store\n", self);
    leaveOffices();
    forgetUselessVotes();
    x = 0
  }
}

inline leaveOffices() {
  for (x : 1 .. RANKS) {
    if
    :: Candidate(x) == self && office[x] == HELD -> office[x] = LEFT
    :: else
    fi
  }
}

/* ---- Steps of a candidate and manager -------------------------------------------------------------------------------------------- */

#ifdef MUTANT_OFFICE_TAKEN_TWICE       /* a restarted candidate does not know that it managed before */
#define Barred(rank)  false
#else
#define Barred(rank)  ((rank) <= barred[self])
#endif

hidden byte found;                     /* within one step: the highest version among the votes */

/* The candidate, which voted for itself, has heard enough votes for its term. */
#define HasQuorum(rank)  (promised[self] == rank && Takes(self) && office[rank] != HELD && !Barred(rank) && In(voted[rank], self) && \
                          Size(voted[rank] | (LIARS & Electors(rank))) >= NEEDED)
/* These could be the votes of a mandate: the candidate's own among them; a liar votes as it likes. */
#define Elect(votes, rank)  (In(votes, self) && Size(votes) == NEEDED && (votes & ~(voted[rank] | (LIARS & Electors(rank)))) == 0)

/* The votes make the mandate. The manager rewrites the highest version among them in its own term, as its first; where there is none,
 * it makes one. A liar among the voters shows
 * whatever version some manager has signed, or none: `shown`. */
inline takeOffice(rank, votes, shown) {
  d_step {
    assert(office[rank] == NEVER);     /* at most one mandate is acted upon for a request, epoch and term */
    office[rank] = HELD;
    printf("peer %d manages epoch %d term %d, with the votes of the set %d\n", self, Epoch(rank), Term(rank), votes);
    found = ((votes & LIARS) != 0 && plan[shown] != 0 -> shown : 0);
    for (x : 0 .. NODES - 1) {
      if
      :: In(votes, x) && !In(LIARS, x) && newest[rank * NODES + x] > found -> found = newest[rank * NODES + x]
      :: else
      fi
    }
#ifdef MUTANT_SNAPSHOTS_IGNORED
    found = 0;
#endif
    if
    :: found != 0 -> plan[Mark(rank, 1)] = plan[found]
    :: else -> plan[Mark(rank, 1)] = Bit(Mark(rank, 1) - 1)
    fi;
    printf("  it goes on from version %d.%d.%d\n", Epoch(Of(found)), Term(Of(found)), Sequence(found));
    checkNothingLost(rank);
#ifdef WITNESS
    /* Not a property: `check` demands that this fails, for the last term, after all faults, with something to lose. */
    assert(!(rank == WITNESS && InForce(Mark(rank - 1, VERSIONS)) && restarts == RESTARTS && losses == LOSSES));
#endif
    forgetUselessVotes();
    x = 0
  }
}

#if LATER_TERMS > 0 && defined(HANDOVER_IS_A_VERSION) && !defined(MUTANT_HANDOVER_WITHOUT_SEALING)
/* Nothing follows the last version of an epoch: who finds it can only rewrite it. */
#define IsOpen(rank, s)  ((rank) > TERMS || Closing(plan[Mark(rank, s) - 1]) == 0)
#else
#define IsOpen(rank, s)  true
#endif

/* Each further version of a term comes once the one before is in force, and adds to it. */
inline propose(rank, s, closesFor) {
  d_step {
    office[rank] == HELD && plan[Mark(rank, s)] == 0 && InForce(Mark(rank, s) - 1) && IsOpen(rank, s) &&
      (rank <= TERMS || closesFor == 0) ->
    plan[Mark(rank, s)] = plan[Mark(rank, s) - 1] | Bit(Mark(rank, s) - 1) | ClosesFor(closesFor);
    printf("peer %d proposes version %d.%d.%d (the last, for electorate: %d)\n", self, Epoch(rank), Term(rank), s, closesFor)
  }
}

/* ---- Steps of a service node --------------------------------------------------------------------------------------------------------- */

/* An assignment under the mandate of this rank. */
inline obey(rank) {
  d_step {
#ifdef MUTANT_FENCE_REMOVED
    InForce(Mark(rank, 1)) && rank != fence ->
#else
    InForce(Mark(rank, 1)) && rank > fence ->
#endif
    printf("the service node obeys the manager of epoch %d term %d\n", Epoch(rank), Term(rank));
    assert(rank >= obeyed);            /* never a lower (epoch, term) after a higher */
    fence = rank;
    obeyed = rank
  }
}
