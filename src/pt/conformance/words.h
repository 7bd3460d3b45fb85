// What is asked of the words a walk() names: that they are there, that one of them holds what was
// found, and, with memory under watch, that they are those it reads.
//
// Errors: everything throws Broken.
#ifndef MMUSIM_PT_CONFORMANCE_WORDS_H_
#define MMUSIM_PT_CONFORMANCE_WORDS_H_

#include <array>
#include <cstdint>
#include <optional>

#include "pt/conformance/machine.h"
#include "pt/page_table.h"

namespace mmusim::pt::conformance {

// What the sink was told so far, by level, reads and writes.
class References {
 public:
  explicit References(const Machine& machine, mem::Origin origin = mem::Origin::Kernel);
  [[nodiscard]] uint64_t at(unsigned level, bool write) const {
    return counts_[level][write ? 1 : 0];
  }
  [[nodiscard]] uint64_t writes() const;
  [[nodiscard]] uint64_t total() const;
  bool operator==(const References&) const = default;

 private:
  std::array<std::array<uint64_t, 2>, mem::kMaxLevels> counts_{};
};

// The word of the host's memory that simulated address lies in, 8 or 4 bytes as entries are; null:
// there is no table.
const std::byte* host_word(const Machine& machine, PhysAddr address);
// Where in simulated memory that host address is; for messages. Nothing: nowhere.
std::optional<PhysAddr> simulated(const Machine& machine, const std::byte* host);

// Of every walk: the steps are words of tables, and one of them holds the entry.
void check_steps(const Machine& machine, VirtAddr va, const Lookup& found, const WalkPath& path);
// The references since `before` are those of a find() of `va`.
void check_reported(const Machine& machine, const PageTable& table, VirtAddr va, mem::Origin origin,
                    const References& before);
// The tables the words are in, as visit_tables() shows them: one that serves the address holds the
// entry, and words of tables of different levels have different levels.
void check_tables_walked(const Machine& machine, const PageTable& table, VirtAddr va,
                         const Lookup& found, const WalkPath& path);
// The tables it says walks can begin at: tables that hold the word, which walks of other addresses
// of the block come to by the same steps.
void check_beginnings(const PageTable& table, VirtAddr va, const WalkPath& path);
// Walks again, watched: what is read is what the path names, and the path is the same. Does
// nothing where memory cannot be watched.
void check_words_read(const Machine& machine, const PageTable& table, VirtAddr va,
                      const Lookup& found, const WalkPath& path);
// That each step's `dependent` is so: changes the words of the step before, and sees whether this
// one's address changes. Each try is a process of its own. Slow.
void check_dependence(const Machine& machine, const PageTable& table, VirtAddr va);

}  // namespace mmusim::pt::conformance

#endif  // MMUSIM_PT_CONFORMANCE_WORDS_H_
