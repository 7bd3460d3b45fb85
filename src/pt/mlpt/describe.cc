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
  const Table table{
      .address = step.address - shape_->index(va, level) * word_bytes(),
      .words = frames_->words(step.address - shape_->index(va, level) * word_bytes())};
  const Entry e = word(table, shape_->index(va, level));
  return {.what = level == shape_->top() ? "PGD entry" : kNames.at(level),
          .fields = e == kNone ? "none" : format_->describe(e, shape_->size(level))};
}

}  // namespace mmusim::pt::mlpt
