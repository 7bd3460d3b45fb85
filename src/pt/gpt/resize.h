// Level and path compression: how a table gets the width, and a path the length, that what it holds
// deserves.
//
// All functions work on an Internal entry held by value: they build the new tables in fresh memory,
// touch nothing that is in use, and only then give up the old ones. So a lack of memory leaves
// things as they were: false. The caller writes the entry back. What an address translates to never
// changes; where its entry is does.
//
// Rules and thresholds after the LPC-trie (S. Nilsson and G. Karlsson, "IP-Address Lookup Using
// LC-Tries", 1999, and Linux's net/ipv4/fib_trie.c), with one difference: a table below counts as
// full only if it could be swallowed whole without exceeding the widest width. Otherwise a table at
// that width steals bits of wide ones below it and leaves a trail of thin ones.
#ifndef MMUSIM_PT_GPT_RESIZE_H_
#define MMUSIM_PT_GPT_RESIZE_H_

#include <optional>
#include <vector>

#include "pt/gpt/tables.h"

namespace mmusim::pt::gpt {

class Resizer {
 public:
  explicit Resizer(Tables& tables) : tables_(&tables) {}

  // Applies the rules to `e`, which stands at `place`, until none applies: doubled or halved, or,
  // if it holds nothing or one thing only, replaced by that. True if it changed. However often it
  // doubles, it is rebuilt once, or twice: if it is to be doubled again when it has been, that one
  // is thrown away, and the width it comes to is counted out before the next is made.
  bool settle(GuardedEntry& e, const Place& place, bool may_grow);

  // The table of `e` gets `width` bits, fewer than it has, and a level below it the rest; so that a
  // slot covers what a sub-tree to be shared covers.
  bool fold(GuardedEntry& e, const Place& place, unsigned width);

 private:
  // Tables made and given up by one change, which happens whole or not at all.
  class Draft {
   public:
    Draft(Tables& tables, const Place& place) : tables_(tables), place_(place) {}
    ~Draft();
    Draft(const Draft&) = delete;
    Draft& operator=(const Draft&) = delete;

    [[nodiscard]] std::optional<Table> allocate(unsigned width);
    void give_up(const Table& table, unsigned width) { gone_.push_back({table, width}); }
    void commit();
    // What was made is thrown away, but making it has cost what it cost.
    void waste();

   private:
    struct Sized {
      Table table;
      unsigned width = 0;
    };
    Tables& tables_;
    const Place& place_;
    std::vector<Sized> made_;
    std::vector<Sized> gone_;
    bool committed_ = false;

    uint64_t touch_all() const;
  };

  // Whether a table of `e`'s, of which that much counts at `width`, is to be doubled.
  [[nodiscard]] bool wants_doubling(const GuardedEntry& e, const Place& place, unsigned width,
                                    Weight weight) const;
  bool grow(GuardedEntry& e, const Place& place);
  // How many times `e` is to be doubled, which counts `weight` when doubled `bits` times. Each look
  // reads the tables that would be swallowed.
  [[nodiscard]] unsigned growth(const GuardedEntry& e, const Place& place, unsigned bits,
                                Weight weight) const;
  [[nodiscard]] bool wants_halving(const GuardedEntry& e) const;
  // `e` doubled so many times, in the draft. Nothing: no memory, or a shared sub-tree in the way.
  [[nodiscard]] std::optional<GuardedEntry> wider(const GuardedEntry& e, unsigned bits,
                                                  Draft& draft);
  bool halve_width(GuardedEntry& e, const Place& place);
  bool collapse(GuardedEntry& e, const Place& place);
  // The entry for 2^width adjacent slots, if they need no table for themselves.
  [[nodiscard]] static std::optional<GuardedEntry> entry_alone(const Table& table, uint64_t first,
                                                               unsigned width);
  // ... and a table for them if they need one. Nothing: no memory.
  [[nodiscard]] std::optional<GuardedEntry> entry_for(const Table& table, uint64_t first,
                                                      unsigned width, Draft& draft);
  // A slot's entry spread over 2^bits slots, from `slot` of the fresh table on. False: no memory,
  // or a shared sub-tree in the way.
  [[nodiscard]] bool spread(const GuardedEntry& child, unsigned bits, const Table& fresh,
                            uint64_t slot, Draft& draft);
  // What it would count there, in a table of `width`, as spread() would leave it; what is read is
  // reported. Nothing: a shared sub-tree is in the way.
  [[nodiscard]] std::optional<Weight> weigh_spread(const GuardedEntry& child, unsigned bits,
                                                   unsigned width, uint8_t level) const;
  [[nodiscard]] std::optional<Weight> weigh_all(const Table& table, unsigned table_width,
                                                unsigned bits, unsigned width, uint8_t level) const;
  [[nodiscard]] GuardedEntry finished(const GuardedEntry& e, const Table& fresh, unsigned width,
                                      Draft& draft);

  Tables* tables_;
};

}  // namespace mmusim::pt::gpt

#endif  // MMUSIM_PT_GPT_RESIZE_H_
