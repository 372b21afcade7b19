/* From the electorate of epoch 0 to that of epoch 1, in one of two ways. As design §8 can be read, an elector votes for the next epoch once, and
 * that vote is a promise: safe, but two managers that name different electorates can split the promises for good. With HANDOVER_IS_A_VERSION,
 * as in the code, the handover is the last version of its epoch and goes the way of every version (Viewstamped Replication Revisited, Liskov and
 * Cowling 2012, §7). */

#if LATER_TERMS > 0 && !defined(HANDOVER_IS_A_VERSION)
/* A manager asks its electors to vote for (epoch 1, this electorate). */
inline askForHandover(rank, electorate) {
  d_step { office[rank] == HELD && rank <= TERMS && asked[rank] == 0 ->
    asked[rank] = electorate;
    printf("peer %d, managing term %d, asks for a handover to electorate %d\n", self, rank, electorate)
  }
}

#if TERMS > 3
#define IsAsked(electorate)  (asked[1] == electorate || asked[2] == electorate || asked[3] == electorate || asked[4] == electorate)
#elif TERMS > 2
#define IsAsked(electorate)  (asked[1] == electorate || asked[2] == electorate || asked[3] == electorate)
#elif TERMS > 1
#define IsAsked(electorate)  (asked[1] == electorate || asked[2] == electorate)
#else
#define IsAsked(electorate)  (asked[1] == electorate)
#endif

/* An elector of epoch 0 does so, once. It is a promise: nothing of epoch 0 is said any more. The vote names the newest version. */
inline handOver(electorate) {
  d_step {
    IsAsked(electorate) && self < K && Takes(self) && !In(handed[1] | handed[2], self) && !In(ready, self) ->
    handed[electorate] = handed[electorate] | Bit(self);
    newest[self] = kept[self];
    printf("peer %d votes to hand over to electorate %d\n", self, electorate)
  }
}

#define CanReceiveCopy(electorate) \
  (In(Successors(electorate), self) && Takes(self) && !In(ready, self) && Size(handed[electorate] | (LIARS & Everybody)) >= NEEDED)
#define Certify(votes, electorate)  (Size(votes) == NEEDED && (votes & ~(handed[electorate] | (LIARS & Everybody))) == 0)

/* A successor keeps the highest version among a quorum of such votes; with it, it has a part in epoch 1. */
inline receiveCopy(electorate, votes, shown) {
  d_step {
    assert(opened == 0 || opened == electorate);     /* an epoch has one electorate */
    opened = electorate;
    ready = ready | Bit(self);
    printf("peer %d joins electorate %d\n", self, opened);
    found = ((votes & LIARS) != 0 && plan[shown] != 0 -> shown : 0);
    for (x : 0 .. K - 1) {
      if
      :: In(votes, x) && !In(LIARS, x) && newest[x] > found -> found = newest[x]
      :: else
      fi
    }
#ifndef MUTANT_NO_COPY
    kept[self] = (found > kept[self] -> found : kept[self]);
#endif
    x = 0
  }
}
#endif

#if LATER_TERMS > 0 && defined(HANDOVER_IS_A_VERSION)
/* A successor keeps the last version of epoch 0, shown with the acknowledgements of a quorum; with it, it has a part in epoch 1. */
inline receiveLast(mark) {
  d_step {
    Closing(plan[mark]) != 0 && Size(acknowledged[mark] | (LIARS & Everybody)) >= NEEDED && In(Successors(Closing(plan[mark])), self) &&
      Takes(self) && !In(ready, self) ->
    assert(opened == 0 || opened == Closing(plan[mark]));     /* an epoch has one electorate */
    opened = Closing(plan[mark]);
    ready = ready | Bit(self);
    printf("peer %d joins electorate %d\n", self, opened);
#ifndef MUTANT_NO_COPY
    kept[self] = (mark > kept[self] -> mark : kept[self]);
#endif
    x = 0
  }
}

/* A successor that hears of epoch 1 first by a mandate, which comes with the certificate but without a version, follows its manager. */
inline receiveMandate(rank) {
  d_step {
    office[rank] != NEVER && In(Successors(opened), self) && Takes(self) && !In(ready, self) ->
    ready = ready | Bit(self);
    promised[self] = rank;
    onDisk[self] = rank;
    printf("peer %d follows the manager of epoch 1 term %d, without a copy\n", self, Term(rank));
    forgetUselessVotes();
    x = 0
  }
}
#endif
