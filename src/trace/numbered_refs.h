// Some references in a row, as numbers of a table's: who moves the table has moved them all.
#ifndef MMUSIM_TRACE_NUMBERED_REFS_H_
#define MMUSIM_TRACE_NUMBERED_REFS_H_

#include <cstddef>
#include <cstdint>
#include <span>

#include "trace/record.h"

namespace mmusim::trace {

class NumberedRefs {
 public:
  NumberedRefs() = default;
  // Both must outlive its use.
  NumberedRefs(std::span<const uint32_t> numbers, const PageRef* table)
      : numbers_(numbers), table_(table) {}

  [[nodiscard]] size_t size() const { return numbers_.size(); }
  [[nodiscard]] PageRef operator[](size_t i) const { return table_[numbers_[i]]; }
  [[nodiscard]] NumberedRefs subspan(size_t first, size_t count) const {
    return {numbers_.subspan(first, count), table_};
  }
  [[nodiscard]] std::span<const uint32_t> numbers() const { return numbers_; }

 private:
  std::span<const uint32_t> numbers_;
  const PageRef* table_ = nullptr;
};

}  // namespace mmusim::trace

#endif  // MMUSIM_TRACE_NUMBERED_REFS_H_
