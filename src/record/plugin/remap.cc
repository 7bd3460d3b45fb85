#include "record/plugin/remap.h"

#include <cerrno>
#include <cstdarg>
#include <cstdint>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <utility>

#include "record/plugin/imports.h"

namespace mmusim::record::plugin {
namespace {

thread_local bool stays = false;

// Tries to leave [old, old + old_bytes) where it is. QEMU has reserved the `bytes` at `place`,
// which may be just what it grows into.
bool remap_in_place(uintptr_t old, size_t old_bytes, size_t bytes, uintptr_t place) {
  const auto at = [](uintptr_t address) { return reinterpret_cast<void*>(address); };
  const uintptr_t end = place + bytes;
  const uintptr_t shared = place > old && place < old + bytes ? old + bytes - place : 0;
  if (shared != 0) munmap(at(place), shared);
  if (syscall(SYS_mremap, old, old_bytes, bytes, 0, nullptr) != -1) {
    munmap(at(place + shared), end - place - shared);
    return true;
  }
  if (shared != 0) {
    static_cast<void>(mmap(at(place), shared, PROT_NONE,
                           MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1,
                           0));
  }
  return false;
}

size_t whole_pages(size_t bytes) {
  return (bytes + 4095) & ~size_t{4095};
}

// In QEMU's place.
void* remap(void* old, size_t old_bytes, size_t bytes, int flags, ...) {
  void* place = nullptr;
  if ((flags & MREMAP_FIXED) != 0) {
    va_list rest;
    va_start(rest, flags);
    place = va_arg(rest, void*);
    va_end(rest);
    if (std::exchange(stays, false) &&
        remap_in_place(reinterpret_cast<uintptr_t>(old), whole_pages(old_bytes), whole_pages(bytes),
                       reinterpret_cast<uintptr_t>(place)))
      return old;
  }
  return reinterpret_cast<void*>(syscall(SYS_mremap, old, old_bytes, bytes, flags, place));
}

}  // namespace

bool take_mremap() {
  return replace_import("mremap", reinterpret_cast<void*>(&remap));
}

void stay_if_possible(bool stay) {
  stays = stay;
}

}  // namespace mmusim::record::plugin
