// Which tables of a machine several multi-level page tables use, and who they are. Not in simulated
// memory: Linux has such counts beside the tables, in what describes their frames.
//
// Leaf tables, or tables above them with all that hangs below, as in D. McCracken's patches
// (linux-mm, 2002 to 2006: pte and pmd level). A table either has one table above it, or is known
// here with two users or more; no shared table hangs in another. Not thread-safe.
#ifndef MMUSIM_PT_MLPT_SHARING_H_
#define MMUSIM_PT_MLPT_SHARING_H_

#include <cstdint>
#include <unordered_map>
#include <vector>

#include "base/types.h"

namespace mmusim::pt::mlpt {

class Mlpt;

class Sharing {
 public:
  struct User {
    Mlpt* table = nullptr;
    VirtAddr base;  // of what the shared table serves there
  };

  [[nodiscard]] bool any() const { return !users_.empty(); }
  // The users of a table; null: it is not shared, though one above it may be.
  [[nodiscard]] const std::vector<User>* users(PhysAddr table) const {
    if (users_.empty()) return nullptr;
    const auto found = users_.find(table.value());
    return found == users_.end() ? nullptr : &found->second;
  }
  void add(PhysAddr table, const User& user) { users_[table.value()].push_back(user); }
  // One user less. With one left the table is that one's own and no longer known here: it is
  // returned, else a user without a table. REQUIRES: there is such a user.
  User remove(PhysAddr table, const User& user);

  // Of shared tables and of those below them, which are in no user's account.
  [[nodiscard]] uint64_t bytes() const { return bytes_; }
  void count(uint64_t bytes, bool added) { bytes_ += added ? bytes : -bytes; }

 private:
  std::unordered_map<uint64_t, std::vector<User>> users_;
  uint64_t bytes_ = 0;
};

}  // namespace mmusim::pt::mlpt

#endif  // MMUSIM_PT_MLPT_SHARING_H_
