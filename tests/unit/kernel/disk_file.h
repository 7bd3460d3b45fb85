// A file on disk, mapped by one process, and which pages of it are mapped: the same whatever page
// table the kernel has.
#ifndef MMUSIM_TESTS_UNIT_KERNEL_DISK_FILE_H_
#define MMUSIM_TESTS_UNIT_KERNEL_DISK_FILE_H_

#include <string>
#include <utility>
#include <vector>

#include "kernel/script.h"

namespace mmusim::kernel::testing {

using Spans = std::vector<std::pair<uint64_t, uint64_t>>;

class DiskFileTest : public ::testing::TestWithParam<std::string> {
 protected:
  static std::string settings(const char* more = "") {
    return std::string("[kernel]\nimply = false\nfolio_order = 8\nreadahead = 8M\n") + more;
  }
  [[nodiscard]] static bool is_radix() { return GetParam() == "mlpt"; }
  // A file of so many pages, the whole of it mapped at kBase.
  void make(Machine& m, uint64_t pages, uint32_t type = kMapShared) {
    m_ = &m;
    file_ = m.sys().open("/f", pages * kPage);
    map(pages, type);
  }
  void map(uint64_t pages, uint32_t type = kMapShared) {
    pages_ = pages;
    ASSERT_EQ(m_->sys().mmap(kP1, VirtAddr(kBase), pages * kPage, kRw, type | kMapFixed, file_),
              static_cast<int64_t>(kBase));
  }
  void unmap() { ASSERT_EQ(m_->sys().munmap(kP1, VirtAddr(kBase), pages_ * kPage), 0); }
  void read(uint64_t page) { ASSERT_EQ(m_->load(kP1, kBase + page * kPage), Result::Ok) << page; }
  void write(uint64_t page) { ASSERT_EQ(m_->store(kP1, kBase + page * kPage), Result::Ok) << page; }
  [[nodiscard]] Spans mapped() const {
    Spans spans;
    for (uint64_t i = 0; i < pages_; ++i) {
      if (m_->mm(1).table->peek(VirtAddr(kBase + i * kPage)).entry == pt::kNone) continue;
      if (spans.empty() || spans.back().second != i) spans.emplace_back(i, i);
      spans.back().second = i + 1;
    }
    return spans;
  }
  [[nodiscard]] uint64_t major() const { return m_->process(1).faults.major; }
  [[nodiscard]] uint64_t minor() const { return m_->process(1).faults.minor; }

  Machine* m_ = nullptr;
  FileId file_;
  uint64_t pages_ = 0;
};

}  // namespace mmusim::kernel::testing

#endif  // MMUSIM_TESTS_UNIT_KERNEL_DISK_FILE_H_
