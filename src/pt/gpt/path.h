// The way from the root to one place of a guarded page table.
#ifndef MMUSIM_PT_GPT_PATH_H_
#define MMUSIM_PT_GPT_PATH_H_

#include <array>

#include "base/error.h"
#include "pt/gpt/entry.h"
#include "pt/gpt/tables.h"

namespace mmusim::pt::gpt {

// The entries passed from the root to one place.
class Path {
 public:
  // Each level below the root uses a bit at least; sharing points pass one entry more, using none.
  static constexpr unsigned kMost = 2 * (kMostPrefix + 1) + 2;

  void push(const Place& place) {
    MMUSIM_ASSERT(count_ < kMost);
    places_[count_++] = place;
  }
  void pop() { --count_; }
  [[nodiscard]] unsigned size() const { return count_; }
  [[nodiscard]] const Place& operator[](unsigned i) const { return places_[i]; }
  [[nodiscard]] const Place& back() const { return places_[count_ - 1]; }

 private:
  std::array<Place, kMost> places_;
  unsigned count_ = 0;
};

}  // namespace mmusim::pt::gpt

#endif  // MMUSIM_PT_GPT_PATH_H_
