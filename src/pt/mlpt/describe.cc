// What the words of a multi-level table say.
#include <array>

#include "pt/mlpt/mlpt.h"

namespace mmusim::pt::mlpt {
namespace {

// As Linux calls them: it leaves out the upper ones it does not have, below the topmost.
constexpr std::array<const char*, kMostLevels - 1> kNames = {"PTE", "PMD entry", "PUD entry",
                                                             "P4D entry"};

}  // namespace

WordText Mlpt::describe(const WalkStep& step, VirtAddr va) const {
  const unsigned level = step.level;
  const uint64_t index = shape_->index(va, level);
  const PhysAddr address = step.address - index * word_bytes();
  const Entry e = word({.address = address, .words = frames_->words(address)}, index);
  return {.what = level == shape_->top() ? "PGD entry" : kNames.at(level),
          .fields = e == kNone ? "none" : format_->describe(e, shape_->size(level))};
}

}  // namespace mmusim::pt::mlpt
