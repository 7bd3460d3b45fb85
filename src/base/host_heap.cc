#include "base/host_heap.h"

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <malloc.h>
#include <sys/mman.h>
#include <unistd.h>

namespace mmusim {

// glibc.malloc.hugetlb does the same, but only from the environment. The heap is what lies below
// the program break: it is made to grow once by so much, which is address space alone until it is
// touched, and the kernel is told of all of it.
void prefer_huge_heap() {
#ifdef __GLIBC__
  static const bool done = [] {
    constexpr size_t kReserve = size_t{256} << 20;
    constexpr size_t kHugePage = size_t{2} << 20;
    constexpr size_t kSmall = size_t{1} << 20;  // less than mmap_threshold
    const auto end_of_heap = [] { return static_cast<std::byte*>(sbrk(0)); };
    std::byte* const before = end_of_heap();
    mallopt(M_ARENA_MAX, 1);
    mallopt(M_MMAP_THRESHOLD, int{16} << 20);
    mallopt(M_TRIM_THRESHOLD, static_cast<int>(2 * kReserve));
    mallopt(M_TOP_PAD, static_cast<int>(kReserve));
    // So that it grows now. The compiler would leave out what nobody looks at.
    void* volatile some = std::malloc(kSmall);
    std::free(some);
    // What grows later, where address space may be limited, grows by what is needed.
    mallopt(M_TOP_PAD, int{128} << 10);
    std::byte* const begin = before + (-reinterpret_cast<uintptr_t>(before) & (kHugePage - 1));
    const std::ptrdiff_t bytes = end_of_heap() - begin;
    if (bytes >= static_cast<std::ptrdiff_t>(kHugePage))
      static_cast<void>(
          madvise(begin, static_cast<size_t>(bytes), MADV_HUGEPAGE));  // it may say no
    return true;
  }();
  static_cast<void>(done);
#endif
}

}  // namespace mmusim
