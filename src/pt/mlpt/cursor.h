// The MLPT's cursor: keeps the tables on the path to its position, so that going on from one leaf
// table to the next reads one word of the table above, not a whole path.
#ifndef MMUSIM_PT_MLPT_CURSOR_H_
#define MMUSIM_PT_MLPT_CURSOR_H_

#include <array>
#include <cstdint>

#include "pt/mlpt/mlpt.h"

namespace mmusim::pt::mlpt {

class MlptCursor final : public Cursor {
 public:
  MlptCursor(Mlpt& table, VirtRange range, CursorMode mode);
  bool next(Run& run) override;
  Status status() const override { return status_; }
  void seek(VirtAddr va) override;

 private:
  struct Step {
    Table table;
    uint64_t number = 0;  // which span of the level it serves, counted from address 0
  };
  void restart();
  void pass(uint64_t slot, unsigned level);

  Mlpt& mlpt_;
  const Shape& shape_;
  uint64_t position_;
  uint64_t last_;  // inclusive: the end may be the end of the address space
  bool build_;
  bool done_;
  Status status_ = Status::Ok;
  unsigned level_ = 0;  // path_[level_] .. path_[top] are valid
  std::array<Step, kMostLevels> path_{};
};

}  // namespace mmusim::pt::mlpt

#endif  // MMUSIM_PT_MLPT_CURSOR_H_
