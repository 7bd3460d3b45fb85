// Which leaf tables of a machine several multi-level page tables use, and who they are. Not in
// simulated memory: Linux has such counts beside the tables, in what describes their frames.
//
// Only leaf tables are shared, as in D. McCracken's patches (linux-mm, 2002 to 2006): a table has
// either one table above it or is known here, with two users or more. Not thread-safe.
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
    VirtAddr base;  // of what the leaf table serves there
  };

  [[nodiscard]] uint64_t tables() const { return users_.size(); }
  // The users of a leaf table; null: it is not shared.
  [[nodiscard]] const std::vector<User>* users(PhysAddr leaf_table) const {
    if (users_.empty()) return nullptr;
    const auto found = users_.find(leaf_table.value());
    return found == users_.end() ? nullptr : &found->second;
  }
  void add(PhysAddr leaf_table, const User& user) { users_[leaf_table.value()].push_back(user); }
  // One user less. With one left the table is that one's own and no longer known here: it is
  // returned, else a user without a table. REQUIRES: there is such a user.
  User remove(PhysAddr leaf_table, const User& user);

 private:
  std::unordered_map<uint64_t, std::vector<User>> users_;
};

}  // namespace mmusim::pt::mlpt

#endif  // MMUSIM_PT_MLPT_SHARING_H_
