#include "mem/word_arena.h"

#include <bit>
#include <cerrno>
#include <cstring>
#include <sys/mman.h>

#include "base/error.h"

namespace mmusim::mem {
namespace {

thread_local WordArena* current_arena = nullptr;

}  // namespace

WordArena::WordArena(size_t bytes) : bytes_(bytes) {
  MMUSIM_ASSERT(current_arena == nullptr);
  void* const memory = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                              MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED)
    throw Error("", fmt::format("cannot reserve memory for tables: {}", std::strerror(errno)));
  base_ = static_cast<std::byte*>(memory);
  current_arena = this;
}

WordArena::~WordArena() {
  current_arena = nullptr;
  ::munmap(base_, bytes_);
}

WordArena* WordArena::current() {
  return current_arena;
}

void* WordArena::take(size_t bytes) {
  MMUSIM_ASSERT(std::has_single_bit(bytes));
  std::vector<void*>& free = free_[static_cast<size_t>(std::countr_zero(bytes))];
  if (!free.empty()) {
    void* const memory = free.back();
    free.pop_back();
    return memory;
  }
  if (bytes > bytes_ - used_) return nullptr;
  void* const memory = base_ + used_;
  used_ += bytes;
  return memory;
}

void WordArena::give_back(void* memory, size_t bytes) {
  free_[static_cast<size_t>(std::countr_zero(bytes))].push_back(memory);
}

}  // namespace mmusim::mem
