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
// that width steals bits of wide ones below it and leaves a trail of thin ones. A line counts as a
// table of two slots: its entries come into the slots they belong to, those of one slot into a line
// of that slot. Arrays and shared sub-trees are not cut: slots do not get smaller than they are.
#ifndef MMUSIM_PT_GPT_RESIZE_H_
#define MMUSIM_PT_GPT_RESIZE_H_

#include <optional>
#include <span>
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

  // A line of entries, for a place above them; in place of another line, perhaps. Nothing: no
  // memory, as below.
  [[nodiscard]] std::optional<GuardedEntry> line_of(std::span<const GuardedEntry> entries,
                                                    const Place& place,
                                                    const GuardedEntry* instead_of = nullptr);
  // A table for entries of a line, or its entries and one more; in place of that line, if it holds
  // them all. Nothing: they would use too few of its slots.
  [[nodiscard]] std::optional<GuardedEntry> table_of(std::span<const GuardedEntry> entries,
                                                     const Place& place,
                                                     const GuardedEntry* instead_of = nullptr);
  // A table of leaves in place of an array or, if fewer than all bits of the address lead to a
  // page, of the arrays that `end` bits lead to; or of larger ones where tables are not wide
  // enough.
  [[nodiscard]] std::optional<GuardedEntry> table_of_array(const GuardedEntry& array, unsigned end,
                                                           const Place& place);

  // The table of `e` gets `width` bits, fewer than it has, and a level below it the rest; so that a
  // slot covers what a sub-tree to be shared covers.
  // `to_save`: not if that would take more memory than it has.
  bool fold(GuardedEntry& e, const Place& place, unsigned width, bool to_save = false);

 private:
  // Tables made and given up by one change, which happens whole or not at all. What is to be given
  // up is read, and reported, also where nothing comes of the change: it is named before it is
  // read.
  class Draft {
   public:
    Draft(Tables& tables, const Place& place) : tables_(tables), place_(place) {}
    ~Draft();
    Draft(const Draft&) = delete;
    Draft& operator=(const Draft&) = delete;

    [[nodiscard]] std::optional<Table> allocate(Shape shape);
    // What the entry leads to.
    void give_up(const GuardedEntry& e) { gone_.push_back(e); }
    // A table of this draft's, which is not needed after all.
    [[nodiscard]] bool has_made(PhysAddr address) const;
    void take_back(PhysAddr address);
    [[nodiscard]] bool saves_memory() const;
    void commit();
    // What was made is thrown away, but making it has cost what it cost.
    void waste();

   private:
    struct Made {
      Table table;
      Shape shape;
    };
    Tables& tables_;
    const Place& place_;
    std::vector<Made> made_;
    std::vector<GuardedEntry> gone_;
    bool committed_ = false;
    bool told_ = false;  // what was read and written

    uint64_t touch_all() const;
    void touch_given_up() const;
    void touch(const Table& table, Shape shape, bool write) const;
  };
  // The slots of a table: what it covers begins with so many bits, and so many follow.
  struct Slots {
    Table table{};
    unsigned length = 0;
    unsigned width = 0;
    [[nodiscard]] unsigned end() const { return length + width; }
  };

  // Whether a table behind so many bits, of which that much counts at `width`, is to be doubled.
  [[nodiscard]] bool wants_doubling(unsigned length, unsigned width, Weight weight) const;
  bool grow(GuardedEntry& e, const Place& place);
  // How many times `e` is to be doubled, which counts `weight` when doubled `bits` times. Each look
  // reads the tables that would be swallowed.
  [[nodiscard]] unsigned growth(const GuardedEntry& e, unsigned bits, Weight weight) const;
  [[nodiscard]] bool wants_halving(const GuardedEntry& e) const;
  // `e` doubled so many times, in the draft. Nothing: no memory, or what is not cut in the way.
  [[nodiscard]] std::optional<GuardedEntry> wider(const GuardedEntry& e, unsigned bits,
                                                  Draft& draft);
  bool shrink(GuardedEntry& e, const Place& place);
  bool collapse(GuardedEntry& e, const Place& place);
  bool settle_line(GuardedEntry& e, const Place& place, bool may_grow);
  // One table of the line becomes twice as wide and takes in what the line has beside it.
  bool join_in_line(GuardedEntry& e, const Place& place);
  // Superpages that lie side by side in the line, or in lines in it, get a table of their own.
  bool gather_superpages(GuardedEntry& e, const Place& place);
  // Takes entries of the line at `place` out of it, by number, ascending; the last ones fill up.
  void take_out(GuardedEntry& e, const Place& place, std::vector<uint64_t> numbers);
  // A table twice as wide in place of the table of `e`, with `beside`, all that is in the half that
  // it has not. Nothing: too few of its slots would be used, or they are not a slot each.
  [[nodiscard]] std::optional<GuardedEntry> extended(const GuardedEntry& e,
                                                     std::span<const GuardedEntry> beside,
                                                     const Place& place);
  // The different entries among 2^width adjacent slots, as many as a line has at most and one.
  static std::vector<GuardedEntry> different(const Table& table, uint64_t first, unsigned width);
  // The entry for 2^width adjacent slots, which `length` bits lead to, with a table or a line for
  // them if they need one. Nothing: no memory.
  [[nodiscard]] std::optional<GuardedEntry> entry_for(const Table& table, uint64_t first,
                                                      unsigned width, unsigned length,
                                                      Draft& draft);
  [[nodiscard]] bool makes_line(size_t entries, uint64_t valid, unsigned width) const;
  [[nodiscard]] std::optional<GuardedEntry> line_of(std::span<const GuardedEntry> entries,
                                                    Draft& draft);
  // An entry comes into the slot it belongs to, beside what is there. False: no memory.
  [[nodiscard]] bool put(const Slots& slots, const GuardedEntry& e, Draft& draft);
  // What an entry covers is spread over the slots. False: no memory, or what is not cut.
  [[nodiscard]] bool spread(const GuardedEntry& child, const Slots& slots, Draft& draft);
  // What it would count there; what is read is reported. Nothing: what is not cut is in the way.
  [[nodiscard]] std::optional<Weight> weigh_spread(const GuardedEntry& child,
                                                   const Slots& slots) const;
  [[nodiscard]] std::optional<Weight> weigh_all(const GuardedEntry& e, const Slots& slots) const;
  [[nodiscard]] std::optional<Weight> weigh_entries(std::span<const GuardedEntry> entries,
                                                    const Slots& slots) const;
  // Of a line whose entries have so many bits in common.
  [[nodiscard]] Weight weigh_line(unsigned length, const Slots& slots) const;

  Tables* tables_;
};

}  // namespace mmusim::pt::gpt

#endif  // MMUSIM_PT_GPT_RESIZE_H_
