// The table words one walk reads, in order: what a miss handler or a walker touches. Plain data of
// fixed size, so that walks allocate nothing.
#ifndef MMUSIM_PT_WALK_PATH_H_
#define MMUSIM_PT_WALK_PATH_H_

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <type_traits>

#include "base/types.h"
#include "mem/sink.h"

namespace mmusim::pt {

struct WalkStep {
  PhysAddr address;
  // Where a walk may begin another time, for hardware that remembers tables (a paging-structure
  // cache): every walk of an address in the aligned block of 2^serves bytes comes to the table at
  // `table`, which this word is in, by the same steps as this one. That holds until the table's
  // memory is freed, or the block is flushed with freed_tables; a table may come to serve a larger
  // block. serves 0: no walk begins here.
  PhysAddr table{};
  uint8_t serves = 0;
  uint8_t bytes = 8;  // at most 64, within one line
  uint8_t level = 0;  // as in mem::Touch
  // What a software miss handler takes to find this word, load it and judge it. The default is a
  // radix level's: shift, mask, load, test, branch.
  uint8_t instructions = 5;
  bool dependent = true;  // its address came out of the step before
  // Hardware can read it at the same time as the step before: its address is known as early, and
  // no word read since decides whether it is wanted. Never of the first step, nor of a dependent
  // one. False is what a search does whose next word hangs on the outcome of a comparison.
  bool beside = false;
  uint8_t part = 0;  // backend's, for describe(): what of its structures the word is
};
static_assert(std::is_trivially_copyable_v<WalkStep> && std::is_trivially_destructible_v<WalkStep>);

// Such a word, for people.
struct WordText {
  const char* what = "page table";  // "PTE", "bucket", ...
  std::string fields;               // what it says; empty: not known
};

class WalkPath {
 public:
  // A guarded table over 64-bit addresses of 4 KiB pages has at most 52 levels, a root and, at
  // each sharing point, an indirection; chains of a hashed table may be longer: what does not fit
  // is counted.
  static constexpr unsigned kMostSteps = 120;

  void add(const WalkStep& step) {
    if (count_ < kMostSteps) std::construct_at(&room_.steps[count_], step);
    ++count_;
    instructions_ += step.instructions;
  }
  // Instructions of the handler's that belong to no word: to begin, and at the end.
  void charge(unsigned instructions) { instructions_ += instructions; }
  void add(PhysAddr address, unsigned bytes, unsigned level, bool dependent, unsigned part = 0) {
    add({.address = address,
         .bytes = static_cast<uint8_t>(bytes),
         .level = static_cast<uint8_t>(level),
         .dependent = dependent,
         .part = static_cast<uint8_t>(part)});
  }
  void clear() { count_ = instructions_ = 0; }
  // All steps taken, also those beyond kMostSteps.
  [[nodiscard]] unsigned count() const { return count_; }
  [[nodiscard]] unsigned instructions() const { return instructions_; }
  [[nodiscard]] std::span<const WalkStep> steps() const {
    return {room_.steps.data(), count_ < kMostSteps ? count_ : kMostSteps};
  }
  void report(mem::ReferenceSink& sink, mem::Origin origin) const;

 private:
  // Not written to until there are steps: clearing it would take longer than most walks.
  union Room {
    Room() {}
    std::array<WalkStep, kMostSteps> steps;
  };
  Room room_;
  unsigned count_ = 0;
  unsigned instructions_ = 0;
};

}  // namespace mmusim::pt

#endif  // MMUSIM_PT_WALK_PATH_H_
