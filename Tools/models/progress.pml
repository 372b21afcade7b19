/* Progress, for what safety leaves open: that nobody manages for ever. Everything in the model only grows, so every run comes to an end; what
 * holds at the end of each is what always comes about. */

/* Until the faults end, an elector may lose patience at any time, in the first terms only. Then it keeps to the rules of the code: it moves
 * on when its term can have no manager, and from term 2 on only in company; or it follows f+1 others, if no manager holds it back. */
bit healed;
#define Alive(e)          ((e) < NODES && !In(lost, e) && !In(LIARS, e))
#define StaysIn(e, rank)  (Alive(e) && Serves(e, rank) && promised[e] <= (rank))
#define CameTo(e, rank)   (Alive(e) && promised[e] >= (rank))
#define Stay(rank)        (StaysIn(0, rank) + StaysIn(1, rank) + StaysIn(2, rank) + (NODES > 3 && StaysIn(LAST, rank)))
#define Come(rank)        (CameTo(0, rank) + CameTo(1, rank) + CameTo(2, rank) + (NODES > 3 && CameTo(LAST, rank)))
#define LAST              (NODES - 1)
#define Hopeless(rank)    (!StaysIn(Candidate(rank), rank) || barred[Candidate(rank)] >= rank || office[rank] == LEFT || \
                           Stay(rank) < QUORUM)
#define Accompanied       (promised[self] <= 1 || kept[self] >= Mark(promised[self], 1) || Come(promised[self]) >= QUORUM)
#define LosesPatience(rank) \
  (!healed -> rank <= FAULTY_TERMS : \
    (promised[self] == 0 && rank == 1) || (rank == TERMS + 1 && promised[self] <= TERMS) || \
    (rank == promised[self] + 1 && Hopeless(promised[self]) && Accompanied) || \
    (Come(rank) > F && Come(rank + 1) <= F && (promised[self] == 0 || office[promised[self]] != HELD || Hopeless(promised[self]))))

#define FaultsGoOn  (!healed)

/* Once nothing is left to happen, a manager holds office, a quorum is with it, and its version is in force. */
#define Manages(rank)  (office[rank] == HELD && InForce(Mark(rank, 1)) && Stay(rank) >= QUORUM)

active proctype Healing() {
  d_step { called != 0 -> healed = true; printf("the faults end\n") };
  timeout ->
  assert(Manages(1)
#if RANKS > 1
    || Manages(2)
#endif
#if RANKS > 2
    || Manages(3)
#endif
#if RANKS > 3
    || Manages(4)
#endif
#if RANKS > 4
    || Manages(5)
#endif
  )
}
