// The top of a guarded page table: where miss handlers' walks begin.
//
// Text, heap, mappings and stack lie so far apart that an address's first bits do not part them
// well, and the trie has lines there, of which a walk tests one entry after the other. But some
// window of adjacent bits does. So the top is a table of 2^n slots (n at most pt.gpt.top) which the
// window's bits index, and each has a copy of the entry that leads on for the addresses that come
// to it. Since prefixes are absolute and complete, the copy says by itself whether an address
// agrees, whatever the window has left out: no other entry need be read. Places that come to one
// slot share a line in the second half of the top, those first that serve most pages; of more than
// four the last stands for the line or table above them. A slot to which nothing comes is Invalid:
// a miss.
//
// Which window: that which leaves a walk the least to do, of those the one of the fewest slots,
// then of the most significant bits. It is looked for anew when there is a quarter more to do than
// when it was chosen. The handler has the top's address and window at hand, in one word
// (handlers/guarded_walk.c).
//
// The trie stands as it would without a top. This is an index of it, which the kernel writes to
// when something changes among the entries it repeats: the root's, and below it those of lines and
// tables as long as what is in them fits, at most four entries deep; not what is shared. It has no
// leaves, whose word may be written by whom it concerns: the line or table a leaf stands in stands
// for it. Nor has it what entries count.
//
// Bits that need not be the first, as in hash tables by bit selection; a root at hand, as every
// radix table's. Reported: what is repeated is read each time, and 16 bytes for a slot written. On
// other CPUs that run the address space the word at hand is renewed when a walk finds the old top
// Moved. Without memory there is no top. Not thread-safe.
#ifndef MMUSIM_PT_GPT_TOP_H_
#define MMUSIM_PT_GPT_TOP_H_

#include <array>
#include <cstdint>
#include <vector>

#include "pt/gpt/tables.h"

namespace mmusim::pt::gpt {

class Top {
 public:
  explicit Top(Tables& tables) : tables_(&tables) {}
  ~Top() = default;
  Top(const Top&) = delete;
  Top& operator=(const Top&) = delete;

  [[nodiscard]] bool exists() const { return window_.log2 != 0; }
  // After the trie below `root` has changed: makes, changes or drops the top.
  enum class May : uint8_t {
    Grow,
    Move,  // to other memory, no more than it has
    Stay,  // no memory: what asks for it may not be looked at meanwhile
  };
  // Dropped where it may not what it should.
  void refresh(const Place& root, May may);
  // Drops it: the address space is at its end.
  void discard();

  // Where the walk of an address begins. REQUIRES: exists().
  [[nodiscard]] Place slot_of(uint64_t key) const { return place_of(window_.slot(key)); }
  [[nodiscard]] const Table& table() const { return table_; }
  [[nodiscard]] Shape shape() const { return shape_of(window_, !lines_.empty()); }
  // Whether the line there is one of the top's own.
  [[nodiscard]] bool has(PhysAddr line) const {
    return exists() && line >= table_.address && line - table_.address < shape().bytes();
  }
  // In which slots there are lines.
  [[nodiscard]] const std::vector<uint32_t>& lines() const { return lines_; }
  // All addresses of an aligned block of 2^granule bytes come to one slot.
  [[nodiscard]] unsigned granule() const { return window_.shift; }
  // Whether a walk comes past the line or table there: its entries stand in the top.
  [[nodiscard]] bool repeats(PhysAddr table) const;

 private:
  // The bits [shift, shift + log2) of the address.
  struct Window {
    unsigned shift = 0;
    unsigned log2 = 0;
    [[nodiscard]] uint64_t slots() const { return uint64_t{1} << log2; }
    [[nodiscard]] uint64_t slot(uint64_t key) const { return key >> shift & (slots() - 1); }
    // Lines of four there is room for in as much again.
    [[nodiscard]] unsigned lines() const { return unsigned{1} << (log2 - 2); }
    bool operator==(const Window&) const = default;
  };
  // An entry that the top may repeat, and which of them it stands below.
  struct Node {
    GuardedEntry entry;
    unsigned above = 0;
    unsigned depth = 0;
    uint64_t weight = 1;    // pages, or entries
    bool expanded = false;  // what is below it is here, too
  };
  // What a walk should come to as early as it can: the addresses, and the lowest node.
  struct End {
    uint64_t prefix = 0;
    unsigned length = 0;
    unsigned node = 0;
    uint64_t weight = 1;
  };
  // What comes to a slot: one node, or up to four in a line. The last is for all the others.
  struct Slot {
    std::array<unsigned, kLineEntries> nodes{};
    unsigned count = 0;
    bool line = false;
  };

  static Shape shape_of(const Window& window, bool lines) {
    return Shape::entries(window.log2 + (lines ? 1 : 0));
  }
  [[nodiscard]] Place place_of(uint64_t slot) const;
  void gather(const Place& root);
  void expand(unsigned node);
  // What stands in each slot with that window, and what is left for walks to do.
  uint64_t lay_out(const Window& window, std::vector<Slot>& slots) const;
  void add(Slot& slot, unsigned node) const;
  [[nodiscard]] uint64_t left_for(const Slot& slot, unsigned node) const;
  [[nodiscard]] unsigned above_both(unsigned a, unsigned b) const;
  // Nothing gained: of no slots.
  [[nodiscard]] Window choose() const;
  void move_to(const Window& window, May may);
  void drop();
  void write(uint64_t slot, const GuardedEntry& e);

  Tables* tables_;
  Table table_{};
  Window window_;
  uint64_t left_ = 0;  // when the window was chosen
  uint8_t level_ = 0;
  std::vector<uint32_t> lines_;
  std::vector<GuardedEntry> content_;  // what has been written into the table
  std::vector<Node> nodes_;
  std::vector<End> ends_;
  std::vector<Slot> slots_;
};

}  // namespace mmusim::pt::gpt

#endif  // MMUSIM_PT_GPT_TOP_H_
